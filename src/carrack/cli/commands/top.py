"""``carrack top``: the processes of a container."""

from carrack.cli.command import Command, checked, write
from carrack.cli.render.table import layout
from carrack.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _top(session: "Session", parsed: "Parsed") -> int:
    name, *arguments = parsed.arguments
    answer = containers.top(session.daemon, checked(name), " ".join(arguments))
    for line in layout([answer["Titles"], *(answer.get("Processes") or [])], least=20):
        write(line)
    return 0


TOP = Command(
    "CONTAINER [ps OPTIONS]",
    "Display the running processes of a container",
    _top,
    least=1,
    most=None,
    interspersed=False,
    example="carrack top web\ncarrack top web -o pid,comm",
)
