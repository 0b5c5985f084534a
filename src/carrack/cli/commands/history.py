"""``carrack history``: how an image came about, newest step first."""

from carrack.cli.command import Command, write
from carrack.cli.render.fields import FORMAT, NO_TRUNC, ago, ellipsis, short_id, size, wanted_form
from carrack.cli.render.table import print_rows
from carrack.client import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from carrack.cli.command import Session
    from carrack.cli.flags import Parsed
    from carrack.client.document import Document

HEADINGS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}


def _history(session: "Session", parsed: "Parsed") -> int:
    full, human = parsed.flag("no-trunc"), parsed.flag("human", True)
    steps = images.history(session.daemon, parsed.arguments[0], parsed.text("platform"))
    if parsed.flag("quiet"):
        for step in steps:
            write(short_id(step["Id"], full))
        return 0
    usual = f"ID {'CreatedSince' if human else 'CreatedAt'} CreatedBy Size Comment"
    rows = [_row(step, full, human) for step in steps]
    print_rows(rows, HEADINGS, usual, wanted_form(parsed), "*image.historyContext")
    return 0


def _row(step: "Document", full: bool, human: bool) -> "dict[str, Any]":
    import time

    command = (step.get("CreatedBy") or "").replace("\t", " ")
    total = step.get("Size") or 0
    return {
        "ID": short_id(step["Id"], full),
        "CreatedSince": ago(step["Created"]) if step["Created"] > 0 else "N/A",
        "CreatedAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(step["Created"])),
        "CreatedBy": command if full else ellipsis(command, 45),
        "Size": size(total) if human else str(total),
        "Comment": step.get("Comment") or "",
    }


HISTORY = Command(
    "[OPTIONS] IMAGE",
    "Show the history of an image",
    _history,
    (
        *FORMAT,
        ("human", "H", "bool", "Print sizes and dates in human readable format (default true)"),
        NO_TRUNC,
        (
            "platform",
            "",
            "string",
            'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
        ),
        ("quiet", "q", "bool", "Only show image IDs"),
    ),
    least=1,
    most=1,
    example="carrack history --no-trunc busybox",
)
