"""``carrack export``: a container's whole file system as a tar archive."""

from carrack.cli.command import Command, checked
from carrack.cli.commands.save import deliver, refuse_terminal
from carrack.client import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _export(session: "Session", parsed: "Parsed") -> int:
    output = parsed.text("output")
    refuse_terminal(output, "save")
    deliver(
        containers.export(session.daemon, checked(parsed.arguments[0])),
        output,
        "Exporting",
        "failed to export container",
    )
    return 0


EXPORT = Command(
    "[OPTIONS] CONTAINER",
    "Export a container's filesystem as a tar archive",
    _export,
    (("output", "o", "string", "Write to a file, instead of STDOUT"),),
    least=1,
    most=1,
    example="carrack export -o rootfs.tar web",
)
