"""Notes beside a command's own output, laid out as docker lays out its own."""

import posix

from carrack.cli.command import write, write_error


def show(text: str) -> None:
    """Write a note of one or more lines to standard error, with colours where that is a terminal."""
    write_error(lay_out(text, coloured=posix.isatty(2)))


def show_within(text: str) -> None:
    """Write a note as a part of the output itself, to standard output."""
    write(lay_out(text, coloured=posix.isatty(1)))


def lay_out(text: str, *, coloured: bool) -> str:
    """A blank line, the note behind its mark, and its further lines indented, be they empty."""
    first, *rest = text.split("\n")
    if not coloured:
        return "\n".join([f"\n Info -> {first}", *(f"         {line}" for line in rest)])
    mark = "\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m"
    return "\n".join([f"\n{mark}\x1b[3m{first}\x1b[0m", *(f"         \x1b[3m{line}\x1b[0m" for line in rest)])
