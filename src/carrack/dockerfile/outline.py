"""What a Dockerfile offers to who builds it: its targets, and the arguments, secrets and keys that each takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from carrack.dockerfile import commands as c
from carrack.dockerfile.checks import PREDEFINED
from carrack.dockerfile.file import Dockerfile, Stage
from carrack.dockerfile.problem import Place
from carrack.dockerfile.words import Lexer
from carrack.errors import InvalidArgument

_NAME = re.compile(r"\$\{?(\w+)")


@dataclass(frozen=True, slots=True)
class Target:
    """A stage that can be asked for. ``description`` is of the comment above its FROM: ``# name what it is``."""

    name: str
    description: str
    base: str
    default: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Taken:
    """Something that a target takes. ``value``: an argument's default or what it was given, None for neither."""

    name: str
    place: Place
    value: str | None = None
    description: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Outline:
    """What one target takes, each once, as it is met first."""

    name: str
    arguments: tuple[Taken, ...]
    secrets: tuple[Taken, ...]
    keys: tuple[Taken, ...]


def targets(file: Dockerfile) -> list[Target]:
    """All of them, in order; the last is the default."""
    return [
        Target(
            stage.base.name.lower(), _described(stage.base.comments, stage.base.name), stage.base.base,
            stage is file.stages[-1], stage.base.place,
        )
        for stage in file.stages
    ]  # fmt: skip


def outline(file: Dockerfile, given: Mapping[str, str], target: str = "") -> Outline:
    """What the target (the last stage, if "") and the stages that it needs take. Raises InvalidArgument for no such."""
    last = _find(file, target) if target else file.stages[-1]
    if last is None:
        raise InvalidArgument(f"target stage {target!r} could not be found")
    stages = _needed(file, last)
    arguments = dict(_global_arguments(file, stages, given))
    secrets: dict[str, Taken] = {}
    keys: dict[str, Taken] = {}
    for command in (command for stage in stages for command in stage.commands):
        if isinstance(command, c.Arg):
            for taken in _arguments(command, given, arguments):
                if taken.name not in PREDEFINED:
                    arguments.setdefault(taken.name, taken)
        elif isinstance(command, c.Run):
            for mount in command.mounts:
                name = mount.id or mount.target.rsplit("/", 1)[-1] or mount.env
                if mount.type == "secret":
                    _add(secrets, Taken(name, command.place, required=mount.required))
                elif mount.type == "ssh":
                    _add(keys, Taken(mount.id or "default", command.place, required=mount.required))
    return Outline(last.base.name.lower(), tuple(arguments.values()), tuple(secrets.values()), tuple(keys.values()))


def _add(known: dict[str, Taken], taken: Taken) -> None:
    before = known.get(taken.name)
    if before is None or (taken.required and not before.required):
        known[taken.name] = taken


def _global_arguments(file: Dockerfile, stages: list[Stage], given: Mapping[str, str]) -> Iterator[tuple[str, Taken]]:
    """The arguments before the first FROM of which these stages make something, or which make such a one."""
    used = {name for stage in stages for name in _NAME.findall(f"{stage.base.base} {stage.base.platform}")}
    declared = [command for stage in stages for command in stage.commands if isinstance(command, c.Arg)]
    used |= {pair.key for command in declared for pair in command.pairs if pair.value is None}
    for argument in reversed(file.globals):
        for pair in argument.pairs:
            used |= set(_NAME.findall(pair.value or "")) if pair.key in used else set()
    known: dict[str, Taken] = {}
    for argument in file.globals:
        known.update({taken.name: taken for taken in _arguments(argument, given, known)})
    yield from ((name, taken) for name, taken in known.items() if name in used)


def _arguments(command: c.Arg, given: Mapping[str, str], known: Mapping[str, Taken]) -> Iterator[Taken]:
    values = {name: taken.value for name, taken in known.items() if taken.value is not None}
    for pair in command.pairs:
        value = given.get(pair.key)
        if value is None and pair.value is not None:
            value = Lexer().word(pair.value, values)
        yield Taken(pair.key, command.place, value, _described(command.comments, pair.key))


def _described(comments: tuple[str, ...], name: str) -> str:
    found = ""
    for comment in comments:
        word, _, text = comment.partition(" ")
        if name and word.lower() == name.lower():
            found = text.strip()
    return found


def _find(file: Dockerfile, name: str) -> Stage | None:
    wanted = name.lower()
    return next((stage for stage in reversed(file.stages) if wanted in (stage.name, str(stage.index))), None)


def _needed(file: Dockerfile, last: Stage) -> list[Stage]:
    needed: set[int] = set()
    waiting: list[Stage | None] = [last]
    while waiting:
        stage = waiting.pop()
        if stage is None or stage.index in needed:
            continue
        needed.add(stage.index)
        earlier = [other for other in file.stages[: stage.index] if other.name == stage.base.base.lower()]
        waiting += earlier[-1:]
        for command in stage.commands:
            if isinstance(command, c.Copy) and command.origin:
                waiting.append(_find(file, command.origin))
            elif isinstance(command, c.Run):
                waiting += [_find(file, mount.origin) for mount in command.mounts if mount.origin]
    return [stage for stage in file.stages if stage.index in needed]
