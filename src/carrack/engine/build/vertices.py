"""The vertices of a build by its Dockerfile: how its steps are called and told from each other.

They are called as BuildKit calls them, for clients show these names, and count by them. Source: BuildKit,
frontend/dockerfile/dockerfile2llb; dockerd 28.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.dockerfile import commands as c
from carrack.dockerfile.words import Budget, Lexer, WordError
from carrack.engine.build import stages
from carrack.engine.build.progress import Vertex
from carrack.errors import InvalidArgument
from carrack.oci import platform as platforms
from carrack.oci import reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from carrack.dockerfile.file import Stage
    from carrack.dockerfile.problem import Place
    from carrack.engine.build.stages import Plan, Planned
    from carrack.engine.build.state import State

LAYERED = (c.Run, c.Copy, c.Add, c.Workdir)
_SHOWN = 1 << 20  # characters that variables may come to in the names of a build; beyond, steps are shown as written
_HIDDEN = "****"


class Vertices:
    """Those of one build; ``platform`` is its own, ``prefix``: see Request."""

    def __init__(self, build: str, plan: Plan, platform: str, prefix: str = "", escape: str = "\\") -> None:
        self._build = build
        self._plan = plan
        self._platform = platform
        self._prefix = prefix
        self._escape = escape
        self._budget = Budget(_SHOWN)
        self._numbers: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._single = len(plan.stages) == 1 and not any(map(self._anonymous, plan.stages[0].stage.commands))
        self._begun = dict(_bases(plan, platform))

    def metadata(self, name: str, platform: str = "") -> Vertex:
        """An image that is looked up."""
        before = f"{platform} " if self._prefix else ""
        return Vertex.make(self._build, f"[{before}internal] load metadata for {full(name)}", place=self._naming(name))

    def image(self, name: str, platform: str) -> Vertex:
        """An image as what stages begin with, or copy from: that of the stage that comes last on the way to it."""
        index = self._begun.get(f"{name} {platform}")
        text = f"FROM {full(name)}"
        if index is not None:
            count = self._counts.get(index) or self._count(self._plan.stages[index].stage)
            text = f"[{self._title(index, None)}{_number(1, count)}] {text}"
        return Vertex.make(self._build, text, place=self._naming(name))

    def _naming(self, name: str) -> Place | None:
        """The first FROM or COPY that names an image."""
        for each in self._plan.stages:
            for command in (each.stage.base, *each.stage.commands):
                if name == (each.base if command is each.stage.base else getattr(command, "origin", "")):
                    return command.place
        return None

    def begin(self, stage: Stage, triggers: Sequence[c.Command] = ()) -> None:
        """A stage, and what its base wants to have done first; of that BuildKit counts also what is no step."""
        self._counts[stage.index] = self._count(stage) + len(triggers)
        self._numbers[stage.index] = int(_on_image(self._plan.stages[stage.index]))

    def of(
        self,
        stage: Stage,
        command: c.Command,
        ordinal: int,
        state: State | None = None,
        *,
        quiet: bool = False,
        inputs: tuple[str, ...] = (),
    ) -> Vertex:
        """A command of a stage; of those that are not quiet each is the next step. ``state`` is that before it, None
        where nobody knows, and variables are shown as written then."""
        name = command.text
        if not quiet:
            number = self._numbers[stage.index] = self._numbers[stage.index] + 1
            place = f"{self._title(stage.index, state)}{_number(number, self._counts[stage.index])}"
            name = f"[{place}] {'ONBUILD ' if ordinal < 0 else ''}{self._shown(command, state)}"
        return Vertex.make(
            self._build, name, stage=stage.index, text=command.text, ordinal=ordinal, quiet=quiet, inputs=inputs,
            place=command.place if ordinal > 0 else stage.base.place,
        )  # fmt: skip

    def _count(self, stage: Stage) -> int:
        return _on_image(self._plan.stages[stage.index]) + sum(isinstance(each, LAYERED) for each in stage.commands)

    def _title(self, index: int, state: State | None) -> str:
        stage = self._plan.stages[index].stage
        name = "" if self._single else f"{stage.base.name.lower() or f'stage-{index}'} "
        if not self._prefix:
            return name
        platform = self._platform_of(self._plan.stages[index])
        return f"{platform}{_crossing(platform, state.values() if state is not None else {})} {name}"

    def _platform_of(self, planned: Planned) -> str:
        if planned.parent is not None:
            return self._platform_of(self._plan.stages[planned.parent])
        return str(platforms.parse(planned.platform)) if planned.platform else self._platform

    def _anonymous(self, command: c.Command) -> bool:
        """Whether a command stands for a stage of its own, for what it takes files from."""
        if isinstance(command, c.Run):
            return bool(command.mounts)
        return isinstance(command, c.Copy) and bool(command.origin) and self._plan.find(command.origin) is None

    def _shown(self, command: c.Command, state: State | None) -> str:
        """A command with its keyword in capitals and what its variables stand for."""
        keyword, _, rest = command.text.partition(" ")
        text, masked, run = f"{keyword.upper()} {rest}", dict[str, str](), isinstance(command, c.Run)
        if isinstance(command, c.Run):
            text += _summary(command)
            masked = {mount.env: _HIDDEN for mount in command.mounts if mount.env}
        if state is None:
            return text
        values = {**state.values(), **masked} if "$" in text else {}
        try:
            return Lexer(self._escape, quotes=run, budget=self._budget).word(text, values, keep_unset=run)
        except WordError:
            return text


def full(name: str) -> str:
    """An image's name with its registry and tag; an id as it is."""
    try:
        return name if reference.parse_id(name) is not None else str(reference.parse(name).with_default_tag())
    except InvalidArgument:
        return name


