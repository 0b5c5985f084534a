"""Programs without a container, over fakes; with real ones in tests/cli/test_build.py."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from carrack.engine.containers import transient
from carrack.engine.containers.attach import Attachments
from carrack.engine.containers.paths import Paths
from carrack.engine.containers.record import Container
from carrack.engine.containers.transient import Transients
from carrack.engine.jobs import Jobs
from carrack.errors import InvalidArgument
from carrack.http import stdcopy
from carrack.model import container as model
from carrack.model import schema
from carrack.shim.client import Exit


class World:
    """Plays everybody; remembers what there is."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(str(folder / "data"), str(folder / "run"))
        self.attachments = Attachments()
        self.snapshots: set[str] = set()
        self.active: set[str] = set()
        self.connected: set[str] = set()
        self.refuse: Exception | None = None
        self.endless = False
        self.signals: list[int] = []
        self.jobs = Jobs()
        self.gate = Event()  # no snapshot goes before it is open
        self.gate.set()
        self.exited: asyncio.Future[Exit]
        self.released: asyncio.Future[None]

    def transient(self, body: Any, layers: Sequence[str]) -> Container:
        config = schema.check(body, model.CONFIG)
        host = schema.check({}, model.HOST_CONFIG)
        return Container(
            id="c" * 64, name="c", created=0, image="", image_id="", layers=tuple(layers), path="x", args=[],
            config=config, host_config=host, networking=schema.check({}, model.NETWORKING), transient=True,
        )  # fmt: skip

    async def start(self, c: Container) -> World:
        if self.refuse is not None:
            raise self.refuse
        os.makedirs(self.paths.run(c.id))
        loop = asyncio.get_running_loop()
        self.exited, self.released = loop.create_future(), loop.create_future()
        self.connected.add(c.id)
        ((sock, _),) = self.attachments.pending(c)
        self._sock = socket.socket(fileno=os.dup(sock.fileno()))
        self.attachments.handed_over(c)
        self._sock.sendall(stdcopy.frame(1, b"out") + stdcopy.frame(2, b"err"))
        if not self.endless:
            self._end(0)
        return self

    def _end(self, code: int) -> None:
        self._sock.close()
        self.exited.set_result(Exit(code, 0.0, False, False))
        self.released.set_result(None)

    async def signal(self, number: int) -> None:
        self.signals.append(number)
        self._end(137)

    async def close(self) -> None:
        pass

    async def disconnect(self, c: Container) -> None:
        self.connected.discard(c.id)

    def prepare(self, key: str, layers: Sequence[str], *, lasting: bool) -> None:
        assert self.active == {key}
        self.snapshots.add(key)

    def remove(self, key: str) -> None:
        self.gate.wait()
        self.snapshots.discard(key)

    @contextmanager
    def changes(self, key: str) -> Iterator[int]:
        assert key in self.snapshots
        yield 7

    async def left(self) -> list[str]:
        """All that is still there once the jobs have ended."""
        await self.jobs.drain()
        found = [*self.snapshots, *self.connected, *self.active]
        for place in (self.paths.data(""), self.paths.run("")):
            found += os.listdir(place) if os.path.isdir(place) else []
        return found

    def services(self) -> Transients:
        everybody: Any = self
        return Transients(
            everybody, everybody, self.attachments, everybody, everybody, self.paths, self.active, self.jobs
        )


def test_to_the_end(tmp_path: Path) -> None:
    async def run() -> None:
        world, said = World(tmp_path), []
        async with world.services().run({}, ["l"], [], lambda stream, data: said.append((stream, data))) as ended:
            assert ended.exit.code == 0
            with ended.changes() as fd:
                assert fd == 7
        assert said == [(1, b"out"), (2, b"err")]
        assert await world.left() == []

    asyncio.run(run())


@pytest.mark.parametrize("full", [False, True])
def test_files_go_beside_what_comes_next_unless_it_may_need_their_room(
    full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transient, "scarce", lambda _: full)

    async def run() -> None:
        world = World(tmp_path)
        world.gate.clear()

        async def go() -> None:
            async with world.services().run({}, ["l"], [], lambda *_: None):
                pass

        task = asyncio.get_running_loop().create_task(go())
        done, _ = await asyncio.wait([task], timeout=0.5 if full else 30)
        assert bool(done) is not full
        assert world.snapshots == world.active == {"c" * 64}  # it is nobody's garbage yet
        world.gate.set()
        await task
        assert await world.left() == []

    os.makedirs(tmp_path / "data")
    asyncio.run(run())


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        world = World(tmp_path)
        world.refuse = InvalidArgument("no")
        with pytest.raises(InvalidArgument, match="no"):
            async with world.services().run({}, ["l"], [], lambda *_: None):
                pass
        assert await world.left() == []

    asyncio.run(run())


def test_cancelled_it_is_killed_first(tmp_path: Path) -> None:
    async def run() -> None:
        world = World(tmp_path)
        world.endless = True
        begun = asyncio.Event()

        async def go() -> None:
            async with world.services().run({}, ["l"], [], lambda *_: begun.set()):
                pass

        task = asyncio.get_running_loop().create_task(go())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert world.signals == [9]
        assert await world.left() == []

    asyncio.run(run())


def test_cancelled_while_it_is_taken_away_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes it away waits for a thread, as all threads are busy with layers, and is not given up there."""
    monkeypatch.setattr(transient, "scarce", lambda _: True)  # else nobody waits for it

    async def run() -> None:
        world, gate, over = World(tmp_path), Event(), asyncio.Event()
        loop, main = asyncio.get_running_loop(), asyncio.current_task()
        loop.set_default_executor(ThreadPoolExecutor(1))

        async def go() -> None:
            async with world.services().run({}, ["l"], [], lambda *_: None):
                await asyncio.wait(asyncio.all_tasks() - {main, asyncio.current_task()})  # all else of it has gone
                loop.run_in_executor(None, gate.wait)
                over.set()

        task = loop.create_task(go())
        await over.wait()
        for _ in range(5):
            await asyncio.sleep(0)
            task.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await world.left() == []

    asyncio.run(run())
