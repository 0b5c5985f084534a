"""Parked slots: taken, refilled, thrown away; the zygote behind them started again."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fakes.containers import FakeSlot, run, settle

from carrack.engine.containers import slots as module
from carrack.engine.containers.slots import SlotPool
from carrack.engine.jobs import Jobs
from carrack.errors import Unavailable
from carrack.oci.runtime_spec import IdMapping, Spec
from carrack.shim.client import SlotPlan, Zygote, ZygoteSettings

USUAL = ("mount", "network", "pid")
STAGE: Spec = {"mounts": []}


class FakeZygote:
    pid = 5

    def __init__(self) -> None:
        self.exited: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.plans: list[SlotPlan] = []
        self.slots: list[FakeSlot] = []
        self.closed = False

    async def slot(self, plan: SlotPlan) -> FakeSlot:
        await asyncio.sleep(0)
        self.plans.append(plan)
        self.slots.append(FakeSlot())
        return self.slots[-1]

    async def close(self) -> None:
        self.closed = True


class World:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, size: int, named: bool = False) -> None:
        self.zygotes: list[FakeZygote] = []
        self.cables = 0
        self.parking: Exception | None = None
        self.jobs = Jobs()
        monkeypatch.setattr(module, "REFILL_PAUSE", 0)
        monkeypatch.setattr(Zygote, "start", self._start)
        park: Any = self._park
        self.pool = SlotPool(ZygoteSettings("/run/x", "/carrack"), park, USUAL, size, self.jobs, STAGE, named=named)

    async def _start(self, settings: ZygoteSettings) -> FakeZygote:
        await asyncio.sleep(0)
        self.zygotes.append(FakeZygote())
        return self.zygotes[-1]

    async def _park(self, slot: object) -> str:
        if self.parking is not None:
            raise self.parking
        self.cables += 1
        return "cable"

    async def take(self, *changes: Any, identity: str = "") -> Any:
        wanted = changes or (USUAL, {}, "/carrack")
        return await self.pool.take(*wanted, identity=identity)


def inside(
    monkeypatch: pytest.MonkeyPatch, size: int, test: Callable[[World], Awaitable[None]], named: bool = False
) -> None:
    async def main() -> None:
        world = World(monkeypatch, size, named)
        await test(world)
        await world.pool.close()
        await world.jobs.close()

    run(main)


def test_the_resolvers_sockets_are_parked_with_the_cable_and_go_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        made = []

        async def answer(slot: object) -> list[int]:
            made.append(os.open("/dev/null", os.O_RDONLY))
            return made[-1:]

        world.pool._answer = answer
        await world.pool.open()
        await refilled()
        parked = await world.take()
        assert parked.names == tuple(made[:1])
        other = await world.take(USUAL, {}, "/carrack", False)
        assert other.names == ()
        await world.pool.answer(other)
        assert len(other.names) == 1
        await world.pool.answer(other)
        other.let_go()
        parked.let_go()
        parked.let_go()
        await world.pool.close()
        for fd in made:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)

    inside(monkeypatch, 1, test)


async def refilled() -> None:
    for _ in range(5):
        await asyncio.sleep(0.001)
        await settle()


def test_the_usual_slot_is_there_already_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        await world.pool.open()
        await refilled()
        [zygote] = world.zygotes
        assert len(zygote.slots) == 2
        taken = await world.take()
        assert taken.slot is zygote.slots[0]
        assert taken.veth == "cable"
        await refilled()
        assert len(zygote.slots) == 3
        await world.pool.close()
        assert [s.discarded for s in zygote.slots] == [False, True, True]
        assert zygote.closed

    inside(monkeypatch, 2, test)


def test_other_wishes_are_made_on_the_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        await world.pool.open()
        await refilled()
        zygote = world.zygotes[0]
        wishes: list[tuple[Any, ...]] = [
            (("mount", "pid"), {}, "/carrack"),
            (USUAL, {"pid": 9}, "/carrack"),
            (USUAL, {}, "/other"),
            (USUAL, {}, "/carrack", False),
        ]
        for wanted in wishes:
            before = world.cables
            parked = await world.take(*wanted)
            assert parked.slot is zygote.slots[-1]
            assert (zygote.plans[-1].namespaces, dict(zygote.plans[-1].join)) == wanted[:2]
            assert zygote.plans[-1].cgroup_parent == wanted[2]
            assert (zygote.plans[-1].stage is not None) == (wanted[0] == USUAL and not wanted[1])
            assert (parked.veth is not None) == (world.cables > before) == ("network" in wanted[0] and len(wanted) == 3)
        assert not zygote.slots[0].discarded

    inside(monkeypatch, 1, test)


def test_one_more_of_another_kind_is_parked_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE_OTHERS", 1.0)

    async def test(world: World) -> None:
        await world.pool.open()
        await refilled()
        zygote = world.zygotes[0]
        first = await world.take(USUAL, {}, "/carrack", False)
        assert first.slot is zygote.slots[-1]
        await refilled()
        another = zygote.slots[-1]
        assert another is not first.slot
        second = await world.take(USUAL, {}, "/carrack", False)
        assert second.slot is another
        assert second.veth is None
        await refilled()
        third = zygote.slots[-1]
        assert third is not another
        async with asyncio.timeout(20):
            while not third.discarded:  # noqa: ASYNC110 - of something that tells nobody
                await asyncio.sleep(0.01)
        assert not any(slot.discarded for slot in zygote.slots[:2])
        count = len(zygote.slots)
        await world.take()
        await refilled()
        assert len(zygote.slots) == count + 1  # the usual one only

    inside(monkeypatch, 2, test)


def test_a_parked_slot_with_a_cable_is_no_slot_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        await world.pool.open()
        await refilled()
        parked = list(world.zygotes[0].slots)
        assert (await world.take(USUAL, {}, "/carrack", False)).slot not in parked
        assert (await world.take(("mount",), {}, "/carrack")).slot not in parked

    inside(monkeypatch, 2, test)


def test_a_slot_that_was_lost_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        await world.pool.open()
        await refilled()
        first = world.zygotes[0].slots[0]
        first.lost.set_result(None)
        assert (await world.take()).slot is not first

    inside(monkeypatch, 1, test)


def test_a_zygote_that_ended_is_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: World) -> None:
        await world.pool.open()
        await world.take()
        world.zygotes[0].exited.set_result(None)
        await asyncio.gather(world.take(), world.take())
        assert len(world.zygotes) == 2

    with caplog.at_level(logging.WARNING):
        inside(monkeypatch, 0, test)
    assert caplog.text.count("has ended; starting another") == 1


def test_a_slot_without_its_cable_is_thrown_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(world: World) -> None:
        world.parking = OSError("no more interfaces")
        await world.pool.open()
        await refilled()
        with pytest.raises(OSError, match="no more interfaces"):
            await world.take()
        assert all(slot.discarded for slot in world.zygotes[0].slots)
        world.parking = None
        assert (await world.take()).veth == "cable"

    with caplog.at_level(logging.WARNING):
        inside(monkeypatch, 1, test)
    assert "cannot park a slot: no more interfaces" in caplog.text


def test_an_idle_pool_keeps_nothing_and_wakes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IDLE", 0.01)

    async def test(world: World) -> None:
        await world.pool.open()
        await refilled()
        await asyncio.sleep(0.05)
        assert world.zygotes[0].slots[0].discarded
        parked = await world.take()
        assert not parked.slot.discarded
        await refilled()
        assert len(world.zygotes[0].slots) == 3

    inside(monkeypatch, 1, test)


def test_a_container_finds_the_slot_that_bears_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        await world.pool.open()
        await refilled()
        zygote = world.zygotes[0]
        names = [plan.name for plan in zygote.plans]
        assert all(len(name) == 64 for name in names)
        first, second = world.pool.identity(USUAL, True), world.pool.identity(USUAL, True)
        assert [first, second] == names
        assert world.pool.identity(USUAL, True) is None
        assert world.pool.identity(("mount",), False) is None
        assert (await world.take(identity=second or "")).slot is zygote.slots[1]
        other = await world.take(identity="f" * 64)  # not the promised one
        assert other.slot is zygote.slots[2]
        assert zygote.plans[2].name == ""
        await refilled()
        assert len(zygote.slots) == 5  # two more, beside the one that is promised still
        assert (await world.take(identity="e" * 64)).slot is zygote.slots[3]
        assert (await world.take(identity=first or "")).slot is zygote.slots[0]

    inside(monkeypatch, 2, test, named=True)


def test_a_promised_slot_that_nobody_comes_for_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROMISE", 0)

    async def test(world: World) -> None:
        await world.pool.open()
        await refilled()
        zygote = world.zygotes[0]
        promised = world.pool.identity(USUAL, True)
        leave, asked = asyncio.Event(), zygote.slots[0].discard

        async def slow() -> None:
            await leave.wait()
            await asked()

        zygote.slots[0].discard = slow  # type: ignore[method-assign]
        await world.take(identity="f" * 64)
        await refilled()
        late = asyncio.ensure_future(world.take(identity=promised or ""))  # noqa: TID251 - awaited below
        await refilled()
        assert not late.done()  # its cgroup is not free yet
        leave.set()
        assert (await late).slot is not zygote.slots[0]
        assert zygote.slots[0].discarded

    inside(monkeypatch, 1, test, named=True)


def test_a_closed_pool_makes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        await world.pool.open()
        await world.pool.close()
        with pytest.raises(Unavailable, match="the daemon is stopping"):
            await world.take()

    inside(monkeypatch, 0, test)


def test_what_is_made_while_the_pool_closes_is_thrown_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        await world.pool.open()
        while not world.zygotes or not world.zygotes[0].plans:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        await world.pool.close()
        await refilled()
        assert all(slot.discarded for slot in world.zygotes[0].slots)

    inside(monkeypatch, 1, test)


def test_new_user_namespaces_have_the_map_and_others_none(monkeypatch: pytest.MonkeyPatch) -> None:
    extents: tuple[IdMapping, ...] = ({"containerID": 0, "hostID": 7, "size": 3},)

    async def test(world: World) -> None:
        world.pool._maps = {"uid_map": extents, "gid_map": extents}
        await world.take(("mount", "user"), {}, "/carrack")
        await world.take(("mount",), {}, "/carrack")
        assert [plan.uid_map for plan in world.zygotes[0].plans[:2]] == [extents, ()]

    inside(monkeypatch, 0, test)
