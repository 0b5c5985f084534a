"""A builder over the fake image store: programs are functions that write into a folder, views are unpacked tars."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from tests.fakes.images import HOST, World

from carrack.dockerfile import file
from carrack.dockerfile.checks import Breach
from carrack.engine.build import state
from carrack.engine.build.cache import Cache
from carrack.engine.build.contexts import Contexts
from carrack.engine.build.copying import Fetched, Gathered
from carrack.engine.build.doing import Doer
from carrack.engine.build.fetching import Remote
from carrack.engine.build.history import History
from carrack.engine.build.progress import Progress, Silent, Vertex
from carrack.engine.build.request import Files, Request
from carrack.engine.build.results import Result
from carrack.engine.build.running import Bound, Job, Output, Ran
from carrack.engine.build.sharing import Shared
from carrack.engine.build.solve import FilesOf, Solver
from carrack.engine.build.steps import CopyStep, RunStep
from carrack.engine.build.working import Tools, Worker
from carrack.engine.jobs import Jobs
from carrack.errors import NotFound
from carrack.linux.syscalls import LINUX
from carrack.oci.platform import Platform
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.storage.trees.tarred import TarTree, receive

#: what a program does: it gets its job and the folder of its changes, and gives its exit code
Program = Callable[[Job, Path], Awaitable[int]]


class FakeSnapshotter:
    """See Snapshotter: only ``view``."""

    def __init__(self, layers: Path, room: Path) -> None:
        self._layers = layers
        self._room = room

    def view(self, layers: Sequence[str], owners: object = None) -> int:
        place = Path(tempfile.mkdtemp(dir=self._room))
        for diff_id in layers:
            with tarfile.open(self._layers / diff_id) as tar:
                tar.extractall(place)
        return os.open(place, os.O_PATH | os.O_DIRECTORY)


class FakeRunner:
    """See Runner. ``program`` is what every command does; by default a file named after its last word."""

    def __init__(self, room: Path) -> None:
        self._room = room
        self.jobs: list[Job] = []
        self.program: Program = self._touch

    @asynccontextmanager
    async def run(self, job: Job, output: Output) -> AsyncIterator[Ran]:
        self.jobs.append(job)
        upper = Path(tempfile.mkdtemp(dir=self._room))
        output(1, f"ran {job.words[-1]}\n".encode())
        yield Ran(await self.program(job, upper), lambda: _opened(upper))

    @property
    def ran(self) -> list[str]:
        """The last words of all jobs so far."""
        return [job.words[-1] for job in self.jobs]

    async def _touch(self, job: Job, upper: Path) -> int:
        name = "".join(char if char.isalnum() else "_" for char in job.words[-1])
        (upper / name).write_text(" ".join(job.env))
        os.utime(upper / name, (1, 1))
        return 0


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


class NoMounts:
    """See Mounter: there are none."""

    async def digests(self, step: RunStep, files: FilesOf) -> dict[str, str]:
        return {}

    @asynccontextmanager
    async def open(
        self, step: RunStep, files: FilesOf, request: Request
    ) -> AsyncIterator[tuple[tuple[Bound, ...], Mapping[str, str]]]:
        yield (), {}


class NoFetcher:
    """See Fetcher: nothing is fetched but what is in ``elsewhere`` by its address, nothing is an archive."""

    def __init__(self, elsewhere: Mapping[str, Remote] | None = None) -> None:
        self._elsewhere = elsewhere or {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def remote(
        self,
        source: str,
        agents: Any,
        held: Any,
        *,
        moved: Callable[[str, int, int], None] = lambda *_: None,
        said: Callable[[bytes], None] = lambda _: None,
        policy: Any = None,
        **more: Any,
    ) -> Remote:
        said(b"")
        self.asked.append((source, more))
        moved(source, 1, 1)
        if source not in self._elsewhere:
            raise NotFound(f"{source}: not found")
        return self._elsewhere[source]

    async def sent(self, pieces: AsyncIterator[bytes], held: Any) -> Remote:
        data = b"".join([piece async for piece in pieces])
        return self._elsewhere[data.decode()]

    @asynccontextmanager
    async def open(self, step: CopyStep, request: Request, moved: Any, said: Any) -> AsyncIterator[dict[str, Fetched]]:
        yield {}

    @asynccontextmanager
    async def archives(self, gathered: Gathered, extract: bool | None) -> AsyncIterator[None]:
        yield


class FakeBases:
    """See Bases: images by name, as configs without layers."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {"base": {"config": {"Env": ["A=base"]}}}
        self.asked: list[str] = []
        self.far: set[str] = set()  # those that are not here before they are asked for

    async def known(self, name: str, platform: Platform) -> Result | None:
        image = None if name in self.far else self.images.get(name)
        return None if image is None else Result(state.begin(image.get("config", {})), platform, image=image)

    async def result(
        self, name: str, platform: Platform, request: Request, vertex: Vertex, progress: Progress
    ) -> Result:
        self.asked.append(name)
        if name not in self.images:
            raise NotFound(f"{name}: not found")
        image = self.images[name]
        return Result(state.begin(image.get("config", {})), platform, image=image, base="sha256:base")


