"""Steps made ready and done: which trees a copy takes from, which mounts a RUN has."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import TYPE_CHECKING, Protocol

from carrack.engine.build import copying, emulation, policies, told_classic
from carrack.engine.build.cache import Entry
from carrack.engine.build.request import Files
from carrack.engine.build.results import Result
from carrack.engine.build.running import Bound, Job
from carrack.engine.build.steps import CopyStep, RunStep, Step, WorkdirStep
from carrack.engine.build.working import Note, Worker
from carrack.errors import InvalidArgument
from carrack.storage.trees.kept import KeptTree
from carrack.storage.trees.tarred import TarTree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from carrack.engine.build.copying import Fetched, Gathered
    from carrack.engine.build.fetching import Remote
    from carrack.engine.build.policies import Policy
    from carrack.engine.build.progress import Progress, Said, Vertex
    from carrack.engine.build.request import Agents, Request
    from carrack.engine.build.solve import FilesOf, Prepared


_FEW = 200  # entries of a tree


class Mounter(Protocol):
    """What a RUN has mounted: see :mod:`carrack.engine.build.mounting`."""

    async def digests(self, step: RunStep, files: FilesOf) -> dict[str, str]:
        """Digests of what is mounted from the context, from stages and images; caches and secrets have none."""
        ...

    def open(
        self, step: RunStep, files: FilesOf, request: Request
    ) -> AbstractAsyncContextManager[tuple[tuple[Bound, ...], Mapping[str, str]]]:
        """The mounts (scripts among them), and the environment that goes with them, while inside."""
        ...


class Fetcher(Protocol):
    """What ADD and contexts get from elsewhere: see :mod:`carrack.engine.build.fetching`."""

    def open(
        self, step: CopyStep, request: Request, moved: Callable[[str, int, int], None], said: Said
    ) -> AbstractAsyncContextManager[dict[str, Fetched]]:
        """By source, what URLs and git repositories among the sources gave; empty when there are none.
        ``said`` is given what git says."""
        ...

    def archives(self, gathered: Gathered, extract: bool | None) -> AbstractAsyncContextManager[None]:
        """Open what is an archive among the files gathered, where the step wants it unpacked."""
        ...

    async def remote(
        self,
        source: str,
        agents: Agents,
        held: AsyncExitStack,
        *,
        unpack: bool = True,
        keep_git_dir: bool = False,
        moved: Callable[[str, int, int], None] = lambda *_: None,
        said: Said = lambda _: None,
        policy: Policy = policies.ALL,
    ) -> Remote:
        """A context that lies elsewhere, until ``held`` ends: a repository, or what a URL gives; with ``unpack`` that
        is an archive or a Dockerfile, else any file. ``said`` is given what git says. Raises InvalidArgument,
        Unavailable, Forbidden by the ``policy``."""
        ...

    async def sent(self, pieces: AsyncIterator[bytes], held: AsyncExitStack) -> Remote:
        """The same of bytes that came by another way: an archive or a Dockerfile."""
        ...


class Doer:
    """See carrack.engine.build.solve."""

    def __init__(
        self, worker: Worker, mounter: Mounter, fetcher: Fetcher, request: Request, progress: Progress
    ) -> None:
        self._worker = worker
        self._mounter = mounter
        self._fetcher = fetcher
        self._request = request
        self._progress = progress
        self._open = AsyncExitStack()
        self.fetched: dict[str, str] = {}  # digests of what came from elsewhere, by its address

    async def close(self) -> None:
        """Let go of all that the steps have opened."""
        await self._open.aclose()

    async def prepare(self, step: Step, below: Result, files: FilesOf, said: Said = lambda _: None) -> Prepared:
        """See Doer of solve."""
        if isinstance(step, RunStep):
            self._check(step)
            return _Run(self, step, await self._mounter.digests(step, files), below, files)
        if isinstance(step, WorkdirStep):
            return _Workdir(self, step)
        return await self._copy(step, files, said)

    async def _copy(self, step: CopyStep, files: FilesOf, said: Said) -> Prepared:
        opened = self._fetcher.open(step, self._request, lambda *_: None, said)
        fetched = await self._open.enter_async_context(opened)
        self.fetched |= {source: found.digest for source, found in fetched.items()}
        local = [source for source in step.sources if source not in fetched]
        tree = await self._tree(step.origin, files) if len(local) > len(step.inline) else None
        if fetched or not (tree is None or _is_quick(tree)):
            gathered, digest = await asyncio.to_thread(_gather, step, tree, fetched)
        else:
            gathered, digest = _gather(step, tree, fetched)
        if step.remote:
            await self._open.enter_async_context(self._fetcher.archives(gathered, step.extract))
            digest = await asyncio.to_thread(gathered.digest)
        return _Copy(self, gathered, {step.origin or "context": digest}, told_classic.files(gathered.kinds(), digest))

    async def _tree(self, origin: str, files: FilesOf) -> Files:
        found = await files(origin)
        if isinstance(found, Files):
            return found
        return Files(await self._open.enter_async_context(self._worker.tree(found.layers)), name=origin)

    def _check(self, step: RunStep) -> None:
        """Refuse what needs an entitlement that the caller has not given."""
        wanted = {
            "network.host": step.network == "host",
            "security.insecure": step.insecure,
            "device": not {f"device={name}" for name in step.devices} <= self._request.allow,
        }
        for name, asked in wanted.items():
            if asked and name not in self._request.allow:
                raise InvalidArgument(f"granting entitlement {name} is not allowed: build with --allow {name}")

    def job(self, step: RunStep, below: Result, bounds: tuple[Bound, ...], env: Mapping[str, str]) -> Job:
        """A RUN as a job."""
        request = self._request
        network = step.network if step.network != "default" else request.network or "default"
        return Job(
            layers=below.layers,
            words=step.words,
            env=(*step.env, *step.hidden, *(f"{name}={value}" for name, value in env.items())),
            workdir=step.workdir,
            user=step.user,
            network=network,
            insecure=step.insecure,
            devices=step.devices,
            hostname=request.hostname,
            extra_hosts=request.extra_hosts,
            mounts=bounds,
            host_config=request.limits.host_config,
        )


class _Copy:
    def __init__(self, doer: Doer, gathered: Gathered, files: dict[str, str], what: str) -> None:
        self._doer = doer
        self.gathered: Gathered | None = gathered
        self.files = files
        self.what = what

    async def do(self, note: Note, vertex: Vertex) -> Entry:
        assert self.gathered is not None
        return await self._doer._worker.copy(note, self.gathered, self._doer._request.epoch)


class _Workdir:
    what = ""
    gathered: Gathered | None = None

    def __init__(self, doer: Doer, step: WorkdirStep) -> None:
        self._doer = doer
        self._step = step
        self.files: dict[str, str] = {}

    async def do(self, note: Note, vertex: Vertex) -> Entry:
        return await self._doer._worker.workdir(note, self._step, self._doer._request.epoch)


class _Run:
    what = ""
    gathered: Gathered | None = None

    def __init__(self, doer: Doer, step: RunStep, files: dict[str, str], below: Result, files_of: FilesOf) -> None:
        self._doer = doer
        self._step = step
        self._below = below
        self._files_of = files_of
        self.files = files

    async def do(self, note: Note, vertex: Vertex) -> Entry:
        doer = self._doer
        inside = await asyncio.to_thread(emulation.check, self._below.platform, doer._request.build_platform)
        async with doer._mounter.open(self._step, self._files_of, doer._request) as (bounds, env):
            job = doer.job(self._step, self._below, bounds, env)
            try:
                return await doer._worker.run(
                    note, job, lambda stream, data: doer._progress.log(vertex, stream, data), doer._request.epoch
                )
            except InvalidArgument as error:
                raise emulation.explained(error, inside) from error


def _is_quick(files: Files) -> bool:
    """Whether looking through a tree takes less than handing that to a thread: its files' digests are known."""
    return isinstance(files.tree, TarTree | KeptTree) and len(files.tree.entries) <= _FEW


def _gather(step: CopyStep, tree: Files | None, fetched: dict[str, Fetched]) -> tuple[Gathered, str]:
    """What the sources mean, and its digest where nothing is missing yet."""
    gathered = copying.gather(step, tree, fetched)
    return gathered, "" if step.remote else gathered.digest()
