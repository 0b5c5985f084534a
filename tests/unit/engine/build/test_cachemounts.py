"""Cache mounts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from carrack.dockerfile.mounts import Mount
from carrack.engine.build import cachemounts
from carrack.engine.build.cachemounts import CacheMounts


def test_one_folder_for_one_id(tmp_path: Path) -> None:
    async def run() -> None:
        caches = CacheMounts(tmp_path)
        async with (
            caches.take(Mount("cache", "/c", id="a")) as (first, new),
            caches.take(Mount("cache", "/d", id="a")) as (second, again),
        ):
            assert first == second
            assert (new, again) == (True, False)
        async with caches.take(Mount("cache", "/c")) as (other, _):
            assert other != first

    asyncio.run(run())


def test_private_ones_are_apart_while_in_use(tmp_path: Path) -> None:
    async def run() -> None:
        caches, mount = CacheMounts(tmp_path), Mount("cache", "/c", sharing="private")
        async with caches.take(mount) as (first, _), caches.take(mount) as (second, new):
            assert first != second
            assert new
        async with caches.take(mount) as (again, new):
            assert (again, new) == (first, False)

    asyncio.run(run())


def test_locked_ones_wait(tmp_path: Path) -> None:
    async def run() -> None:
        caches, mount = CacheMounts(tmp_path), Mount("cache", "/c", sharing="locked")
        order = []

        async def use(name: str) -> None:
            async with caches.take(mount):
                order.append(f"{name} in")
                await asyncio.sleep(0)
                order.append(f"{name} out")

        await asyncio.gather(use("a"), use("b"))
        assert order == ["a in", "a out", "b in", "b out"]

    asyncio.run(run())


def test_cve_2024_9675_an_id_is_no_path(tmp_path: Path) -> None:
    async def run() -> None:
        caches = CacheMounts(tmp_path / "root")
        for name in ("../../escape", "/etc", "a\0b", "x" * 5000):
            async with caches.take(Mount("cache", "/c", id=name)) as (place, _):
                assert place.resolve().is_relative_to((tmp_path / "root").resolve())

    asyncio.run(run())
    assert os.listdir(tmp_path) == ["root"]


def test_kept_and_removed(tmp_path: Path) -> None:
    async def run() -> None:
        caches = CacheMounts(tmp_path)
        async with caches.take(Mount("cache", "/c", id="a")) as (place, _):
            (place / "f").write_bytes(b"x" * 1000)
            (kept,) = caches.kept()
            assert (kept.id, kept.size, kept.in_use) == ("a", 1000, True)
            assert not caches.remove(kept)
        (kept,) = caches.kept()
        assert caches.remove(kept)
        assert caches.kept() == []

    asyncio.run(run())


def test_looks(tmp_path: Path) -> None:
    cachemounts.dress(tmp_path, Mount("cache", "/c", mode=0o700, uid=5, gid=6))
    found = tmp_path.stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == (0o700, 5, 6)


def test_fill(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from/f").write_text("x")
    (tmp_path / "to").mkdir()
    fd = os.open(tmp_path / "from", os.O_PATH | os.O_DIRECTORY)
    cachemounts.fill(fd, tmp_path / "to")
    os.close(fd)
    assert (tmp_path / "to/f").read_text() == "x"
