"""``carrack diff``: what a container changed in its file system."""

from carrack.cli.command import Command, checked, write
from carrack.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _diff(session: "Session", parsed: "Parsed") -> int:
    for change in containers.changes(session.daemon, checked(parsed.arguments[0])):
        write(f"{'CAD'[change['Kind']]} {change['Path']}")
    return 0


DIFF = Command(
    "CONTAINER",
    "Inspect changes to files or directories on a container's filesystem",
    _diff,
    least=1,
    most=1,
    example="carrack diff web",
)
