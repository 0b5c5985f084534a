"""What is wrong with a Dockerfile, and where."""

from __future__ import annotations

from dataclasses import dataclass

from carrack.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Place:
    """A stretch of lines, counted from 1, and the column (from 1) that a problem begins at; 0 for the whole line."""

    line: int
    end: int
    column: int = 0


class DockerfileError(InvalidArgument):
    """A Dockerfile that is not one. The text begins like Docker's; ``place`` says where, for who shows the lines."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(f"dockerfile parse error on line {place.line}: {message}")
        self.message = message
        self.place = place


def excerpt(text: str, place: Place, name: str = "Dockerfile", context: int = 2) -> str:
    """The lines around a place, as an error shows them::

    Dockerfile:3:5
       1 | FROM scratch
       3 | >>> FOO bar
         |     ^

    """
    lines = text.removesuffix("\n").split("\n")
    first, last = max(1, place.line - context), min(len(lines), place.end + context)
    where = f"{name}:{place.line}" + (f":{place.column}" if place.column else "")
    shown = [where]
    for number in range(first, last + 1):
        mark = ">>> " if place.line <= number <= place.end else "    "
        shown.append(f"{number:4} | {mark}{lines[number - 1]}".rstrip())
        if number == place.line and place.column:
            shown.append(f"     |     {' ' * (place.column - 1)}^")
    return "\n".join(shown)
