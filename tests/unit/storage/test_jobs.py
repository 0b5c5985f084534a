from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import hashlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.suites import uppers
from tests.suites.tarballs import END, file

from carrack.errors import Internal, InvalidArgument, Unavailable
from carrack.storage.apply import Applied, Expected, Spooled
from carrack.storage.content import ContentStore
from carrack.storage.jobs import Workers, WorkerSettings
from carrack.storage.snapshots.probe import layer_store
from carrack.storage.walk import opened

ARCHIVE = file(b"a", b"x" * 100_000) + END


@pytest.fixture
def settings(tmp_path: Path) -> WorkerSettings:
    return WorkerSettings("erofs", tmp_path / "root", tmp_path / "content")


def files(path: Path) -> list[str]:
    return [str(found) for found in path.rglob("*") if found.is_file()]


def feed(settings: WorkerSettings, data: bytes, expected: Expected | None = None, resume: int | None = None) -> Applied:
    return asyncio.run(_feed(settings, data, expected, resume))


async def _feed(settings: WorkerSettings, data: bytes, expected: Expected | None, resume: int | None) -> Applied:
    workers = Workers(settings)
    try:
        return await store(workers, data, expected, resume)
    finally:
        await workers.close()


async def store(workers: Workers, data: bytes, expected: Expected | None = None, resume: int | None = None) -> Applied:
    source, sink = os.pipe()
    os.set_blocking(source, False)
    job = asyncio.to_thread(_write, sink, data)
    try:
        applied, _ = await asyncio.gather(workers.apply(source, expected, resume=resume), job)
        return applied
    finally:
        os.close(source)


def _write(sink: int, data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError), open(sink, "wb", buffering=0) as file_object:
        file_object.write(data)


def test_a_layer_through_a_pipe(settings: WorkerSettings) -> None:
    blob = gzip.compress(ARCHIVE)
    applied = feed(settings, blob)
    diff_id = "sha256:" + hashlib.sha256(ARCHIVE).hexdigest()
    assert applied.diff_id == diff_id
    assert layer_store("erofs", settings.root).layers() == [diff_id]
    assert not ContentStore(settings.content).has(applied.blob_digest)


def test_a_blob_from_a_registry_is_gone_on_with_and_kept(settings: WorkerSettings) -> None:
    blob = gzip.compress(ARCHIVE)
    content = ContentStore(settings.content)
    digest = "sha256:" + hashlib.sha256(blob).hexdigest()
    expected = Expected(digest, None, len(blob))
    with pytest.raises(Unavailable, match=f"only 50 of {len(blob)} bytes"):
        feed(settings, blob[:50], expected, 0)
    feed(settings, blob[50:], expected, 50)
    assert content.read(digest, 1 << 20) == blob
    assert files(settings.content / "partial") == []


def test_a_process_is_kept_for_the_next_layer(settings: WorkerSettings) -> None:
    async def run() -> None:
        workers = Workers(settings)
        await workers.warm()
        first = _child()
        await store(workers, ARCHIVE)
        await store(workers, file(b"b") + END)
        assert _child() == first
        os.kill(first, signal.SIGKILL)
        await _gone(first)
        await store(workers, file(b"c") + END)  # by a new one
        await workers.close()
        assert _found() == 0

    asyncio.run(run())
    assert len(layer_store("erofs", settings.root).layers()) == 3


def test_none_is_kept_for_long(settings: WorkerSettings) -> None:
    async def run() -> None:
        workers = Workers(dataclasses.replace(settings, idle=0.1, last=0.2))
        await workers.warm()
        await _gone(_found())  # it may be gone already
        await store(workers, ARCHIVE)  # by a new one
        await workers.close()

    asyncio.run(run())


def test_a_waiting_process_that_is_killed_costs_nobody_a_file(settings: WorkerSettings, tmp_path: Path) -> None:
    async def run() -> None:
        workers = Workers(settings)
        (tmp_path / "spool").write_bytes(b"room" + ARCHIVE)
        for _ in range(8):
            await workers.warm()
            os.kill(_child(), signal.SIGKILL)
            with (tmp_path / "spool").open("rb", buffering=0) as spool:
                spool.seek(4)
                await workers.apply(spool.fileno())
        await workers.close()

    asyncio.run(run())


def test_what_a_process_has_packed_it_need_not_read(settings: WorkerSettings, tmp_path: Path) -> None:
    """The layer is the one that is made from the tar, to the last byte, whoever makes it and whatever lies between."""
    uppers.fill(tmp_path / "upper")
    (tmp_path / "upper/d/.wh.dir").rmdir()

    async def store_packed(root: str, between: Callable[[Workers], Awaitable[object]] | None = None) -> bytes:
        own = dataclasses.replace(settings, root=tmp_path / root)
        workers, layers = Workers(own), layer_store("erofs", own.root)
        with (
            opened(tmp_path / "upper") as upper,
            ContentStore(settings.content).ingest(layers.room) as spool,
            spool.path.open("r+b", buffering=0) as file_object,
        ):
            fd = file_object.fileno()
            blob = await workers.pack(upper, fd, room=layers.room, newest=None, still=True)
            if between is not None:
                await between(workers)
            os.lseek(fd, layers.room, os.SEEK_SET)
            spooled = Spooled(blob.digest, blob.size, layers.room)
            applied = await workers.apply(fd, Expected(diff_id=blob.digest), spooled)
        await workers.close()
        assert (applied.diff_id, applied.tar_size) == (blob.digest, blob.size)
        (made,) = (path for path in own.root.rglob("layer.erofs") if blob.digest[7:] in str(path))
        return made.read_bytes() + (made.parent / "notes").read_bytes()

    async def kill(workers: Workers) -> None:
        os.kill(_child(), signal.SIGKILL)

    known = asyncio.run(store_packed("known"))
    assert asyncio.run(store_packed("killed", kill)) == known
    assert asyncio.run(store_packed("other", lambda workers: store(workers, file(b"o") + END))) == known


