"""A container's files: looked up in its root or in a mount's source, by descriptors; never in another's root."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeEvents, FakeShim, FakeSnapshotter, container, point, run

from carrack.engine.containers.files import Files
from carrack.engine.containers.record import Container
from carrack.errors import Conflict, Forbidden, InvalidArgument, NotFound


class FakeVolumes:
    """None of them has to be mounted."""

    def to_mount(self, points: object) -> list[Any]:
        return []


class World:
    def __init__(self, folder: Path) -> None:
        self.snapshots, self.events = FakeSnapshotter(folder / "snapshots"), FakeEvents()
        snapshots: Any = self.snapshots
        events: Any = self.events
        volumes: Any = FakeVolumes()
        self.files = Files(snapshots, volumes, events)
        self.c = container(1, {"Labels": {"a": "b"}})
        self.snapshots.prepare(self.c.id, ())
        self.root = self.snapshots.upper(self.c.id)
        (self.root / "etc").mkdir()
        (self.root / "etc/hello").write_text("hello")


def inside(folder: Path, test: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        before = set(os.listdir("/proc/self/fd"))
        await test(World(folder))
        assert len(set(os.listdir("/proc/self/fd")) - before) == 0

    run(main)


async def gather(stream: AsyncIterator[bytes]) -> dict[str, bytes]:
    data = b"".join([piece async for piece in stream])
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: (f.read() if (f := tar.extractfile(m)) else b"") for m in tar}


async def archive(**files: str) -> AsyncIterator[bytes]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.gid = len(text), os.getuid(), os.getgid()
            tar.addfile(member, io.BytesIO(text.encode()))
    yield out.getvalue()


def test_stat_get_put_of_a_stopped_container(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        found = await world.files.stat(world.c, "/etc/hello")
        assert (found["name"], found["size"]) == ("hello", 5)
        assert await gather(world.files.get(world.c, "/etc/hello")) == {"hello": b"hello"}
        await world.files.put(world.c, "/etc", archive(new="text"))
        assert (world.root / "etc/new").read_text() == "text"
        assert world.events.actions == ["archive-path", "extract-to-dir"]
        assert world.events.seen[0][3] == {"a": "b", "image": "busybox", "name": "name1"}

    inside(tmp_path, test)


def test_below_a_mount_the_mounts_source_is_meant(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        (tmp_path / "outer/inner").mkdir(parents=True)
        (tmp_path / "deep").mkdir()
        (tmp_path / "outer/file").write_text("outer")
        (tmp_path / "deep/file").write_text("deep")
        world.c.mounts = [
            point("/data", Source=str(tmp_path / "outer")),
            point("/data/inner", Source=str(tmp_path / "deep")),
            point("/t", Type="tmpfs", Source=""),
        ]
        assert await gather(world.files.get(world.c, "/data/file")) == {"file": b"outer"}
        assert await gather(world.files.get(world.c, "data/../data/inner/file")) == {"file": b"deep"}
        assert "hello" in await gather(world.files.get(world.c, "/etc/hello"))
        with pytest.raises(NotFound, match=r"^Could not find the file /database in container name1$"):
            await world.files.stat(world.c, "/database")

    inside(tmp_path, test)


@pytest.mark.parametrize("path", ["/nope", "/nope/x"])
def test_what_is_not_there(tmp_path: Path, path: str) -> None:
    async def test(world: World) -> None:
        for call in (world.files.stat(world.c, path), gather(world.files.get(world.c, path))):
            with pytest.raises(NotFound, match=f"^Could not find the file {path} in container name1$"):
                await call

    inside(tmp_path, test)


def test_an_empty_path_is_refused(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        with pytest.raises(InvalidArgument, match="cannot be empty"):
            await world.files.stat(world.c, "")
        with pytest.raises(InvalidArgument, match="cannot be empty"):
            await world.files.put(world.c, "", archive())

    inside(tmp_path, test)


def test_a_read_only_root_takes_nothing_but_through_a_writable_mount(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        (tmp_path / "v").mkdir()
        world.c.host_config["ReadonlyRootfs"] = True
        world.c.mounts = [point("/v", Source=str(tmp_path / "v")), point("/ro", RW=False)]
        for path, what in (("/etc", "container rootfs"), ("/ro", "mounted volume")):
            with pytest.raises(Forbidden, match=rf"^{what} is marked read-only$"):
                await world.files.put(world.c, path, archive(x="x"))
        await world.files.put(world.c, "/v", archive(x="x"))
        assert os.listdir(tmp_path / "v") == ["x"]

    inside(tmp_path, test)


def test_links_stay_inside_the_root(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        (tmp_path / "secret").write_text("s")
        (world.root / "out").symlink_to(f"../../../../..{tmp_path}")
        with pytest.raises(NotFound):
            await world.files.stat(world.c, "/out/secret")

    inside(tmp_path, test)


def running(c: Container, pid: int) -> Any:
    shim: Any = FakeShim(pid=pid)
    c.shim, c.state.status = shim, "running"
    return shim


def test_a_process_id_that_was_given_away_shows_no_other_root(tmp_path: Path) -> None:
    """The program has ended, and its number is another process's by now (here: our own)."""

    async def test(world: World) -> None:
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)  # noqa: ASYNC220
        shim = running(world.c, os.getpid())
        shim.pidfd = os.pidfd_open(process.pid)
        assert (await world.files.stat(world.c, str(tmp_path)))["name"] == tmp_path.name
        process.communicate(b"\n")
        for call in (world.files.stat(world.c, "/etc"), gather(world.files.export(world.c))):
            with pytest.raises(Conflict, match=f"^container {world.c.id} has just ended: try again$"):
                await call
        os.close(shim.pidfd)
        shim.pidfd = -1
        with pytest.raises(Conflict, match="has just ended"):
            await world.files.stat(world.c, "/etc")

    inside(tmp_path, test)


def test_a_program_that_has_gone(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        running(world.c, 2**22 + 1)
        with pytest.raises(Conflict, match="has just ended"):
            await world.files.stat(world.c, "/etc")

    inside(tmp_path, test)


def test_export_and_size(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        found = await gather(world.files.export(world.c))
        assert found["etc/hello"] == b"hello"
        assert await world.files.size(world.c) == 5
        assert world.events.actions == ["export"]

    inside(tmp_path, test)


def test_changes(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        (world.snapshots.viewed / "etc").mkdir()
        assert await world.files.changes(world.c) == [{"Path": "/etc", "Kind": 0}, {"Path": "/etc/hello", "Kind": 1}]
        empty = container(2)
        world.snapshots.prepare(empty.id, ())
        assert await world.files.changes(empty) is None

    inside(tmp_path, test)
