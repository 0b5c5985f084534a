"""Containers without a kernel: records made as the daemon makes them, and stand-ins for what they run on."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from carrack.engine import spec
from carrack.engine.containers import merge, networking
from carrack.engine.containers.record import Container, State
from carrack.engine.events import Event
from carrack.errors import Conflict, NotFound
from carrack.model import container as model
from carrack.model import schema
from carrack.model.container import Document, MountPoint
from carrack.oci.image_config import ImageConfigDocument
from carrack.shim.client import Exit
from carrack.storage.usage import tree_size
from carrack.storage.walk import opened

FACTS = spec.HostFacts(last_capability=40, cgroup_version=1)
IMAGE_ID = "sha256:" + "1" * 64


def documents(body: Document | None = None, image: Document | None = None) -> tuple[Document, Document, Document]:
    """Config, host config and networking config of a create request, completed as for a real container."""
    body = dict(body or {})
    host = schema.check(body.pop("HostConfig", {}), model.HOST_CONFIG, "HostConfig")
    networks = schema.check(body.pop("NetworkingConfig", {}), model.NETWORKING, "NetworkingConfig")
    config = schema.check({"Image": "busybox", **body}, model.CONFIG)
    merge.host_config(host, cgroup_version=1)
    networking.complete(networks, host, config, networking.nowhere)
    merge.config(config, image or {"Cmd": ["sh"]})
    merge.ports(config, host)
    return config, host, networks


def container(number: int = 1, body: Document | None = None, **changes: Any) -> Container:
    """A container whose id is made of ``number``; ``changes`` are fields of the record, or of its state."""
    config, host, networks = documents(body)
    identity = f"{number:02x}" * 32
    config["Hostname"] = config["Hostname"] or identity[:12]
    path, args = merge.command(config)
    names = State.__dataclass_fields__
    c = Container(
        id=identity, name=f"name{number}", created=number * 1_000_000_000, image=config["Image"], image_id=IMAGE_ID,
        layers=("sha256:" + "2" * 64,), path=path, args=args, config=config, host_config=host, networking=networks,
        endpoints=networking.shown(networks["EndpointsConfig"]),
        state=State(**{name: value for name, value in changes.items() if name in names}),
    )  # fmt: skip
    for name, value in changes.items():
        if name not in names:
            setattr(c, name, value)
    return c


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine; it fails rather than hangs."""

    async def limited() -> None:
        async with asyncio.timeout(20):
            await main()

    asyncio.run(limited())


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


class FakeEvents:
    """Remembers what was published."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, dict[str, str]]] = []

    def publish(self, type: str, action: str, actor_id: str, attributes: Mapping[str, str], *_: object) -> Event:
        self.seen.append((type, action, actor_id, dict(attributes)))
        return Event(type, action, actor_id, dict(attributes), "local", 0)

    @property
    def actions(self) -> list[str]:
        """What happened, but for coming to networks and going."""
        return [action for type, action, _, _ in self.seen if type != "network"]


class FakeRecords:
    """The tables as dictionaries. ``broken``: the next write fails."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, tuple[Any, ...]]] = {"container": {}, "volume": {}, "setting": {}}
        self.broken: Exception | None = None
        self.writes = 0

    async def write(self, work: Callable[[Any], Any], *, durable: bool = True, spare: bool = False) -> Any:
        await asyncio.sleep(0)
        self.writes += 1
        if self.broken is not None:
            error, self.broken = self.broken, None
            raise error
        return work(self)

    def execute(self, sql: str, row: tuple[Any, ...]) -> None:
        table = self.rows[next(name for name in self.rows if f" {name} " in sql)]
        if sql.startswith("DELETE"):
            table.pop(row[0], None)
        else:
            table[row[0]] = row

    def read(self, sql: str, parameters: object = ()) -> list[tuple[Any, ...]]:
        if "FROM container" in sql:
            return [row[:3] for row in self.rows["container"].values()]
        if "FROM setting" in sql:
            return list(self.rows["setting"].values())
        return [row[:2] for row in self.rows["volume"].values()]