def _on_image(planned: Planned) -> bool:
    return planned.parent is None and planned.base != stages.SCRATCH


def _number(number: int, count: int) -> str:
    return f"{number:>{len(str(count))}}/{count}"


def _bases(plan: Plan, platform: str) -> Iterator[tuple[str, int | None]]:
    """What the target is made of, step by step: images, each with the stage that begins with it, None for what is only
    copied from."""
    seen: set[int] = set()

    def visit(index: int) -> Iterator[tuple[str, int | None]]:
        if index in seen:
            return
        seen.add(index)
        planned = plan.stages[index]
        if planned.parent is not None:
            yield from visit(planned.parent)
        elif planned.base != stages.SCRATCH:
            wanted = str(platforms.parse(planned.platform)) if planned.platform else platform
            yield f"{planned.base} {wanted}", index
        for command in planned.stage.commands:
            for name in stages.origins(command):
                other = plan.find(name)
                yield from visit(other) if other is not None else [(f"{name} {platform}", None)]

    return visit(plan.target)


def _crossing(platform: str, values: Mapping[str, str]) -> str:
    """What a step on one platform is for, where its stage has asked for that and it is another."""
    own = platforms.parse(platform)
    parts = values.get("TARGETOS", own.os), values.get("TARGETARCH", own.architecture), values.get("TARGETVARIANT")
    try:
        wanted = platforms.parse(values.get("TARGETPLATFORM") or "/".join(filter(None, parts)))
    except InvalidArgument:
        return ""
    if wanted.os != own.os:
        return f"->{wanted}"
    return f"->{str(wanted).partition('/')[2]}" if wanted.architecture != own.architecture else ""


def _summary(command: c.Run) -> str:
    """The first line of a script that stands in the file."""
    alone = len(command.heredocs) == 1 and command.line.shell and len(command.line.words[0].split()) == 1
    if not alone:
        return ""
    first, _, more = command.heredocs[0].content.strip().replace("\r\n", "\n").partition("\n")
    return f" ({first}...)" if more else f" ({first})"
