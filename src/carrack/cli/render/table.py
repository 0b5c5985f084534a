"""Rows on the screen: in columns, as JSON, or by the user's own template; one set of rules for every listing.

Columns are laid out as docker's (at least ten wide, three blanks between, the last one ragged). On a terminal that is
too narrow the widest columns are shortened; a pipe or a file always gets everything.
"""

from carrack.cli.command import write
from carrack.cli.render.evaluate import Template
from carrack.cli.render.functions import HEADING_FUNCTIONS
from carrack.client import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Row = dict[str, Any]

_LEAST, _GAP = 10, 3
_SHORTEST = 8


def print_rows(
    rows: "Iterable[Row]", headings: dict[str, str], default: str, form: str, kind: str, keep: int = 1
) -> None:
    """Print rows in the wanted form.

    ``headings`` are the fields a template may use with their column titles, ``default`` the fields of the usual table
    (separated by blanks), ``form`` what ``--format`` said (empty: the table), ``kind`` the name for errors. The first
    ``keep`` columns are never shortened.
    """
    if form == "json":
        for row in rows:
            write(
                escaped(document.dumps(dict(sorted((key, value) for key, value in row.items() if not callable(value)))))
            )
        return
    if form in ("", "table"):
        names = default.split()
        lines = [[headings[name] for name in names], *([str(row[name]) for name in names] for row in rows)]
        write_columns(lines, keep)
        return
    form = form.replace("\\t", "\t").replace("\\n", "\n")
    if not form.startswith("table"):
        template = Template(form, kind)
        for row in rows:
            write(template.render(row))
        return
    form = form.removeprefix("table").strip(" ")
    template = Template(form, kind)
    titles = {**headings, **{key: (lambda name: name) for key in ("Label",)}}
    lines = [Template(form, kind, HEADING_FUNCTIONS).render(titles).split("\t")]
    lines += [template.render(row).split("\t") for row in rows]
    write_columns(lines, keep)


def escaped(text: str) -> str:
    """JSON with the characters of HTML written as escapes, as Go's encoder does by default."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def write_columns(lines: list[list[str]], keep: int = 1) -> None:
    """Write lines of cells in columns, shortened only where a terminal would wrap them."""
    for line in layout(lines, _terminal_width(), keep):
        write(line)


def layout(lines: list[list[str]], width: int = 0, keep: int = 1, least: int = _LEAST) -> list[str]:
    """Lines of cells as text, columns at least ``least`` wide; those after the first ``keep`` shrink to ``width``."""
    count = max(map(len, lines), default=0)
    widths = [
        max((display_width(line[index]) for line in lines if index < len(line)), default=0) for index in range(count)
    ]
    if width:
        widths = _fitted(widths, width, keep)
    return [_line(line, widths, least) for line in lines]


def display_width(text: str) -> int:
    """Columns that a text takes: wide East Asian characters take two."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(character) else 2 if east_asian_width(character) in "WF" else 1 for character in text)


def shortened(text: str, width: int) -> str:
    """The text cut to ``width`` columns, with an ellipsis where something is missing."""
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - 1:
        text = text[:-1]
    return text + "\u2026"


def _line(cells: list[str], widths: list[int], least: int) -> str:
    parts = []
    for index, cell in enumerate(cells):
        cell = shortened(cell, widths[index])
        last = index == len(widths) - 1
        pad = 0 if last else max(least, widths[index] + _GAP) - display_width(cell)
        parts.append(cell + " " * pad)
    return "".join(parts)


def _fitted(widths: list[int], available: int, keep: int) -> list[int]:
    widths = list(widths)
    while True:
        total = sum(max(_LEAST, each + _GAP) for each in widths[:-1]) + (widths[-1] if widths else 0)
        candidates = [index for index in range(keep, len(widths)) if widths[index] > _SHORTEST]
        if total <= available or not candidates:
            return widths
        widest = max(candidates, key=lambda index: widths[index])
        widths[widest] -= 1


def _terminal_width() -> int:
    import os

    from carrack.cli.terminal import width

    return width() if os.isatty(1) else 0
