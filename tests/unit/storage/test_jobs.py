from __future__ import annotations

import asyncio
import gzip
import hashlib
import os
import signal
from pathlib import Path

import pytest
from tests.suites.tarballs import END, file

from carrack.errors import Internal, InvalidArgument
from carrack.storage.apply import Expected
from carrack.storage.content import ContentStore
from carrack.storage.jobs import WorkerSettings, apply_layer
from carrack.storage.snapshots.probe import layer_store

ARCHIVE = file(b"a", b"x" * 100_000) + END


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return WorkerSettings("erofs", tmp_path / "root", tmp_path / "content")


def files(path: Path) -> list[str]:
    return [str(found) for found in path.rglob("*") if found.is_file()]


def feed(settings: WorkerSettings, data: bytes, expected: Expected | None = None) -> object:
    async def run() -> object:
        source, sink = os.pipe()
        os.set_blocking(source, False)
        job = asyncio.to_thread(_write, sink, data)
        try:
            applied, _ = await asyncio.gather(apply_layer(settings, source, expected), job)
            return applied
        finally:
            os.close(source)

    return asyncio.run(run())


def _write(sink: int, data: bytes) -> None:
    with open(sink, "wb") as file_object:
        file_object.write(data)


def test_a_layer_through_a_pipe(settings: WorkerSettings) -> None:
    blob = gzip.compress(ARCHIVE)
    applied = feed(settings, blob)
    diff_id = "sha256:" + hashlib.sha256(ARCHIVE).hexdigest()
    assert layer_store("erofs", settings.root).layers() == [diff_id]
    assert ContentStore(settings.root.parent / "content").has(getattr(applied, "blob_digest", ""))


def test_refusals_come_back_as_what_they_are(settings: WorkerSettings, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="checksum"):
        feed(settings, b"no archive at all" * 99)
    with pytest.raises(InvalidArgument, match="digest"):
        feed(settings, ARCHIVE, Expected(digest="sha256:" + "0" * 64))
    not_for_reading = os.open("/dev/null", os.O_WRONLY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        asyncio.run(apply_layer(settings, not_for_reading))
    os.close(not_for_reading)
    assert files(tmp_path) == []


def test_a_dead_worker_is_our_fault(settings: WorkerSettings) -> None:
    broken = WorkerSettings("unheard-of", settings.root)
    with pytest.raises(Internal, match="unheard-of"):
        feed(broken, b"")


def test_cancelling_stops_the_worker_and_leaves_nothing(settings: WorkerSettings, tmp_path: Path) -> None:
    async def run() -> None:
        source, sink = os.pipe()
        try:
            async with asyncio.TaskGroup() as group:
                job = group.create_task(apply_layer(settings, source))
                os.write(sink, ARCHIVE[:60_000])
                while not files(tmp_path):  # noqa: ASYNC110 - another process makes them
                    await asyncio.sleep(0.01)
                job.cancel()
        finally:
            os.close(source)
            os.close(sink)

    asyncio.run(run())
    assert files(tmp_path) == []


def test_a_killed_worker_says_so_and_leaves_nothing(settings: WorkerSettings, tmp_path: Path) -> None:
    async def run() -> None:
        source, sink = os.pipe()
        try:
            job = asyncio.get_running_loop().create_task(apply_layer(settings, source))
            os.write(sink, ARCHIVE[:60_000])
            while not files(settings.root):  # noqa: ASYNC110 - another process makes them
                await asyncio.sleep(0.01)
            os.kill(_child(), signal.SIGKILL)
            with pytest.raises(Internal, match=r"killed by SIGKILL; .* try again"):
                await job
        finally:
            os.close(source)
            os.close(sink)

    settings = WorkerSettings(settings.driver, settings.root)
    asyncio.run(run())
    assert files(tmp_path) == []
    assert list((settings.root / "erofs" / "ingest").iterdir()) == []


def _child() -> int:
    """The worker among our children."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = [pid for task in tasks for pid in task.read_text().split()]
    return next(int(pid) for pid in pids if b"storage.worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