def test_packing_that_fails_says_why(settings: WorkerSettings, tmp_path: Path) -> None:
    async def run() -> None:
        workers = Workers(settings)
        with open(tmp_path / "file", "wb") as target, pytest.raises(NotADirectoryError):
            await workers.pack(target.fileno(), target.fileno(), room=0, newest=None, still=True)
        await workers.close()

    asyncio.run(run())


def test_refusals_come_back_as_what_they_are(settings: WorkerSettings, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="checksum"):
        feed(settings, b"no archive at all" * 99)
    with pytest.raises(InvalidArgument, match="digest"):
        feed(settings, ARCHIVE, Expected(digest="sha256:" + "0" * 64))
    not_for_reading = os.open("/dev/null", os.O_WRONLY)
    with pytest.raises(OSError, match="Bad file descriptor"):
        asyncio.run(Workers(settings).apply(not_for_reading))
    os.close(not_for_reading)
    assert files(tmp_path) == []


def test_a_dead_worker_is_our_fault(settings: WorkerSettings) -> None:
    broken = WorkerSettings("unheard-of", settings.root, settings.content)
    with pytest.raises(Internal, match="unheard-of"):
        feed(broken, b"")


def test_cancelling_stops_the_worker_and_leaves_nothing(settings: WorkerSettings, tmp_path: Path) -> None:
    async def run() -> None:
        source, sink = os.pipe()
        try:
            async with asyncio.TaskGroup() as group:
                job = group.create_task(Workers(settings).apply(source))
                os.write(sink, ARCHIVE[:60_000])
                while not files(tmp_path):  # noqa: ASYNC110 - another process makes them
                    await asyncio.sleep(0.01)
                job.cancel()
        finally:
            os.close(source)
            os.close(sink)

    asyncio.run(run())
    assert files(tmp_path) == []


def test_what_a_stopped_worker_had_just_made_is_swept(settings: WorkerSettings, tmp_path: Path) -> None:
    """It ends as one that has cleaned up, and the caller is cancelled again while it ends."""
    left = settings.root / settings.driver / "ingest" / "left"
    script = tmp_path / "python"
    asked = "dd bs=65536 count=1 of=/dev/null 2>/dev/null"
    script.write_text(f"#!/bin/sh\n{asked}\nmkdir -p {left}\ntrap 'exit 1' TERM\nwhile :; do sleep 0.05; done\n")
    script.chmod(0o755)

    async def run() -> None:
        source, sink = os.pipe()
        try:
            workers = Workers(dataclasses.replace(settings, python=str(script)))
            job = asyncio.get_running_loop().create_task(workers.apply(source))
            while not left.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
            for _ in range(5):
                job.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await job
        finally:
            os.close(source)
            os.close(sink)

    asyncio.run(run())
    assert not left.exists()


def test_a_killed_worker_says_so_and_leaves_nothing(settings: WorkerSettings, tmp_path: Path) -> None:
    async def run() -> None:
        source, sink = os.pipe()
        try:
            job = asyncio.get_running_loop().create_task(Workers(settings).apply(source))
            os.write(sink, ARCHIVE[:60_000])
            while not files(settings.root):  # noqa: ASYNC110 - another process makes them
                await asyncio.sleep(0.01)
            os.kill(_child(), signal.SIGKILL)
            with pytest.raises(Internal, match=r"killed by SIGKILL; .* try again"):
                await job
        finally:
            os.close(source)
            os.close(sink)

    asyncio.run(run())
    assert files(tmp_path) == []
    assert list((settings.root / "erofs" / "ingest").iterdir()) == []


def _child() -> int:
    """The worker among our children, of which there is one. A process is begun before the kernel tells its words."""
    end = time.monotonic() + 20
    while not (pid := _found()):
        assert time.monotonic() < end, "there is no worker"
        time.sleep(0.001)
    return pid


def _found() -> int:
    """The same, 0 when there is none."""
    tasks = Path("/proc/self/task").glob("*/children")
    pids = [pid for task in tasks for pid in task.read_text().split()]
    return next((int(pid) for pid in pids if b"storage.worker" in _command(pid)), 0)


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # asyncio's thread has waited for it just now
        return b""


async def _gone(pid: int) -> None:
    async with asyncio.timeout(20):
        while os.path.exists(f"/proc/{pid}"):  # noqa: ASYNC110 - it ends when it likes
            await asyncio.sleep(0.01)
