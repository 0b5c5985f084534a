"""Where the resolver's sockets of a running container come from."""

from __future__ import annotations

import os
from typing import Any

import pytest
from tests.fakes.containers import FakeSlot, run
from tests.unit.network.names import seat

from carrack.engine.containers.resolving import Resolving
from carrack.errors import Unavailable


class Shim:
    """Keeps descriptors, unless it is of an earlier version."""

    pid = os.getpid()

    def __init__(self, *, old: bool = False) -> None:
        self.kept: list[int] = []
        self.old = old

    async def hold(self, fds: list[int]) -> None:
        if self.old:
            raise OSError(0, "unknown request 'hold'")
        self.kept += [os.dup(fd) for fd in fds]

    async def held(self) -> list[int]:
        if self.old:
            raise OSError(0, "unknown request 'held'")
        return [os.dup(fd) for fd in self.kept]


class Store:
    """One container."""

    name = "web"

    def __init__(self, shim: Any) -> None:
        self.shim = shim

    def find(self, identity: str) -> Any:
        return self


class World:
    def __init__(self, shim: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resolving = Resolving(Store(shim))  # type: ignore[arg-type]
        self.made = 0
        monkeypatch.setattr(self.resolving.resolver, "sockets", self._sockets)

    def _sockets(self, netns_fd: int) -> list[int]:
        os.fstat(netns_fd)
        self.made += 1
        return [sock.detach() for sock in seat.listening()]

    async def held(self) -> int:
        fds = await self.resolving.held("c1")
        for fd in fds:
            os.close(fd)
        return len(fds)


def close(fds: list[int]) -> None:
    for fd in fds:
        os.close(fd)


def test_a_slot_gets_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        slot: Any = FakeSlot()
        slot.netns_fd = os.open("/proc/self/ns/net", os.O_RDONLY)
        close(await World(None, monkeypatch).resolving.sockets(slot))
        os.close(slot.netns_fd)

    run(test)


def test_a_shim_gives_them_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        shim = Shim()
        world = World(shim, monkeypatch)
        pair = [sock.detach() for sock in seat.listening()]
        await shim.hold([0, *pair])
        assert (await world.held(), world.made) == (3, 0)
        close([*pair, *shim.kept])

    run(test)


def test_where_there_are_none_they_are_made_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        shim = Shim()
        await shim.hold([0])
        world = World(shim, monkeypatch)
        assert (await world.held(), world.made) == (2, 1)
        assert (await world.held(), world.made) == (3, 1)
        close(shim.kept)

    run(test)


def test_a_shim_of_an_earlier_version_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        world = World(Shim(old=True), monkeypatch)
        assert (await world.held(), world.made) == (2, 1)

    run(test)


def test_who_has_ended_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        with pytest.raises(Unavailable, match="web has ended"):
            await World(None, monkeypatch).held()

    run(test)