class FakeShim:
    """A running program: it obeys, and ends when told to or by `end`."""

    def __init__(self, container_id: str = "", directory: str = "", pid: int = 4242) -> None:
        loop = asyncio.get_running_loop()
        self.container_id, self.directory, self.pid, self.pidfd = container_id, directory, pid, -1
        self.exited: asyncio.Future[Exit] = loop.create_future()
        self.released: asyncio.Future[None] = loop.create_future()
        self.state: dict[str, Any] = {}
        self.calls: list[tuple[Any, ...]] = []
        self.execs: dict[str, asyncio.Future[Exit]] = {}
        self.ends_on = {9: 137, 15: 143}
        self.refusal: BaseException | None = None
        self.figures: dict[str, Any] = {}
        self.sockets: list[socket.socket] = []
        self.kept = 0
        self.freed: list[Any] = []
        self.closed = False

    def end(self, code: int = 0, *, at: float = 2000.0, oom: bool = False, lost: bool = False) -> None:
        if not self.exited.done():
            self.exited.set_result(Exit(code, at, oom, lost))
            self.released.set_result(None)

    async def signal(self, signal: int, exec_id: str | None = None) -> None:
        self.calls.append(("signal", signal))
        if signal in self.ends_on:
            self.end(self.ends_on[signal])

    async def pause(self) -> None:
        self.calls.append(("pause",))

    async def resume(self) -> None:
        self.calls.append(("resume",))

    async def update(self, resources: Mapping[str, Any]) -> None:
        self.calls.append(("update", resources))

    async def resize(self, height: int, width: int, exec_id: str | None = None) -> None:
        self.calls.append(("resize", height, width, exec_id))

    async def stats(self) -> dict[str, Any]:
        return self.figures

    async def hold(self, fds: Sequence[int]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.kept += len(fds)

    async def release(self, places: Sequence[Any]) -> None:
        self.freed += places

    async def cpu(self) -> Any:
        return self.figures["cpu"]

    async def attach(self, sock: socket.socket, *, stdin: bool, stdout: bool, stderr: bool) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.calls.append(("attach", stdin, stdout, stderr))
        self.sockets.append(sock.dup())

    async def exec(self, exec_id: str, request: Any, fds: Sequence[int]) -> int:
        if self.refusal is not None:
            raise self.refusal
        self.calls.append(("exec", exec_id, request, len(fds)))
        self.execs[exec_id] = asyncio.get_running_loop().create_future()
        return 99

    def exec_exited(self, exec_id: str) -> asyncio.Future[Exit]:
        return self.execs[exec_id]

    async def close(self) -> None:
        self.closed = True
        for sock in self.sockets:
            sock.close()


class FakeSlot:
    """A sandbox; ``start`` gives a FakeShim, or fails with ``failure``."""

    def __init__(self) -> None:
        self.init_pid, self.pidfd, self.netns_fd, self.netlink_fd = 77, -1, -1, -1
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.requests: list[Any] = []
        self.failure: Exception | None = None
        self.discarded = False
        self.shims: list[FakeShim] = []

    async def start(self, request: Any, fds: Sequence[int]) -> FakeShim:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        self.shims.append(FakeShim(request["container"], request["directory"]))
        return self.shims[-1]

    async def discard(self) -> None:
        self.discarded = True

    def abandon(self) -> None:
        self.discarded = True


class FakeSnapshotter:
    """Snapshots as plain directories."""

    name = "fake"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failure: Exception | None = None
        self.owners: object = None
        self.viewed = folder / "view"
        self.viewed.mkdir(parents=True, exist_ok=True)

    def prepare(self, key: str, layers: Sequence[str], size: int = 0, *, lasting: bool = True) -> None:
        if self.failure is not None:
            raise self.failure
        if (self.folder / key).exists():
            raise Conflict(f"snapshot {key} exists")
        (self.folder / key).mkdir()

    def mount(self, key: str, owners: object = None, label: str = "") -> int:
        self.owners = owners
        if not (self.folder / key).exists():
            raise NotFound(f"no snapshot {key}")
        return os.open(self.folder / key, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def view(self, layers: Sequence[str]) -> int:
        return os.open(self.viewed, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def upper(self, key: str) -> Path:
        return self.folder / key

    def size(self, key: str) -> int:
        return tree_size(self.folder / key)

    @contextmanager
    def changes(self, key: str) -> Iterator[int]:
        with opened(self.folder / key) as fd:
            yield fd

    def remove(self, key: str) -> None:
        shutil.rmtree(self.folder / key, ignore_errors=True)

    def keys(self) -> list[str]:
        return [path.name for path in self.folder.iterdir() if path != self.viewed]


class FakeImage:
    """What creating needs of an image."""

    def __init__(self, config: Document | None = None) -> None:
        self.id = IMAGE_ID
        self.diff_ids = ("sha256:" + "2" * 64,)
        words: Any = {"os": "linux", "architecture": "amd64", "config": {"Cmd": ["sh"], **(config or {})}}
        self.config: ImageConfigDocument = words


class FakeImages:
    """One image, by any of its names."""

    def __init__(self, **images: FakeImage) -> None:
        self.images = images or {"busybox": FakeImage()}

    async def resolve(self, reference: str) -> FakeImage:
        if reference not in self.images:
            raise NotFound(f"No such image: {reference}")
        return self.images[reference]

    def siblings(self, image: FakeImage) -> list[FakeImage]:
        return []

    @asynccontextmanager
    async def hold(self, image: FakeImage) -> AsyncIterator[None]:
        yield


def point(destination: str, **changes: Any) -> MountPoint:
    """A mount point of a volume."""
    values: Any = {"Type": "volume", "Name": "v", "Source": "/srv", "Destination": destination, "Driver": "local",
                   "Mode": "", "RW": True, "Propagation": ""}  # fmt: skip
    values.update(changes)
    found: MountPoint = values
    return found
