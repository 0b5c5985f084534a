import errno
import os
from pathlib import Path
from typing import Any

import pytest

from carrack.linux.netlink import Netlink
from carrack.network import bridge, endpoint
from carrack.network.bridge import BridgeSettings
from carrack.network.cabling import Cabling
from carrack.network.endpoint import Endpoint, ParkedVeth, Socket
from carrack.network.ipam import Addresses
from carrack.network.sandbox import Sandbox

HOST = Netlink.__new__(Netlink)
SETTINGS = BridgeSettings("br0", "10.9.0.1/24")
CABLE = ParkedVeth(7, "veth7")
INSIDE = Endpoint(("10.9.0.2/24",), ("10.9.0.1",), "02:42:0a:09:00:02", 1500)


class World:
    """The bridge as an index, and what was plugged where."""

    def __init__(self) -> None:
        self.index, self.damage = 5, ""
        self.plugged: list[tuple[int, int]] = []
        self.gone: set[int] = set()
        self.cut: list[ParkedVeth] = []

    def plug(self, host: Netlink, _: Netlink, veth: ParkedVeth, inside: Endpoint, bridge: Socket) -> None:
        self.replug(host, veth, bridge)

    def replug(self, host: Netlink, veth: ParkedVeth, bridge: Socket) -> None:
        index = bridge.bridge_index
        if veth.host_index in self.gone:
            raise OSError(errno.ENODEV, "gone")
        if index != self.index:
            raise OSError(errno.EINVAL, "no such bridge")
        self.plugged.append((veth.host_index, index))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(bridge, "ensure", lambda *_: made.index)
    monkeypatch.setattr(bridge, "damage", lambda *_: made.damage)
    monkeypatch.setattr(endpoint, "plug", made.plug)
    monkeypatch.setattr(endpoint, "replug", made.replug)
    monkeypatch.setattr(endpoint, "unplug", lambda host, veth: made.cut.append(veth))
    return made


@pytest.fixture
def cabling(world: World, tmp_path: Path) -> Cabling:
    switch = tmp_path / "net/ipv4/conf/br0/route_localnet"
    switch.parent.mkdir(parents=True)
    switch.write_text("0")
    made = Cabling(SETTINGS, sys_root=str(tmp_path))
    made.lay(HOST)
    made.open()
    assert switch.read_text() == "1"
    return made


def plug(cabling: Cabling, name: str = "c1", cable: ParkedVeth = CABLE) -> None:
    with Netlink() as inside:
        cabling.plug(HOST, Sandbox(-1, inside.fileno()), name, INSIDE, cable)


def test_a_cable_is_plugged_and_its_descriptor_stays_the_callers(world: World, cabling: Cabling) -> None:
    before = len(os.listdir("/proc/self/fd"))
    plug(cabling)
    assert len(os.listdir("/proc/self/fd")) == before
    assert world.plugged == [(7, 5)]


def test_an_intact_bridge_is_left_alone(world: World, cabling: Cabling) -> None:
    plug(cabling)
    assert cabling.restore(HOST) == ""
    assert world.plugged == [(7, 5)]


def test_a_new_bridge_gets_every_cable_that_is_still_there(world: World, cabling: Cabling) -> None:
    plug(cabling)
    plug(cabling, "c2", ParkedVeth(8, "veth8"))
    world.index, world.damage, world.gone = 6, "deleted", {7}
    assert cabling.restore(HOST) == "deleted"
    assert cabling.index == 6
    assert world.plugged[2:] == [(8, 6)]


def test_plugging_into_a_bridge_that_is_gone_mends_it_first(world: World, cabling: Cabling) -> None:
    world.index, world.damage = 6, "deleted"
    plug(cabling)
    assert world.plugged == [(7, 6)]


def test_a_failure_that_is_not_the_bridges_is_told(world: World, cabling: Cabling) -> None:
    world.gone = {7}
    with pytest.raises(OSError, match="gone"):
        plug(cabling)


def test_a_cable_is_cut_only_when_its_sandbox_lives(world: World, cabling: Cabling) -> None:
    plug(cabling)
    cabling.pull(HOST, "c1", Addresses(), None)
    cabling.pull(HOST, "c1", Addresses(), Sandbox(-1, -1))
    assert world.cut == []
    plug(cabling)
    cabling.pull(HOST, "c1", Addresses(), Sandbox(-1, -1))
    assert world.cut == [CABLE]


def test_a_cable_of_a_surviving_container_is_plugged_again(world: World, cabling: Cabling) -> None:
    class Link:
        index, name = 7, "veth7"

    link: Any = Link()
    cabling.adopt("c1", link)
    cabling.replug(HOST)
    assert world.plugged == [(7, 5)]
