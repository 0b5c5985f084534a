"""The daemon killed at every step of a load: at restart there is the whole image or none of it, and no garbage.

Steps are the calls that change the disk or the records, seen by Python's audit hook in a forked child, which ends
itself there without any clean-up, as a kill -9 would.
"""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from tests.fakes.images import World, config_for, docker_archive, oci_layout, sha, stream, tar

from carrack.errors import NotFound

BASE, TOP = tar({"etc/hosts": b"x" * 3000}), tar({"bin/app": b"y"})
CONFIG = config_for([BASE, TOP])
STEPS = frozenset({"os.rename", "os.remove", "sqlite3.connect", "os.mkdir"})
DONE, KILLED = 0, 9


def work(folder: Path, data: bytes, kill_at: int) -> None:
    """In the child: load and remove, die at step `kill_at`. A write of records counts as a step by its commit."""
    world = World(folder)
    seen = 0

    def step() -> None:
        nonlocal seen
        seen += 1
        if seen == kill_at:
            os._exit(KILLED)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in STEPS or (event == "open" and "ingest" in str(arguments[0])):
            step()

    async def run() -> None:
        await world.store.start()
        sys.addaudithook(audit)
        write = world.records.write

        async def counted(*arguments: object, **options: object) -> object:
            step()
            result: object = await write(*arguments, **options)  # type: ignore[arg-type]
            step()
            return result

        world.records.write = counted  # type: ignore[method-assign, assignment]
        await world.loader.load(stream(data))
        await world.remover.remove("app:1")

    asyncio.run(run())
    os._exit(DONE)


def killed(folder: Path, data: bytes, kill_at: int) -> bool:
    child = os.fork()
    if child == 0:
        try:
            work(folder, data, kill_at)
        finally:
            os._exit(1)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (DONE, KILLED)
    return code == KILLED


def check(folder: Path, data: bytes) -> None:
    """What must hold after any crash."""
    world = World(folder)
    (world.files.folder / "check").unlink(missing_ok=True)  # the fake worker's own temporary file
    try:
        asyncio.run(world.store.start())
        assert world.leavings() == []
        images = list(world.store)
        assert [image.id for image in images] in ([], [sha(CONFIG)])
        wanted = {diff_id for image in images for diff_id in image.diff_ids}
        assert set(world.files.layers()) == wanted
        assert all(world.layers.has(diff_id) for diff_id in wanted)
        blobs = {image.id for image in images} | {image.manifest for image in images if image.manifest}
        kept = {world.layers.get(diff_id).blob for diff_id in wanted} - {None}
        assert set(world.content.digests()) == blobs | kept
        try:
            asyncio.run(world.store.resolve("app:1"))
        except NotFound:
            assert not any(image.tags for image in images)
        asyncio.run(world.loader.load(stream(data)))
        assert asyncio.run(world.store.resolve("app:1")).id == sha(CONFIG)
    finally:
        world.close()


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_kill_at_every_step(tmp_path: Path, form: str) -> None:
    data = docker_archive([(CONFIG, [BASE, TOP], ["app:1"])])
    if form == "oci":
        data = oci_layout(CONFIG, [BASE, TOP], "app:1")
    steps = 0
    while True:
        folder = tmp_path / str(steps)
        folder.mkdir()
        steps += 1
        if not killed(folder, data, steps):
            break
        check(folder, data)
    assert steps > 20
