"""A whole Dockerfile: its directives, the arguments before the first stage, and its stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from carrack.dockerfile import commands as c
from carrack.dockerfile import directives, lines, reading
from carrack.dockerfile.directives import Directives
from carrack.dockerfile.problem import DockerfileError, Place

SIZE_LIMIT = 2 << 20
INSTRUCTIONS_LIMIT = 10_000
"""More than an image's history may have; each of them is done with all variables that there are."""
_SMALL = 32 << 10  # characters of a text whose parsed form is remembered, for most files are built again and again


@dataclass(frozen=True, slots=True)
class Stage:
    """``FROM`` and what follows it. ``index`` counts from 0; a stage is named by it, or by ``base.name``."""

    index: int
    base: c.From
    commands: tuple[c.Command, ...]

    @property
    def name(self) -> str:
        """What others call it: its name in small letters, else its number."""
        return self.base.name.lower() or str(self.index)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """``globals`` are the ARGs before the first FROM; ``statements`` all instructions as written (for checks)."""

    directives: Directives
    globals: tuple[c.Arg, ...]
    stages: tuple[Stage, ...]
    statements: tuple[lines.Statement, ...]
    empty_continuations: tuple[int, ...] = ()


def parse(data: bytes | str) -> Dockerfile:
    """Read a Dockerfile (UTF-8, at most SIZE_LIMIT bytes). Raises DockerfileError at the first thing that is wrong."""
    text = data if isinstance(data, str) else _text(data)
    return _remembered(text) if len(text) <= _SMALL else _parse(text)


@lru_cache(maxsize=16)
def _remembered(text: str) -> Dockerfile:
    return _parse(text)


def _parse(text: str) -> Dockerfile:
    found = directives.parse(text)
    parsed = lines.parse(text, found.escape)
    if len(parsed.statements) > INSTRUCTIONS_LIMIT:
        place = parsed.statements[INSTRUCTIONS_LIMIT].place
        raise DockerfileError(f"a Dockerfile of more than {INSTRUCTIONS_LIMIT} instructions", place)
    globals_: list[c.Arg] = []
    bases: list[tuple[c.From, list[c.Command]]] = []
    for statement in parsed.statements:
        command = reading.command(statement, found.escape)
        if isinstance(command, c.From):
            bases.append((command, []))
        elif bases:
            bases[-1][1].append(command)
        elif isinstance(command, c.Arg):
            globals_.append(command)
        else:
            message = (
                f"no build stage in current context: only ARG may stand before the first FROM, not {statement.name}"
            )
            raise DockerfileError(message, statement.place)
    if not bases:
        raise DockerfileError("no FROM: a Dockerfile needs at least one stage", parsed.statements[-1].place)
    stages = tuple(Stage(index, base, tuple(own)) for index, (base, own) in enumerate(bases))
    return Dockerfile(found, tuple(globals_), stages, parsed.statements, parsed.empty_continuations)


def parse_trigger(text: str, escape: str = "\\") -> c.Command:
    """The command of an ``ONBUILD`` trigger as an image carries it. Raises DockerfileError."""
    statements = lines.parse(text, escape).statements
    if len(statements) != 1:
        raise DockerfileError(f"an ONBUILD trigger is one instruction, not {len(statements)}", statements[1].place)
    command = reading.command(statements[0], escape)
    if isinstance(command, c.From | c.Maintainer | c.Onbuild):
        raise DockerfileError(f"{statements[0].name} isn't allowed as an ONBUILD trigger", statements[0].place)
    return command


def _text(data: bytes) -> str:
    if len(data) > SIZE_LIMIT:
        raise DockerfileError(f"the file has {len(data)} bytes, the limit is {SIZE_LIMIT}", Place(1, 1))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DockerfileError("the file is not UTF-8 text", Place(line, line)) from None
