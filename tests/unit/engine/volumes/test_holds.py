"""Who has a volume mounted: counted, written down first, and set right after a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeRecords, run

from carrack.engine.volumes.drivers import Drivers
from carrack.engine.volumes.holds import Holds
from carrack.engine.volumes.local import LocalDriver
from carrack.engine.volumes.volume import Volume
from carrack.errors import Internal, NotFound


class FakeLocal(LocalDriver):
    """Counts instead of mounting."""

    def __init__(self) -> None:
        super().__init__(Path("/nosuch"))
        self.calls: list[tuple[Any, ...]] = []
        self.mounted_names: set[str] = set()
        self.broken: set[str] = set()

    async def mount(self, volume: Volume, holder: str) -> str:
        self.calls.append(("mount", volume.name, holder))
        if volume.name in self.broken:
            raise Internal("broken")
        self.mounted_names.add(volume.name)
        return f"/mnt/{volume.name}"

    async def unmount(self, volume: Volume, holder: str, *, last: bool) -> None:
        self.calls.append(("unmount", volume.name, holder, last))
        if volume.name in self.broken:
            raise Internal("broken")

    def mounts_of(self, names: Any) -> set[str]:
        return self.mounted_names & set(names)

    def detach(self, name: str) -> None:
        self.calls.append(("detach", name))
        self.mounted_names.discard(name)


ONE, TWO = (Volume(name, 1, options={"type": "tmpfs", "device": "tmpfs"}) for name in ("one", "two"))


class World:
    def __init__(self) -> None:
        self.records, self.local = FakeRecords(), FakeLocal()
        self.holds = self.open()

    def open(self) -> Holds:
        records: Any = self.records
        holds = Holds(records, Drivers(self.local))
        holds.load()
        return holds


def test_counted_and_the_last_is_told() -> None:
    async def main() -> None:
        world = World()
        assert await world.holds.take([ONE, TWO], "a") == {"one": "/mnt/one", "two": "/mnt/two"}
        await world.holds.take([ONE], "b")
        assert world.holds.holders("one") == {"a", "b"}
        await world.holds.give_back([ONE, TWO], "a")
        await world.holds.give_back([ONE], "a")  # it has nothing any more
        await world.holds.give_back([ONE], "b")
        assert [call for call in world.local.calls if call[0] == "unmount"] == [
            ("unmount", "one", "a", False),
            ("unmount", "two", "a", True),
            ("unmount", "one", "b", True),
        ]
        assert world.records.rows["setting"] == {}

    run(main)


def test_all_or_none() -> None:
    async def main() -> None:
        world = World()
        world.local.broken = {"two"}
        with pytest.raises(Internal, match="broken"):
            await world.holds.take([ONE, TWO], "a")
        assert world.local.calls[-2:] == [("unmount", "one", "a", True), ("unmount", "two", "a", True)]
        assert world.records.rows["setting"] == {}

    run(main)


def test_after_a_crash_those_who_run_keep_what_they_have() -> None:
    async def main() -> None:
        world = World()
        await world.holds.take([ONE], "runs")
        await world.holds.take([ONE, TWO], "died")
        holds = world.open()
        world.local.calls.clear()
        await holds.restore([ONE, TWO], {"runs"})
        assert sorted(world.local.calls) == [
            ("detach", "two"),
            ("unmount", "one", "died", False),
            ("unmount", "two", "died", True),
        ]
        assert holds.holders("one") == {"runs"}
        assert holds.holders("two") == set()

    run(main)


def test_dropped_for_everybody() -> None:
    async def main() -> None:
        world = World()
        await world.holds.take([ONE], "a")
        await world.holds.take([ONE], "b")
        await world.holds.drop(ONE)
        assert [call[3] for call in world.local.calls if call[0] == "unmount"] == [False, True]

    run(main)


def test_a_driver_that_is_gone_keeps_nobody_from_leaving() -> None:
    async def main() -> None:
        world = World()
        far = Volume("far", 1, driver="plug")
        with pytest.raises(NotFound, match='plugin "plug" not found'):
            await world.holds.take([far], "a")
        assert world.records.rows["setting"] == {}

    run(main)


def test_what_is_taken_meanwhile_stands() -> None:
    """A container that its restart policy brings back takes up the hold that it had before the crash."""

    async def main() -> None:
        world = World()
        await world.holds.take([ONE], "again")
        holds = world.open()
        await holds.take([ONE], "again")
        world.local.calls.clear()
        await holds.restore([ONE], set())
        assert world.local.calls == []
        assert holds.holders("one") == {"again"}

    run(main)


def test_a_driver_that_is_away_is_told_later() -> None:
    async def main() -> None:
        world = World()
        records: Any = world.records
        await world.holds._save("far", {"a"})
        far = Volume("far", 1, driver="plug")
        await world.holds.give_back([far], "a")
        assert world.open().holders("far") == {"a"}
        await world.holds.drop(far)
        assert records.rows["setting"] == {}

    run(main)


def test_an_unreadable_record_of_a_hold_is_passed_over() -> None:
    async def main() -> None:
        world = World()
        await world.holds.take([ONE], "a")
        world.records.rows["setting"]["volume-held/two"] = ("volume-held/two", "null")
        assert world.open().holders("one") == {"a"}
        assert world.open().holders("two") == set()

    run(main)
