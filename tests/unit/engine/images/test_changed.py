"""Changes in a spool, by a worker and without one: the same bytes."""

from __future__ import annotations

import asyncio
import hashlib
from functools import partial
from pathlib import Path

import pytest
from tests.suites import tarballs, uppers

from carrack.engine.images.changed import Pack, pack_by, pack_here, spool_changes
from carrack.storage.content import ContentStore
from carrack.storage.jobs import Workers, WorkerSettings
from carrack.storage.walk import opened


def filled(folder: Path, content: ContentStore, pack: Pack, room: int = 4096) -> tuple[str, bytes]:
    async def run() -> tuple[str, bytes]:
        with content.ingest(room) as spool:
            await spool_changes(partial(opened, folder), spool, pack, None, still=True)
            blob = spool.finish()
            with spool.open() as file:
                data = file.read()
            assert len(data) == blob.size
            return blob.digest, data

    return asyncio.run(run())


@pytest.mark.parametrize("room", [0, 4096])
def test_by_a_worker_and_here(tmp_path: Path, room: int) -> None:
    folder, content = tmp_path / "upper", ContentStore(tmp_path / "content")
    uppers.fill(folder)
    (folder / "d/.wh.dir").rmdir()

    async def pack(*arguments: object) -> None:
        workers = Workers(WorkerSettings("erofs", tmp_path / "root", tmp_path / "content"))
        try:
            await pack_by(workers)(*arguments)  # type: ignore[arg-type]
        finally:
            await workers.close()

    digest, data = filled(folder, content, pack_here, room)
    assert filled(folder, content, pack, room) == (digest, data)
    assert digest == "sha256:" + hashlib.sha256(data).hexdigest()
    assert data == uppers.agreed(folder)


def test_nothing_needs_no_worker(tmp_path: Path) -> None:
    async def never(*arguments: object) -> None:
        raise AssertionError

    (tmp_path / "upper").mkdir()
    _, data = filled(tmp_path / "upper", ContentStore(tmp_path / "content"), never)
    assert data == tarballs.END


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        filled(tmp_path / "gone", ContentStore(tmp_path / "content"), pack_here)
