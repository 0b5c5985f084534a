"""What is remembered."""

import asyncio

import pytest
from tests.fakes.building import Workshop

from carrack.engine.build.cache import Cache, Entry, base_of
from carrack.errors import InvalidArgument

ONE = Entry("sha256:" + "1" * 64, "sha256:" + "a" * 64, ("sha256:" + "b" * 64,), "RUN x", place="p", inputs={"k": 1})
TWO = Entry("sha256:" + "2" * 64, "", ("sha256:" + "b" * 64,), "RUN y", place="p")


def test_add_find_remove(workshop: Workshop) -> None:
    async def run() -> None:
        cache = workshop.cache
        await cache.add(ONE)
        await cache.add(TWO)
        found = cache.find(ONE.key)
        assert found is not None
        assert (found.uses, found.inputs, found.layers) == (1, {"k": 1}, ("sha256:" + "b" * 64, "sha256:" + "a" * 64))
        previous = cache.previous("p")
        assert previous is not None
        assert previous.key == TWO.key
        assert set(cache.layers()) == {"sha256:" + "a" * 64, "sha256:" + "b" * 64}
        await cache.used(found)
        again = Cache(workshop.world.records)
        again.load()
        assert {entry.key for entry in again} == {ONE.key, TWO.key}
        await cache.remove([TWO])
        assert cache.find(TWO.key) is None
        assert cache.previous("p") is None
        assert cache.get("11").key == ONE.key
        with pytest.raises(InvalidArgument):
            cache.get("2")

    asyncio.run(run())


def test_an_unreadable_row_is_forgotten(workshop: Workshop) -> None:
    async def run() -> None:
        await workshop.world.records.write(lambda c: c.execute("INSERT INTO build_step VALUES ('k', 'what')"))
        workshop.cache.load()
        assert list(workshop.cache) == []

    asyncio.run(run())


def test_base_of_nothing_is_something() -> None:
    assert base_of(()).startswith("sha256:")
