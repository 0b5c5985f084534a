"""The builder: every face's way to a build, and the one hand that holds what builds are made with."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine.build.checking import Checking
from carrack.engine.build.doing import Doer, Fetcher, Mounter
from carrack.engine.build.export import Exporter
from carrack.engine.build.progress import Silent
from carrack.engine.build.solve import Bases, Solver
from carrack.engine.build.working import Tools, Worker
from carrack.errors import InvalidArgument, NotFound
from carrack.model import times

if TYPE_CHECKING:
    from carrack.engine.build.attesting import Attester
    from carrack.engine.build.caching.service import Caching
    from carrack.engine.build.history import History
    from carrack.engine.build.layouts import Layouts
    from carrack.engine.build.progress import Progress
    from carrack.engine.build.prune import BuildCache
    from carrack.engine.build.request import Request
    from carrack.engine.build.results import Result
    from carrack.engine.images.image import Image
    from carrack.oci.descriptor import Descriptor
    from carrack.oci.platform import Platform
    from carrack.oci.reference import Reference


@dataclass(frozen=True, slots=True)
class Built:
    """What a build gave."""

    image: Image
    result: Result


class Builder:
    """Builds. ``tools`` are shared by all builds, as is what they remember."""

    def __init__(
        self,
        tools: Tools,
        bases: Bases,
        mounter: Mounter,
        fetcher: Fetcher,
        export: Exporter,
        cache: BuildCache,
        history: History,
        attester: Attester,
        granted: frozenset[str] = frozenset(),
        caching: Caching | None = None,
        layouts: Layouts | None = None,
    ) -> None:
        """``granted``: the entitlements that the one who asks for a build may allow it (CVE-2024-23653)."""
        self.caching = caching
        self.layouts = layouts
        self._granted = granted
        self.tools = tools
        self.cache = cache
        self.history = history
        self._bases = bases
        self._mounter = mounter
        self.fetcher = fetcher
        self.export = export
        self.attester = attester
        self._going: dict[str, Callable[[], object]] = {}

    async def build(
        self, request: Request, names: Sequence[Reference] = (), progress: Progress | None = None, identity: str = ""
    ) -> Built:
        """Build an image and give it its names. ``identity``: by which ``cancel`` knows the build.

        Raises BuildFailed, DockerfileError, what a base, a context or a fetch raises; and CancelledError.
        """
        async with self._finished(request, progress, identity) as result:
            created = (result.created or times.now()) if request.epoch is None else request.epoch * 1_000_000_000
            built = Built(await self.export.image(result, names, request.labels, created), result)
            await self.give_caches([result], request, progress, identity)
            return built

    async def give_caches(
        self, results: Sequence[Result], request: Request, progress: Progress | None = None, identity: str = ""
    ) -> list[Descriptor]:
        """Write the caches that were asked for; the caller is still inside ``solved``. Their manifests."""
        if self.caching is None:
            return []
        return await self.caching.export(results, request, progress or Silent(), identity)

    @asynccontextmanager
    async def _finished(self, request: Request, progress: Progress | None, identity: str) -> AsyncIterator[Result]:
        async with self.solved(request, progress, identity) as result:
            if not request.squash:
                yield result
                return
            async with self.export.squashed(result) as flat:
                yield flat

    @asynccontextmanager
    async def solved(
        self, request: Request, progress: Progress | None = None, identity: str = ""
    ) -> AsyncIterator[Result]:
        """Solve a build; inside the context its layers stay, whatever is pruned."""
        for name in sorted(request.allow):
            if name.partition("=")[0] not in self._granted:
                told = f"granting entitlement {name} is not allowed by build daemon configuration"
                raise InvalidArgument(f"{told}: see builder.entitlements of the daemon's configuration file")
        progress = progress or Silent()
        doer = Doer(Worker(self.tools), self._mounter, self.fetcher, request, progress)
        identity = identity or secrets.token_hex(12)
        task = asyncio.current_task()
        assert task is not None
        whole = self._going.get(identity)
        if whole is None:
            self._going[identity] = task.cancel
        try:
            caches = await self.caching.open(request, progress, identity) if self.caching else None
            async with Solver(self.tools, self._bases, doer, request, progress, identity, caches) as solver:
                checking = Checking(request, solver.plan, self._bases, progress)
                await checking.before()
                result = await solver.solve()
                checking.after(solver.images())
                if result.trace is not None:
                    result.trace.fetched |= doer.fetched
                yield caches.carried(result) if caches else result
        finally:
            if whole is None:
                self._going.pop(identity, None)
            self.cache.grown.set()
            await doer.close()

    @contextmanager
    def cancellable(self, identity: str) -> Iterator[None]:
        """The whole of a build, of whatever it consists, for ``cancel``; InvalidArgument says that it was ended so."""
        task, asked = asyncio.current_task(), False
        assert task is not None

        def cancel() -> None:
            nonlocal asked
            asked = True
            task.cancel()

        self._going[identity] = cancel
        try:
            yield
        except asyncio.CancelledError:
            if not asked or task.uncancel():
                raise
            raise InvalidArgument("the build was canceled") from None
        finally:
            del self._going[identity]

    async def known(self, name: str, platform: Platform) -> Result | None:
        """See Known of carrack.engine.build.checking."""
        return await self._bases.known(name, platform)

    def cancel(self, identity: str) -> None:
        """End a build that goes on. NotFound when there is none of that name."""
        cancel = self._going.get(identity)
        if cancel is None:
            raise NotFound(f"no build {identity} is going on")
        cancel()
