"""Rows on the screen: in columns, as JSON, or by the user's own template; one set of rules for every listing.

Columns are laid out as docker's (at least ten wide, three blanks between, the last one ragged). On a terminal that is
too narrow the widest columns are shortened; a pipe or a file always gets everything.
"""

from carrack.cli.command import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_LEAST, _GAP = 10, 3
_SHORTEST = 8
# what one copies from the screen into the next command is never shortened
_WHOLE = ("CONTAINER ID", "IMAGE ID", "NETWORK ID", "NAMES", "NAME", "VOLUME NAME", "REPOSITORY", "TAG", "IMAGE")


def print_rows(
    rows: "Iterable[dict[str, Any]]",
    headings: dict[str, str],
    default: str,
    form: str,
    kind: str,
    *,
    quiet: bool = False,
) -> None:
    """Print rows in the wanted form.

    ``headings`` are the fields a template may use with their column titles, ``default`` the fields of the usual table
    (separated by blanks), ``form`` what ``--format`` said (empty: the table), ``kind`` the name for errors. ``quiet``
    leaves the identities of the form ``raw``; the caller heeds it in a table, and no other form does.
    """
    if form in ("", "table"):
        names = default.split()
        lines = [[headings[name] for name in names], *([str(row[name]) for name in names] for row in rows)]
        write_columns(lines)
        return
    from carrack.cli.render.listing import RAW, print_formatted, print_raw

    if form == "raw" and kind in RAW:
        print_raw(rows, kind, default.split(), quiet=quiet)
        return

    print_formatted(rows, headings, form, kind)


def write_columns(lines: list[list[str]]) -> None:
    """Write lines of cells in columns, shortened only where a terminal would wrap them."""
    if lines:
        write("\n".join(layout(lines, _terminal_width())))


def print_columns(columns: list[list[str]]) -> None:
    """Print the usual table, given by its columns, a title first in each: a thousand rows are quicker by it."""
    width = _terminal_width()
    lines = _plain(columns, width, _LEAST)
    write("\n".join(layout([list(row) for row in zip(*columns, strict=True)], width) if lines is None else lines))


def layout(lines: list[list[str]], width: int = 0, least: int = _LEAST) -> list[str]:
    """Lines of cells (titles first) as text, columns at least ``least`` wide and shortened to fit ``width``."""
    count = max(map(len, lines), default=0)
    if count and all(len(line) == count for line in lines):
        plain = _plain(list(zip(*lines, strict=True)), width, least)
        if plain is not None:
            return plain
    widths = [
        max((display_width(line[index]) for line in lines if index < len(line)), default=0) for index in range(count)
    ]
    if width:
        widths = _fitted(widths, width, lines[0])
    return [_line(line, widths, least) for line in lines]


def _plain(columns: "Sequence[Sequence[str]]", width: int, least: int) -> list[str] | None:
    """The same where nothing is wide and nothing to be shortened, which many rows are quicker by; None elsewhere."""
    for column in columns:
        text = "".join(column)
        if not (text.isascii() or text.replace("\u2026", "").isascii()):
            return None
    longest = [max(map(len, column)) for column in columns]
    widths = [max(least, each + _GAP) for each in longest[:-1]]
    if width and sum(widths) + longest[-1] > width:
        return None
    form = "".join(f"%-{each}s" for each in widths) + "%s"
    return [form % line for line in zip(*columns, strict=True)]


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


def _fitted(widths: list[int], available: int, titles: list[str]) -> list[int]:
    """Shrink the widest columns step by step; identities stay whole, even when the line wraps for that."""
    widths = list(widths)
    shrinking = [index for index, title in enumerate(titles) if title not in _WHOLE]
    while True:
        total = sum(max(_LEAST, each + _GAP) for each in widths[:-1]) + (widths[-1] if widths else 0)
        candidates = [index for index in shrinking if widths[index] > _SHORTEST]
        if total <= available or not candidates:
            return widths
        widest = max(candidates, key=lambda index: widths[index])
        widths[widest] -= 1


def _terminal_width() -> int:
    import posix

    if not posix.isatty(1):
        return 0
    from carrack.cli.terminal import width

    return width()
