"""What caches that a build was given know its steps as, found out without doing them.

A stage that others only take files from need not be built when such a cache has what they make of it.

A step is named by what it does, by the names of the steps that it lies on and takes from, and by the files of contexts,
none of which has to be built. Where a name depends on more (a file from elsewhere, a stage that must be done anew) the
outline of a stage ends, and it is built as ever.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from carrack.engine.build import stages, standing, state
from carrack.engine.build.request import Files
from carrack.engine.build.results import Result
from carrack.engine.build.steps import CopyStep, Step
from carrack.engine.build.trace import Made
from carrack.errors import CarrackError

if TYPE_CHECKING:
    from carrack.dockerfile import commands as c
    from carrack.engine.build.caching.graph import Node
    from carrack.engine.build.caching.service import Caches
    from carrack.engine.build.request import Request
    from carrack.engine.build.scope import Scope
    from carrack.engine.build.solve import Doer
    from carrack.engine.build.stages import Plan, Planned

#: the stage at its FROM; the triggers that come before its commands; files of a context or an image, for a stage
Begin = Callable[["Planned"], Awaitable[Result]]
Triggers = Callable[["Planned", Result], Awaitable[list["c.Command"]]]
FilesFor = Callable[[int, str], Awaitable["Files | Result"]]


_DEEPEST = 100  # stages that are named for each other: each takes six frames of the interpreter's thousand


@dataclass(slots=True)
class Outline:
    """A stage as far as it can be named: ``end`` as it is when it is done (without layers), None where that is not
    known; ``nodes`` by the step's place among the commands, as the solver counts them; ``made``: what provenance tells
    of it when it is not built."""

    end: Result | None = None
    nodes: dict[int, Node] = field(default_factory=dict)
    made: list[Made] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Early:
    """A step that a cache seems to have, and the stages that need not be built for it then."""

    node: Node
    origins: frozenset[int]


class _Unknown(Exception):
    """A step cannot be named."""


class Outlines:
    """Those of one build."""

    def __init__(
        self, plan: Plan, request: Request, scope: Scope, caches: Caches, doer: Doer, begin: Begin, triggers: Triggers,
        files: FilesFor,
    ) -> None:  # fmt: skip
        self._plan = plan
        self._request = request
        self._scope = scope
        self._caches = caches
        self._doer = doer
        self._begin = begin
        self._triggers = triggers
        self._files = files
        self._known: dict[int, Outline] = {}
        self._early: dict[tuple[int, int], Early] = {}
        self._depth = 0

    async def needed(self) -> list[int]:
        """The stages that must be built, lowest first: not those whose files are taken only by steps that a cache
        seems to have."""
        found, waiting = set(), [self._plan.target]
        while waiting:
            index = waiting.pop()
            if index not in found:
                found.add(index)
                waiting += await self._wanted(self._plan.stages[index])
        return sorted(found)

    def early(self, index: int, ordinal: int) -> Early | None:
        """A step of a stage that is to be looked for by its name."""
        return self._early.get((index, ordinal))

    def made(self, index: int) -> list[Made]:
        """The steps of a stage that was not built."""
        return self._known[index].made if index in self._known else []

    async def _wanted(self, planned: Planned) -> set[int]:
        wanted = set() if planned.parent is None else {planned.parent}
        if not planned.needs - wanted:
            return wanted
        outline = await self._outline(planned.stage.index)
        for ordinal, command in enumerate(planned.stage.commands, 1):
            origins = self._origins(planned, command)
            node = outline.nodes.get(ordinal)
            if origins and node is not None and self._caches.promise(node):
                self._early[planned.stage.index, ordinal] = Early(node, frozenset(origins))
            else:
                wanted |= origins
        return wanted

    def _origins(self, planned: Planned, command: c.Command) -> set[int]:
        """The stages that a command takes files from."""
        platform, contexts = str(self._request.platform), self._request.contexts
        names = [name for name in stages.origins(command) if not standing.key(name, platform, contexts)]
        return {each for each in map(self._plan.find, names) if each is not None and each in planned.needs}

    async def _outline(self, index: int) -> Outline:
        if index not in self._known:
            outline = self._known[index] = Outline()
            self._depth += 1
            try:
                if self._depth <= _DEEPEST:
                    outline.end = await self._walk(self._plan.stages[index], outline)
            except (_Unknown, CarrackError, OSError):
                pass  # whoever builds it tells what is wrong
            finally:
                self._depth -= 1
        return self._known[index]

    async def _walk(self, planned: Planned, outline: Outline) -> Result:
        stage, request = planned.stage, self._request
        if request.no_cache or stage.name in request.no_cache_stages:
            raise _Unknown
        if planned.parent is not None:
            before = await self._end(planned.parent)
            result = replace(before, state=state.begin(before.state.config, before.state))
            triggers = bool(before.state.config.get("OnBuild"))
        else:
            result = await self._begin(planned)
            triggers = bool(await self._triggers(planned, result))
        if triggers:
            raise _Unknown
        for ordinal, command in enumerate(stage.commands, 1):
            advanced = state.advance(result.state, command, self._scope, request.file.directives.escape)
            node = result.node
            if advanced.step is not None:
                node = outline.nodes[ordinal] = await self._name(advanced.step, result, planned)
                outline.made.append(Made(advanced.step, command.place.line, command.place.end, ""))
            result = replace(result, state=advanced.state, node=node)
        return result

    async def _end(self, index: int) -> Result:
        end = (await self._outline(index)).end
        if end is None:
            raise _Unknown
        return end

    async def _name(self, step: Step, below: Result, planned: Planned) -> Node:
        files = partial(self._look, planned)
        gathered = None
        taken = isinstance(step, CopyStep) and len(step.sources) > len(step.inline)
        if isinstance(step, CopyStep) and taken and not isinstance(await files(step.origin), Result):
            gathered = (await self._doer.prepare(step, below, files)).gathered
        node = await self._caches.early(step, below, files, gathered)
        if node is None:
            raise _Unknown
        return node

    async def _look(self, planned: Planned, name: str) -> Files | Result:
        """See FilesOf: a stage is its outline."""
        if name and not standing.key(name, str(self._request.platform), self._request.contexts):
            index = self._plan.find(name)
            if index is not None:
                if index not in planned.needs:
                    raise _Unknown
                return await self._end(index)
        return await self._files(planned.stage.index, name)
