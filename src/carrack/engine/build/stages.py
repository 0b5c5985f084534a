"""Which stages a build needs, and on what each of them stands. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from carrack.dockerfile import commands as c
from carrack.dockerfile import expansion
from carrack.dockerfile.file import Dockerfile, Stage
from carrack.dockerfile.problem import DockerfileError
from carrack.dockerfile.words import Lexer
from carrack.engine.build import standing
from carrack.engine.build.scope import Scope
from carrack.engine.build.standing import Standing
from carrack.errors import InvalidArgument
from carrack.oci import platform as platforms

SCRATCH = "scratch"
DEPTH_LIMIT = 200
"""Stages that are needed one for the other: what follows them takes up to four frames of the interpreter's thousand."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A stage with its FROM line expanded. ``parent`` is the index of the stage that it is made from, None where it is
    made from an image (or nothing); ``needs`` are the indexes of all stages it takes files from, parent included.

    Where a named context stands for its base, or for all of it (``replaced``), this is written as if the Dockerfile
    said so: another image, or a COPY of the context's files onto nothing."""

    stage: Stage
    base: str
    platform: str
    parent: int | None
    needs: frozenset[int]
    unset: frozenset[str] = frozenset()
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """All stages by index, and the one to be built."""

    stages: tuple[Planned, ...]
    target: int

    def needed(self) -> list[int]:
        """The stages without which the target cannot be made, lowest first; the others are not even looked at."""
        found: set[int] = set()
        waiting = [self.target]
        while waiting:
            index = waiting.pop()
            if index not in found:
                found.add(index)
                waiting += self.stages[index].needs
        return sorted(found)

    def find(self, name: str) -> int | None:
        """The stage that ``--from=name`` means: by name, or by number."""
        return _find(name, [planned.stage for planned in self.stages])


def plan(file: Dockerfile, scope: Scope, target: str = "", contexts: Standing | None = None) -> Plan:
    """Expand the FROM lines and find out who needs whom. ``contexts``: the named ones.

    Raises DockerfileError for stages that need each other or a base that is nothing, InvalidArgument for a target that
    the file has not.
    """
    stages = list(file.stages)
    planned = [_planned(stage, stages, scope, file.directives.escape, contexts or {}) for stage in stages]
    wanted = len(stages) - 1 if not target else _find(target, stages)
    if wanted is None:
        names = ", ".join(stage.base.name for stage in stages if stage.base.name) or "none has a name"
        raise InvalidArgument(f"target stage {target!r} could not be found; the stages are: {names}")
    result = Plan(tuple(planned), wanted)
    _refuse_circles(result)
    return result


def _planned(stage: Stage, stages: list[Stage], scope: Scope, escape: str, contexts: Standing) -> Planned:
    lexer = Lexer(escape, budget=scope.budget)
    base = expansion.expand(stage.base, lexer, scope.known)
    assert isinstance(base, c.From)
    if not base.base:
        hint = f"; {', '.join(sorted(lexer.unset))} is not set before the first FROM" if lexer.unset else ""
        raise DockerfileError(f"base name ({stage.base.base}) should not be blank{hint}", stage.base.place)
    name, platform = base.base, _platform(base, scope)
    parent = _find(name, stages[: stage.index])
    whole = standing.key(stage.base.name, platform, contexts)
    given = whole or (standing.key(name, platform, contexts) if parent is None else "")
    commands = () if whole else stage.commands
    if given:
        name, parent = contexts[given] or SCRATCH, None
        first = () if contexts[given] else (standing.all_of(given, stage.base),)
        stage = replace(stage, commands=(*first, *commands))
    needs = _needs(stage, stages, platform, contexts)
    if parent is not None:
        needs.add(parent)
    return Planned(stage, name, base.platform, parent, frozenset(needs), frozenset(lexer.unset), bool(whole))


def _platform(base: c.From, scope: Scope) -> str:
    return str(platforms.parse(base.platform)) if base.platform else scope.known.get("TARGETPLATFORM", "")


def _needs(stage: Stage, stages: list[Stage], platform: str, contexts: Standing) -> set[int]:
    """The stages, not contexts, that files are taken from. Raises DockerfileError for the number of none."""
    needs = set()
    for command in stage.commands:
        for name in origins(command):
            index = None if standing.key(name, platform, contexts) else _find(name, stages)
            if index is not None:
                needs.add(index)
            elif isinstance(command, c.Copy) and name.isascii() and name.isdecimal():
                raise DockerfileError(f"invalid stage index {name}", command.place)
    return needs


def origins(command: c.Command) -> Iterator[str]:
    """What a command takes files from besides the build's context: stages, images or contexts by name."""
    if isinstance(command, c.Copy) and command.origin:
        yield command.origin
    elif isinstance(command, c.Run):
        yield from (mount.origin for mount in command.mounts if mount.origin)
    elif isinstance(command, c.Onbuild):
        return


def _find(name: str, stages: list[Stage]) -> int | None:
    wanted = name.lower()
    for stage in reversed(stages):
        if stage.base.name and stage.base.name.lower() == wanted:
            return stage.index
    if wanted.isascii() and wanted.isdecimal() and len(wanted) < 10 and int(wanted) < len(stages):
        return int(wanted)
    return None


def _refuse_circles(plan: Plan) -> None:
    """Stages that need each other can never be built."""
    done: set[int] = set()

    def visit(index: int, above: tuple[int, ...]) -> None:
        if index in above:
            names = " → ".join(plan.stages[each].stage.name for each in (*above[above.index(index) :], index))
            raise DockerfileError(
                f"circular dependency detected on stage: {names}", plan.stages[index].stage.base.place
            )
        if index in done:
            return
        if len(above) == DEPTH_LIMIT:
            raise DockerfileError(f"more than {DEPTH_LIMIT} stages on each other", plan.stages[index].stage.base.place)
        for each in sorted(plan.stages[index].needs):
            visit(each, (*above, index))
        done.add(index)

    visit(plan.target, ())
