"""``carrack create``: a container made but not started."""

from carrack.cli.command import Command, write
from carrack.cli.commands.run import create, refusal
from carrack.cli.container_config import create_document, with_proxies
from carrack.cli.container_flags import CREATE_FLAGS
from carrack.errors import CarrackError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _create(session: "Session", parsed: "Parsed") -> int:
    try:
        body = create_document(parsed, session.environment)
        with_proxies(body, session.settings.proxies(session.daemon.host.url))
    except CarrackError as error:
        raise refusal("create", error) from error
    write(create(session, parsed, body))
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
