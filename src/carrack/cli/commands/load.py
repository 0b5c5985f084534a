"""``carrack load`` and ``import``: images from archives."""

import posix

from carrack.cli.archive_file import from_file
from carrack.cli.command import Command, write
from carrack.cli.exit import Exit
from carrack.cli.render.progress import show_messages
from carrack.client import images, paths
from carrack.oci import reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed


def _load(session: "Session", parsed: "Parsed") -> int:
    path = parsed.text("input") or "-"
    if path == "-" and posix.isatty(0):
        raise Exit(1, "requested load from stdin, but stdin is empty")
    if path != "-" and not paths.exists(path):
        raise Exit(1, f"open {path}: no such file or directory")
    quiet = parsed.flag("quiet") or not posix.isatty(1)
    platform = parsed.text("platform")
    show_messages(images.load(session.daemon, from_file(path), quiet=quiet, platform=platform))
    return 0


def _import(session: "Session", parsed: "Parsed") -> int:
    source, *names = parsed.arguments
    query: dict[str, Any] = {
        "fromSrc": "-",
        "message": parsed.text("message") or None,
        "changes": parsed.words("change"),
    }
    query["platform"] = parsed.text("platform") or None
    if names:
        reference.parse(names[0])
        query["repo"] = names[0]
    data = None
    if source.startswith(("http://", "https://")):
        query["fromSrc"] = source
    else:
        if source != "-" and not paths.exists(source):
            raise Exit(1, f"open {source}: no such file or directory")
        data = from_file(source)
    for message in images.import_(session.daemon, query, data):
        if message.get("error"):
            raise Exit(1, str(message["error"]))
        if message.get("status") and not (message.get("progressDetail") or {}).get("current"):
            write(str(message["status"]))
    return 0


LOAD = Command(
    "[OPTIONS]",
    "Load an image from a tar archive or STDIN",
    _load,
    (
        ("input", "i", "string", "Read from tar archive file, instead of STDIN"),
        (
            "platform",
            "",
            "string",
            'Load only the given platform variant. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
        ),
        ("quiet", "q", "bool", "Suppress the load output"),
    ),
    example="carrack load -i web.tar\ncurl -s https://example.org/web.tar | carrack load",
)
IMPORT = Command(
    "[OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
    "Import the contents from a tarball to create a filesystem image",
    _import,
    (
        ("change", "c", "list", "Apply Dockerfile instruction to the created image"),
        ("message", "m", "string", "Set commit message for imported image"),
        ("platform", "", "string", "Set platform if server is multi-platform capable"),
    ),
    least=1,
    most=None,
    example="carrack import -c 'CMD [\"sh\"]' rootfs.tar mine:1",
)
