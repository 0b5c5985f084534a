"""The vertices of a build by its Dockerfile: how its steps are called and told from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.engine.build.progress import Vertex

if TYPE_CHECKING:
    from carrack.dockerfile import commands as c
    from carrack.dockerfile.file import Stage
    from carrack.dockerfile.problem import Place
    from carrack.engine.build.stages import Plan


class Vertices:
    """Those of one build; ``prefix``: see Request."""

    def __init__(self, build: str, plan: Plan, prefix: str) -> None:
        self._build = build
        self._plan = plan
        self._prefix = prefix

    def metadata(self, name: str) -> Vertex:
        """An image that is looked up."""
        return Vertex.make(self._build, f"[internal] load metadata for {name}")

    def naming(self, name: str) -> Place | None:
        """The first FROM or COPY that names an image."""
        for each in self._plan.stages:
            for command in (each.stage.base, *each.stage.commands):
                if name == (each.base if command is each.stage.base else getattr(command, "origin", "")):
                    return command.place
        return None

    def of(
        self,
        stage: Stage,
        command: c.Command,
        place: tuple[int, int, int],
        *,
        quiet: bool = False,
        inputs: tuple[str, ...] = (),
    ) -> Vertex:
        """A command of a stage: ``place`` is its ordinal, the number of its step, and how many steps there are."""
        ordinal, number, count = place
        name = command.text if quiet else f"[{self._title(stage)}{number}/{count}] {command.text}"
        return Vertex.make(
            self._build, name, stage=stage.index, number=number, count=count, text=command.text, ordinal=ordinal,
            quiet=quiet, inputs=inputs, place=command.place if ordinal > 0 else stage.base.place,
        )  # fmt: skip

    def _title(self, stage: Stage) -> str:
        prefix = self._prefix
        if len(self._plan.stages) == 1 and not self._plan.stages[0].stage.base.name:
            return prefix
        name = stage.name
        return f"{prefix}stage-{name} " if name.isdecimal() else f"{prefix}{name} "