class NoAgents:
    """See Agents: the client has nothing."""

    async def secret(self, name: str) -> bytes | None:
        return None

    @asynccontextmanager
    async def ssh(self, name: str) -> AsyncIterator[str | None]:
        yield None

    async def credentials(self, server: str) -> Credentials:
        return ANONYMOUS


class Watcher(Silent):
    """See Progress: remembers how each vertex ended."""

    def __init__(self) -> None:
        self.ends: dict[str, tuple[bool, str, str]] = {}
        self.output: dict[str, bytes] = {}
        self.warnings: list[str] = []

    def log(self, vertex: Vertex, stream: int, data: bytes) -> None:
        self.output[vertex.name] = self.output.get(vertex.name, b"") + data

    def ended(self, vertex: Vertex, *, cached: bool = False, error: str = "", reason: str = "") -> None:
        self.ends[vertex.name] = (cached, error, reason)

    def warned(self, vertex: Vertex | None, text: str, line: int = 0, breach: Breach | None = None) -> None:
        self.warnings.append(text)

    def cached(self) -> list[str]:
        """The vertices that were found in the cache."""
        return [name for name, (cached, _, _) in self.ends.items() if cached]


class Workshop:
    """All that a build needs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.room = world.folder / "room"
        self.room.mkdir()
        self.runner = FakeRunner(self.room)
        self.bases = FakeBases()
        self.cache = Cache(world.records)
        self.jobs = Jobs()
        self.history = History(world.records, world.folder / "history", self.jobs.start)
        self.contexts = Contexts(world.folder / "contexts")
        self.contexts.sweep()
        self.tools = Tools(
            world.layers, world.content, FakeSnapshotter(world.folder / "layers", self.room),  # type: ignore[arg-type]
            LINUX, self.cache, self.runner, Shared(),
        )  # fmt: skip
        self.count = 0

    def context(self, files: Mapping[str, str]) -> TarTree:
        """A context of files."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for path, text in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(text.encode())
                tar.addfile(info, io.BytesIO(text.encode()))
        return receive(io.BytesIO(out.getvalue()), self.world.content.ingest())

    async def build(self, text: str, files: Mapping[str, str] | None = None, **more: Any) -> tuple[Result, Watcher]:
        """Build a Dockerfile; what the watcher saw comes with the result, or hangs on the failure as ``watcher``."""
        tree = self.context(files or {})
        opened = Files(tree)

        async def context() -> Files:
            return opened

        request = Request(
            **{
                "file": file.parse(text), "context": context, "build_platform": HOST, "platform": HOST,
                "agents": NoAgents(), "identity": "test", **more,
            }
        )  # fmt: skip
        watcher = Watcher()
        doer = Doer(Worker(self.tools), NoMounts(), NoFetcher(), request, watcher)
        self.count += 1
        try:
            async with Solver(self.tools, self.bases, doer, request, watcher, f"b{self.count}") as solver:
                return await solver.solve(), watcher
        except BaseException as error:
            error.watcher = watcher  # type: ignore[attr-defined]
            raise
        finally:
            await doer.close()
            tree.close()

    def files(self, result: Result) -> dict[str, str]:
        """The regular files of a result, with their text."""
        found: dict[str, str] = {}
        for diff_id in result.layers:
            with tarfile.open(self.world.folder / "layers" / diff_id) as tar:
                for member in tar:
                    if member.isreg():
                        data = tar.extractfile(member)
                        assert data is not None
                        found[member.name] = data.read().decode()
        return found


class Places:
    """See Scratch: folders that are in no memory."""

    def __init__(self, room: Path) -> None:
        self._room = room

    def memory(self, size: str = "") -> Path:
        return Path(tempfile.mkdtemp(dir=self._room))

    def remove(self, place: Path) -> None:
        shutil.rmtree(place)


class FakePusher:
    """See Pusher: every image has the same manifest there."""

    def __init__(self) -> None:
        self.pushed: list[tuple[str, Credentials]] = []

    async def ready(self, diff_ids: Iterable[str]) -> None:
        pass

    async def push(self, name: Any, credentials: Credentials, emit: Any) -> None:
        self.pushed.append((str(name), credentials))
        await emit({"status": "Pushing", "id": "layer", "progressDetail": {"current": 1, "total": 2}})
        await emit({"aux": {"Tag": name.tag, "Digest": "sha256:" + "d" * 64, "Size": 3}})
