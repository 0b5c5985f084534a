"""``carrack save``: images as a tar archive."""

import posix

from carrack.cli.archive_file import to_file
from carrack.cli.command import Command
from carrack.cli.exit import Exit
from carrack.cli.render.progress import Meter
from carrack.cli.streams import write_all
from carrack.client import images
from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.http.client import Response


def _save(session: "Session", parsed: "Parsed") -> int:
    output = parsed.text("output")
    refuse_terminal(output, "save")
    answer = images.save(session.daemon, parsed.arguments, parsed.text("platform"))
    deliver(answer, output, "Saving", "failed to save image")
    return 0


def refuse_terminal(output: str, what: str) -> None:
    """An archive does not belong on a screen."""
    if not output and posix.isatty(1):
        raise Exit(1, f"cowardly refusing to {what} to a terminal. Use the -o flag or redirect")


def deliver(response: "Response", output: str, label: str, failed: str) -> None:
    """Write a streaming answer to a file, which appears when complete, or to standard output."""
    if output:
        try:
            to_file(output, Meter(label).watch(response.chunks()))
        except InvalidArgument as error:
            raise Exit(1, f"{failed}: {error}") from error
        return
    for data in response.chunks():
        write_all(1, data)


SAVE = Command(
    "[OPTIONS] IMAGE [IMAGE...]",
    "Save one or more images to a tar archive (streamed to STDOUT by default)",
    _save,
    (
        ("output", "o", "string", "Write to a file, instead of STDOUT"),
        (
            "platform",
            "",
            "string",
            'Save only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
        ),
    ),
    least=1,
    most=None,
    example="carrack save -o web.tar web:latest",
)
