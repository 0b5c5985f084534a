"""Solving a build: its stages side by side, each command after the one before it, what is remembered not done again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from carrack.dockerfile import commands as c
from carrack.dockerfile.file import parse_trigger
from carrack.dockerfile.problem import DockerfileError
from carrack.engine.build import failing, keys, stages, standing, state, told_classic
from carrack.engine.build.ancestry import Ancestors
from carrack.engine.build.cache import Entry, base_of
from carrack.engine.build.caching.config import identity
from carrack.engine.build.checking import Known
from carrack.engine.build.explaining import Reasons
from carrack.engine.build.failing import BuildFailed
from carrack.engine.build.holding import Holding
from carrack.engine.build.outlining import Outlines
from carrack.engine.build.progress import STDOUT, Vertex
from carrack.engine.build.request import Elsewhere
from carrack.engine.build.results import Result
from carrack.engine.build.scope import Scope, global_scope
from carrack.engine.build.steps import Step, is_root
from carrack.engine.build.trace import Base, Made, Trace
from carrack.engine.build.vertices import LAYERED, Vertices
from carrack.engine.build.working import Note, RunFailed, Worker
from carrack.errors import InvalidArgument, words
from carrack.model import times
from carrack.oci import platform as platforms

if TYPE_CHECKING:
    from carrack.dockerfile.file import Stage
    from carrack.engine.build.caching.graph import Node
    from carrack.engine.build.caching.service import Caches
    from carrack.engine.build.copying import Gathered
    from carrack.engine.build.progress import Progress, Said
    from carrack.engine.build.request import Files, Request
    from carrack.engine.build.working import Tools
    from carrack.oci.platform import Platform


class Bases(Known, Protocol):
    """Where the images come from that stages begin with, or copy from."""

    async def result(
        self, name: str, platform: Platform, request: Request, vertex: Vertex, progress: Progress
    ) -> Result:
        """The image as a stage that has just begun, pulled if it must be; its layers are held by the caller then."""
        ...


class Doer(Protocol):
    """Who does a single step that was not remembered: see :mod:`carrack.engine.build.doing`."""

    async def prepare(self, step: Step, below: Result, files: FilesOf, said: Said = ...) -> Prepared:
        """Find out what the step takes, without doing it. ``said`` is given what a fetch says."""
        ...


class Prepared(Protocol):
    """A step that is ready to be done."""

    @property
    def files(self) -> dict[str, str]:
        """Digests of the contents it takes, by where they come from."""
        ...

    @property
    def what(self) -> str:
        """What it copies, as the classic builder tells it; "" for what copies nothing."""
        ...

    @property
    def gathered(self) -> Gathered | None:
        """What a copy takes; None for other steps."""
        ...

    async def do(self, note: Note, vertex: Vertex) -> Entry:
        """Do it. Raises RunFailed, InvalidArgument."""
        ...


#: the files that a name after ``--from`` (or "" for the context) means: a tree, or a finished stage
FilesOf = Callable[[str], Awaitable["Files | Result"]]
#: a step's result in caches that the build was given, and the name of the one
Given = Callable[[Note], Awaitable[tuple[Entry, str] | None]]


class Solver:
    """One build, from its request to the result of its target."""

    def __init__(
        self, tools: Tools, bases: Bases, doer: Doer, request: Request, progress: Progress, build: str,
        caches: Caches | None = None,
    ) -> None:  # fmt: skip
        """``build``: the id that tells this build's vertices from others'; ``caches``: see Request.imports."""
        self._tools = tools
        self._bases = bases
        self._doer = doer
        self._request = request
        self._progress = progress
        self._build = build
        self._caches = caches
        self._ancestors = Ancestors(request.ancestors, bases, tools)
        self._held = Holding(tools.layers)
        self._reasons = Reasons(tools, Worker(tools), closely=request.explain)
        self._group: asyncio.TaskGroup | None = None
        self._stages: dict[int, asyncio.Task[Result]] = {}
        self._triggered: dict[int, set[int]] = {}
        self._images: dict[str, asyncio.Task[Result]] = {}
        self._last: dict[int, str] = {}
        directives = request.file.directives
        scope: Scope = global_scope(
            request.file.globals, request.arguments, request.build_platform, request.platform, request.target,
            directives.escape,
        )  # fmt: skip
        self._scope = replace(scope, classic=request.style == "classic")
        self.plan = stages.plan(request.file, self._scope, request.target, request.standing)
        self._vertices = Vertices(build, self.plan, str(request.platform), request.prefix, directives.escape)
        self._trace = Trace(times.now(), self.plan)
        self._outlines: Outlines | None = None
        if caches is not None and caches.imports and not request.policy:  # by that, no source goes unseen
            self._outlines = Outlines(
                self.plan, request, self._scope, caches, doer, self._begin, self._triggers, self._files
            )

    async def __aenter__(self) -> Solver:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the layers; until then no prune takes what the build has found or made."""
        await self._held.close()

    async def solve(self) -> Result:
        """Build the target. Raises BuildFailed, DockerfileError, or what a base or a context raises."""
        try:
            async with asyncio.TaskGroup() as self._group:
                for index in await self._outlines.needed() if self._outlines else self.plan.needed():
                    self._stage(index)
        except BaseExceptionGroup as failures:
            raise failing.first(failures) from None
        for index in self.plan.needed():
            if index not in self._stages:
                self._skip(index)
        return replace(self._stages[self.plan.target].result(), trace=self._trace)

    def images(self) -> dict[str, Result]:
        """The images that were looked up, by name and platform (``alpine:3 linux/amd64``)."""
        return {key: task.result() for key, task in self._images.items() if task.done() and not task.exception()}

    def _stage(self, index: int) -> asyncio.Task[Result]:
        if index not in self._stages:
            assert self._group is not None
            self._stages[index] = self._group.create_task(self._build_stage(index), name=f"build stage {index}")
        return self._stages[index]

    async def _build_stage(self, index: int) -> Result:
        planned = self.plan.stages[index]
        stage = planned.stage
        begin = Vertex.make(self._build, stage.base.text, stage=index, text=stage.base.text, quiet=True)
        self._progress.started(begin)
        result = await self._begin(planned)
        triggers = await self._triggers(planned, result)
        commands = [*triggers, *stage.commands]
        self._vertices.begin(stage, triggers)
        if not triggers:
            self._progress.ended(begin)
        for ordinal, command in enumerate(commands, -len(triggers)):
            ordinal += ordinal >= 0  # 0 is the FROM itself
            result = await self._command(result, command, index, ordinal)
            if ordinal == -1:
                self._progress.ended(begin)
        self._trace.stages[index] = result.layers
        return result

    def _skip(self, index: int) -> None:
        """Tell of a stage that was not built, since what was made of it came from a cache."""
        stage = self.plan.stages[index].stage
        self._vertices.begin(stage)
        for ordinal, command in enumerate(stage.commands, 1):
            if isinstance(command, LAYERED):
                vertex = self._vertices.of(stage, command, ordinal)
                self._progress.started(vertex)
                self._progress.ended(vertex, cached=True, reason="what was made of it came from a cache")
        assert self._outlines is not None
        self._trace.steps[index] = self._outlines.made(index)

    async def _triggers(self, planned: stages.Planned, result: Result) -> list[c.Command]:
        """What the image, or the stage, that a stage is made from wants to have done first."""
        config = {} if planned.replaced else result.image.get("config", {})
        if planned.parent is not None:
            config = (await self._stage(planned.parent)).state.config
        return [parse_trigger(text) for text in config.get("OnBuild") or ()]

    async def _begin(self, planned: stages.Planned) -> Result:
        """The stage at its FROM."""
        if planned.parent is not None:
            before = await self._stage(planned.parent)
            begun = state.begin(before.state.config, None if self._scope.classic else before.state)
            return replace(before, state=begun)
        wanted = platforms.parse(planned.platform) if planned.platform else self._request.platform
        if planned.base == stages.SCRATCH:
            return Result(state.begin({} if self._scope.classic else {"WorkingDir": "/"}), wanted)
        self._trace.begun[planned.stage.index] = f"{planned.base} {wanted}"
        return await self._image(planned.base, wanted, planned.stage.index)

    async def _image(self, name: str, wanted: Platform, stage: int = -1) -> Result:
        """An image, looked up or pulled once a build."""
        key = f"{name} {wanted}"
        if key not in self._images:
            assert self._group is not None
            self._images[key] = self._group.create_task(self._look_up(name, wanted), name=f"build base {name}")
        return await self._images[key]

    async def _look_up(self, name: str, wanted: Platform) -> Result:
        vertex = self._vertices.metadata(name, str(wanted))
        self._progress.started(vertex)
        try:
            given = self._request.contexts.get(name)
            if isinstance(given, Elsewhere):
                result = await given.open(wanted)
            else:
                result = await self._bases.result(name, wanted, self._request, vertex, self._progress)
            await self._held.add(result.layers)
        except BaseException as error:
            self._progress.ended(vertex, error=words(error) or "canceled")
            raise
        self._progress.ended(vertex)
        self._progress.started(image := self._vertices.image(name, str(wanted)))
        self._progress.ended(image)
        self._trace.bases[f"{name} {wanted}"] = Base(name, str(wanted), result.pin, result.layers)
        return replace(result, node=self._caches.image(result)) if self._caches else result

    async def _command(self, below: Result, command: c.Command, index: int, ordinal: int) -> Result:
        escape = self._request.file.directives.escape
        advanced = state.advance(below.state, command, self._scope, escape)
        created = self._now(below.created)
        diff_id, node, created_by = "", below.node, advanced.created_by
        if advanced.step is not None:
            entry, node, what = await self._step(below, advanced, command, index, ordinal)
            created_by = created_by.replace(told_classic.FILES, what)
            made = Made(advanced.step, command.place.line, command.place.end, entry.diff_id)
            self._trace.steps.setdefault(index, []).append(made)
            diff_id, created = entry.diff_id, self._now(entry.created)
        else:
            vertex = self._vertices.of(self.plan.stages[index].stage, command, ordinal, quiet=True)
            self._progress.started(vertex)
            self._progress.ended(vertex)
        after = below.then(advanced.state, diff_id, created_by, created, self._request.style)
        return after if node is after.node else replace(after, node=node)

    async def _step(
        self, below: Result, advanced: state.Advanced, command: c.Command, index: int, ordinal: int
    ) -> tuple[Entry, Node | None, str]:
        stage, step = self.plan.stages[index].stage, advanced.step
        assert step is not None
        if (early := await self._early(below, command, index, ordinal)) is not None:
            return early
        inputs, quiet = await self._inputs(index, command), is_root(step)
        vertex = self._vertices.of(stage, command, ordinal, below.state, quiet=quiet, inputs=inputs)
        if not vertex.quiet:
            self._last[index] = vertex.digest
        self._progress.started(vertex)
        try:
            files, node = partial(self._files, index), None
            prepared = await self._doer.prepare(step, below, files, partial(self._progress.log, vertex, STDOUT))
            document = keys.inputs(step, base_of(below.layers), prepared.files, str(below.platform))
            note = Note(
                keys.key(document), below.layers, document, f"[{stage.name}] {command.text}",
                f"{self._request.identity}/{stage.name}/{ordinal}",
            )  # fmt: skip
            if self._caches:
                node = await self._caches.node(step, below, files, prepared.gathered, note.key)
            line = advanced.created_by.replace(told_classic.FILES, prepared.what)
            entry, cached, reason = await self._done(
                note, prepared, vertex, stage, partial(self._given, below, node, line)
            )
            await self._held.add(entry.layers)
            if node is not None:
                node.layers, node.created = entry.layers, entry.created
        except RunFailed as error:
            text = failing.text(command, step, error)
            self._progress.ended(vertex, error=text)
            raise BuildFailed(text, command, error.exit_code) from None
        except DockerfileError:
            raise
        except BaseException as error:
            self._progress.ended(vertex, error=words(error) or "canceled")
            raise
        self._progress.ended(vertex, cached=cached, reason=reason)
        return entry, node, prepared.what

    async def _early(
        self, below: Result, command: c.Command, index: int, ordinal: int
    ) -> tuple[Entry, Node | None, str] | None:
        """The result of a step by its name alone, before what it takes files from is built; see Outlines."""
        known = self._outlines.early(index, ordinal) if self._outlines else None
        if known is None or self._caches is None or known.origins <= self._stages.keys():
            return None
        stage, node = self.plan.stages[index].stage, known.node
        note = Note(identity(node), below.layers, {}, f"[{stage.name}] {command.text}", "")
        found = await self._caches.find(note, node)
        if found is None:
            return None
        entry, name = found
        vertex = self._vertices.of(stage, command, ordinal, below.state, inputs=tuple(self._before(index)))
        self._last[index] = vertex.digest
        self._progress.started(vertex)
        await self._held.add(entry.layers)
        node.layers, node.created = entry.layers, entry.created
        self._progress.ended(vertex, cached=True, reason=f"it came from the cache {name}")
        return entry, node, ""

    def _before(self, index: int) -> list[str]:
        """The step before one of a stage, or what the first waits for."""
        return [self._last[index]] if index in self._last else self._first(self.plan.stages[index])

    async def _done(
        self, note: Note, prepared: Prepared, vertex: Vertex, stage: Stage, given: Given
    ) -> tuple[Entry, bool, str]:
        """The result of a step: remembered, ``given``, being done by another build, or done now; and why."""
        cache = self._tools.cache
        if not self._uncached(stage):
            known = cache.find(note.key)
            if known is not None and self._held.has(known.layers):
                await cache.used(known)
                return known, True, ""
            if (found := await given(note)) is not None:
                return found[0], True, f"it came from the cache {found[1]}"
            previous = cache.previous(note.place)
            entry, mine = await self._tools.going.do(note.key, lambda: prepared.do(note, vertex))
            return entry, not mine, await self._reasons.of(previous, note, entry)
        return await prepared.do(note, vertex), False, "the cache was not to be used"

    async def _given(self, below: Result, node: Node | None, line: str, note: Note) -> tuple[Entry, str] | None:
        """The result that somebody else's cache has, and the name of that cache."""
        found = await self._caches.find(note, node) if self._caches and node is not None else None
        return found or await self._ancestors.find(note, below, line)

    async def _inputs(self, index: int, command: c.Command) -> tuple[str, ...]:
        """What a step waits for: those before it, also in the stages that it takes files from; the wait is here, so
        that it does not count as the step's time."""
        planned = self.plan.stages[index]
        before = self._before(index)
        for name in stages.origins(command):
            given = standing.key(name, str(self._request.platform), self._request.contexts)
            other = None if given else self.plan.find(name)
            if other is not None and other in planned.needs:
                await self._stage(other)
                before.append(self._last.get(other, ""))
        return tuple(dict.fromkeys(filter(None, before)))

    def _first(self, planned: stages.Planned) -> list[str]:
        """What the first step of a stage waits for."""
        if planned.parent is not None:
            return [self._last.get(planned.parent, "")]
        key = self._trace.begun.get(planned.stage.index, "")
        return [self._vertices.image(*key.split(" ")).digest] if key else []

    def _uncached(self, stage: Stage) -> bool:
        request = self._request
        return request.no_cache or stage.name in request.no_cache_stages

    async def _files(self, stage: int, name: str) -> Files | Result:
        """See FilesOf. A name is a context the caller gave, a stage, or an image."""
        if not name:
            return await self._request.context()
        platform = self._request.platform
        if context := standing.key(name, str(platform), self._request.contexts):
            given = self._request.contexts[context]
            if isinstance(given, str | Elsewhere):
                return await self._image(given if isinstance(given, str) else context, platform)
            return await given()
        index = self.plan.find(name)
        if index is not None:
            self._triggered.setdefault(stage, set()).add(index)
            if self._leads(index, stage, set()):
                raise InvalidArgument(f"circular dependency detected on stage: {name}: a trigger wants its own stage")
            return await self._stage(index)
        return await self._image(name, self._request.platform)

    def _leads(self, index: int, wanted: int, seen: set[int]) -> bool:
        """Whether a stage waits for another; the plan knows nothing of what triggers take files from."""
        if index in seen:
            return False
        seen.add(index)
        needs = self.plan.stages[index].needs | self._triggered.get(index, set())
        return index == wanted or any(self._leads(each, wanted, seen) for each in needs)

    def _now(self, at: int = 0) -> int:
        epoch = self._request.epoch
        return (at or times.now()) if epoch is None else epoch * 1_000_000_000
