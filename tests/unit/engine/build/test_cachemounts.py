"""Cache mounts."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from carrack.dockerfile.mounts import Mount
from carrack.engine.build import cachemounts
from carrack.engine.build.cachemounts import CacheMounts


async def ready(folder: Path) -> None:
    """Prepares nothing."""


def test_one_folder_for_one_id(tmp_path: Path) -> None:
    made = []

    async def prepare(folder: Path) -> None:
        made.append(folder)

    async def run() -> None:
        caches = CacheMounts(tmp_path)
        async with (
            caches.take(Mount("cache", "/c", id="a"), prepare) as first,
            caches.take(Mount("cache", "/d", id="a"), prepare) as second,
        ):
            assert first == second
            assert len(made) == 1
        async with caches.take(Mount("cache", "/c"), prepare) as other:
            assert other != first

    asyncio.run(run())
    assert len(made) == 2


def test_private_ones_are_apart_while_in_use(tmp_path: Path) -> None:
    async def run() -> None:
        caches, mount = CacheMounts(tmp_path), Mount("cache", "/c", sharing="private")
        async with caches.take(mount, ready) as first, caches.take(mount, ready) as second:
            assert first != second
        async with caches.take(mount, ready) as again:
            assert again == first

    asyncio.run(run())


def test_locked_ones_wait_and_never_for_each_other(tmp_path: Path) -> None:
    async def run() -> None:
        caches = CacheMounts(tmp_path)
        one, two = (Mount("cache", "/c", id=name, sharing="locked") for name in "ab")
        order = []

        async def use(name: str, *mounts: Mount) -> None:
            async with caches.locked(mounts):
                order.append(f"{name} in")
                await asyncio.sleep(0.01)
                order.append(f"{name} out")

        await asyncio.wait_for(asyncio.gather(use("a", one, two, one), use("b", two, one)), 5)
        assert order == ["a in", "a out", "b in", "b out"]

    asyncio.run(run())


def test_cve_2024_9675_an_id_is_no_path(tmp_path: Path) -> None:
    async def run() -> None:
        caches = CacheMounts(tmp_path / "root")
        for name in ("../../escape", "/etc", "a\0b", "x" * 5000):
            async with caches.take(Mount("cache", "/c", id=name), ready) as place:
                assert place.resolve().is_relative_to((tmp_path / "root").resolve())

    asyncio.run(run())
    assert os.listdir(tmp_path) == ["root"]


def test_cve_2024_23651_nobody_has_a_cache_that_is_being_filled(tmp_path: Path) -> None:
    async def run() -> None:
        caches, mount = CacheMounts(tmp_path), Mount("cache", "/c")
        filling, go_on = asyncio.Event(), asyncio.Event()

        async def prepare(folder: Path) -> None:
            filling.set()
            await go_on.wait()
            (folder / "f").write_text("whole")

        async def use() -> str:
            async with caches.take(mount, prepare) as place:
                return (place / "f").read_text()

        async with asyncio.TaskGroup() as group:
            both = [group.create_task(use()) for _ in range(2)]
            await filling.wait()
            await asyncio.sleep(0.05)
            assert list(tmp_path.glob("*/*/files")) == []
            go_on.set()
        assert [each.result() for each in both] == ["whole", "whole"]

    asyncio.run(run())


def test_a_cache_that_could_not_be_filled_is_not_there(tmp_path: Path) -> None:
    async def run() -> None:
        caches, mount = CacheMounts(tmp_path), Mount("cache", "/c")

        async def prepare(folder: Path) -> None:
            (folder / "half").write_text("x")
            raise OSError("no space")

        with pytest.raises(OSError, match="no space"):
            async with caches.take(mount, prepare):
                pass
        async with caches.take(mount, ready) as place:
            assert os.listdir(place) == []

    asyncio.run(run())


def test_kept_and_removed(tmp_path: Path) -> None:
    async def run() -> None:
        caches = CacheMounts(tmp_path)
        async with caches.take(Mount("cache", "/c", id="a"), ready) as place:
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
