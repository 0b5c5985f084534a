"""``carrack create``: a container made but not started."""

from carrack.cli.command import Command, write
from carrack.cli.commands.run import create, refusal
from carrack.cli.container_config import create_document
from carrack.cli.container_flags import CREATE_FLAGS
from carrack.errors import CarrackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _create(session: "Session", parsed: "Parsed") -> int:
    try:
        write(create(session.daemon, parsed, create_document(parsed, session.environment)))
    except (CarrackError, OSError) as error:
        raise refusal("create", error, 1 if isinstance(error, CarrackError) else None) from error
    return 0


CREATE = Command(
    "[OPTIONS] IMAGE [COMMAND] [ARG...]",
    "Create a new container",
    _create,
    CREATE_FLAGS,
    least=1,
    most=None,
    interspersed=False,
    example="carrack create --name db -v data:/var/lib/db busybox sleep 1d",
)
