"""Every step of a container's life fails once, or the daemon dies there: what is left is whole, and works.

Steps are what the engine asks of its neighbours (records, bridge, slots, snapshots), and its own changes of the disk,
seen by Python's audit hook. The first step fails, then the second, and so on, until nothing is left to fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import sys
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeShim, settle
from tests.fakes.engine import World

from carrack.engine.containers.record import Container
from carrack.errors import CarrackError
from carrack.storage.records import Records

DISK = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "os.scandir"})
NEIGHBOURS = {
    "records": ["write"],
    "fabric": ["connect", "publish", "disconnect"],
    "slots": ["take"],
    "snapshots": ["prepare", "mount", "remove", "upper"],
    "volumes": ["create", "remove"],
}
BODY = {
    "Volumes": {"/anonymous": {}},
    "ExposedPorts": {"80/tcp": {}},
    "HostConfig": {"NetworkMode": "bridge", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}, "Binds": ["named:/n"]},
}
KILLED = 9


class Steps:
    """Counts while it is armed, and calls ``act`` at one of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self.armed = False
        self.seen = 0
        self.at = 0
        self.name = ""
        self.act: Callable[[], None] = lambda: None

    def __call__(self, name: str) -> None:
        if not self.armed:
            return
        self.seen += 1
        if self.seen == self.at:
            self.name = name
            self.act()

    def audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        path = str(arguments[0]) if arguments else ""
        if event in DISK and (path.startswith(self._folder) or not path.startswith("/")):
            self(f"{event} {path}")

    def watch(self, world: World) -> None:
        """Count what the engine asks of its neighbours."""
        for neighbour, methods in NEIGHBOURS.items():
            target = getattr(world, neighbour)
            for method in methods:
                setattr(target, method, self._counted(f"{neighbour}.{method}", getattr(target, method)))

    def _counted(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        if asyncio.iscoroutinefunction(work):

            @wraps(work)
            async def later(*arguments: Any, **options: Any) -> Any:
                if name == "fabric.disconnect":  # it goes on after every failure of its parts
                    await work(*arguments, **options)
                self(name)
                return await work(*arguments, **options)

            return later

        @wraps(work)
        def now(*arguments: Any, **options: Any) -> Any:
            self(name)
            return work(*arguments, **options)

        return now


_current: list[Steps] = []


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _current:
        _current[0].audit(event, arguments)


sys.addaudithook(_hook)  # it cannot be taken out again, and does nothing while there is nobody to tell


async def nothing(world: World) -> None:
    """No preparation."""


async def created(world: World) -> None:
    await world.create("web", BODY)


async def running(world: World) -> None:
    await world.started("web", BODY)


async def ended(world: World) -> None:
    c, shim = await world.started("web", BODY)
    shim.end(3)
    await c.left()
    await settle()


async def create(world: World) -> None:
    await world.create("web", BODY)


async def start(world: World) -> None:
    await world.lifecycle.start(world.store.find("web"))


async def stop(world: World) -> None:
    await world.lifecycle.stop(world.store.find("web"), timeout=1)


async def rename(world: World) -> None:
    await world.changes.rename(world.store.find("web"), "other")


async def pause(world: World) -> None:
    await world.lifecycle.pause(world.store.find("web"))


async def update(world: World) -> None:
    await world.changes.update(world.store.find("web"), {"CpuShares": 512})


async def remove(world: World) -> None:
    await world.remover.remove(world.store.find("web"), kill=world.lifecycle.kill, force=True, volumes=True)


Scene = tuple[Callable[[World], Awaitable[None]], Callable[[World], Awaitable[None]]]
SCENES: dict[str, Scene] = {
    "create": (nothing, create),
    "start": (created, start),
    "start again": (ended, start),
    "stop": (running, stop),
    "rename": (created, rename),
    "pause": (running, pause),
    "update": (running, update),
    "remove": (created, remove),
    "remove a running one": (running, remove),
}


def whole(world: World, folder: Path) -> list[str]:
    """What does not fit together."""
    wrong = []
    ids = {c.id for c in world.store}
    alive = {c.id for c in world.store if c.shim is not None and not c.shim.exited.done()}
    said = {c.id for c in world.store if c.state.status in ("running", "paused")}
    places = {
        "running by its state": (said, alive),
        "on the bridge": (set(world.fabric.connected), alive),
        "snapshots": (set(world.snapshots.keys()), ids),
        "data directories": (set(os.listdir(folder / "data/containers")), ids),
        "names": (set(world.store.names.values()), ids),
    }
    for what, (there, right) in places.items():
        if there != right:
            wrong.append(f"{what}: {len(there - right)} too many, {len(right - there)} missing")
    run = folder / "run/containers"
    if not alive >= set(os.listdir(run) if run.is_dir() else ()):
        wrong.append("a run directory is left")
    used: set[FakeShim] = {world.shim(c) for c in world.store if c.shim is not None}
    for slot in world.slots.given:
        over = bool(slot.shims) and all(shim.exited.done() or shim in used for shim in slot.shims)
        if not (slot.discarded or over):
            wrong.append("a slot is left")
    return wrong


async def fail_once(folder: Path, scene: Scene, at: int, kind: str) -> tuple[bool, list[str]]:
    """Whether there was a step of that number, and what was wrong after it failed, or was cancelled there."""
    world, steps = World(folder), Steps(folder)
    (folder / "data/containers").mkdir(parents=True)
    steps.watch(world)
    prepare, act = scene
    await prepare(world)
    loop = asyncio.get_running_loop()
    work: asyncio.Task[None] = loop.create_task(_done(act(world)))
    steps.at, steps.act = at, _fail if kind == "failed" else lambda: _cancel(loop, work)
    _current.append(steps)
    steps.armed = True
    await asyncio.wait({work}, timeout=10)
    steps.armed = False
    _current.clear()
    wrong = [] if work.done() else [f"{steps.name}: it hangs"]
    await at_rest(world)
    wrong += [f"{steps.name}: {text}" for text in whole(world, folder) if text not in excused(steps.name, kind)]
    left = whole(world, folder)
    left += excused(steps.name, kind)
    wrong += [text for text in await still_works(world, folder, steps.name) if not text.endswith(tuple(left) or "?")]
    await world.close()
    return steps.seen >= at, wrong


async def _done(work: Awaitable[None]) -> None:
    with contextlib.suppress(OSError, CarrackError):
        await work


def _fail() -> None:
    raise OSError(errno.EIO, "Input/output error")


def _cancel(loop: asyncio.AbstractEventLoop, work: asyncio.Task[None]) -> None:
    loop.call_soon_threadsafe(work.cancel)  # the step may be one of another thread


def excused(step: str, kind: str) -> set[str]:
    """What may be left until the daemon starts again: what could not be removed, or what a thread went on to make when
    its request was cancelled, which is when the daemon stops."""
    making = "" if kind == "cancelled" else "snapshots"
    left = {"a run directory is left"} if "run/containers" in step or kind == "cancelled" else set()
    if making in step:
        left |= {f"{what}: 1 too many, 0 missing" for what in ("snapshots", "data directories")}
    return left


async def at_rest(world: World) -> None:
    """Let sweeps in the background finish; those who follow a running container do not."""
    await settle()
    while left := {task for task in world.jobs._tasks if task.get_name().startswith(("sweep", "leave"))}:
        await asyncio.wait(left)
    await asyncio.sleep(0.002)
    for c in world.store:
        await c.left()


async def still_works(world: World, folder: Path, name: str) -> list[str]:
    """The same container can be made, started and removed now, and then nothing of it is left."""
    found = list(world.store)
    c = found[0] if found else await world.create("web", BODY)
    if c.state.status not in ("running", "paused"):
        await world.lifecycle.start(c)
    await world.remover.remove(c, kill=world.lifecycle.kill, force=True, volumes=True)
    await at_rest(world)
    wrong = [f"{name}, removed: {text}" for text in whole(world, folder)]
    return wrong + ([f"{name}: it is still there"] if len(world.store) else [])


@pytest.mark.parametrize("kind", ["failed", "cancelled"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_step_that_fails_leaves_a_whole_that_works(tmp_path: Path, scene: str, kind: str) -> None:
    wrong: list[str] = []
    for at in range(1, 200):
        folder = tmp_path / str(at)
        folder.mkdir()
        more, found = asyncio.run(fail_once(folder, SCENES[scene], at, kind))
        wrong += found
        if not more:
            break
    assert wrong == []
    assert at > 1, "there was nothing to fail"


def die_once(folder: Path, scene: Scene, at: int) -> bool:
    """A daemon that is killed at a step; whether there was one of that number."""
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(_live(folder, scene, at))
        finally:
            os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, KILLED)
    return code == KILLED


async def _live(folder: Path, scene: Scene, at: int) -> None:
    world, steps = World(folder), Steps(folder)
    (folder / "data/containers").mkdir(parents=True)
    records = Records(folder / "meta.db")
    records.start()
    give_records(world, records)
    steps.watch(world)
    prepare, act = scene
    await prepare(world)
    steps.at, steps.act = at, lambda: os._exit(KILLED)
    _current.append(steps)
    steps.armed = True
    await act(world)
    await at_rest(world)


def give_records(world: World, records: Records) -> None:
    """Records on disk in place of those in memory."""
    fakes: Any = world
    fakes.records = fakes.store._records = fakes.volumes._records = records


async def come_back(folder: Path) -> list[str]:
    """The next daemon: no shim is alive any more, as after a power cut."""
    world = World(folder)
    records = Records(folder / "meta.db")
    records.start()
    give_records(world, records)
    world.store.load()
    world.volumes.load()
    await world.restore()
    kept = {c.id for c in world.store}
    for directory in world.supervisor.garbage(kept):
        await asyncio.to_thread(_remove, directory)
    for key in set(world.snapshots.keys()) - kept:
        world.snapshots.remove(key)
    await at_rest(world)
    for c in world.store:
        if c.id not in world.snapshots.keys():  # noqa: SIM118 - no dictionary
            world.snapshots.prepare(c.id, c.layers)  # as rootfs.open_root does
    wrong = whole(world, folder)
    wrong += await still_works(world, folder, "afterwards")
    await world.close()
    records.close()
    return wrong


def _remove(directory: str) -> None:
    import shutil

    shutil.rmtree(directory)


@pytest.mark.parametrize("scene", SCENES)
def test_a_daemon_killed_at_a_step_finds_a_whole_that_works(tmp_path: Path, scene: str) -> None:
    wrong: list[str] = []
    for at in range(1, 200):
        folder = tmp_path / str(at)
        folder.mkdir()
        more = die_once(folder, SCENES[scene], at)
        wrong += [f"step {at}: {text}" for text in asyncio.run(come_back(folder))]
        if not more:
            break
    assert wrong == []
    assert at > 1, "there was nothing to die at"


def test_a_container_is_known_by_one_class() -> None:
    """The scenes work on the real record, not on a stand-in."""
    assert World.create.__annotations__["return"] in (Container, "Container")
