"""The order of things and their undoing; that the kernel does what it is told: tests/root."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.nftables import FakeNftables

from carrack.errors import Conflict, Internal, NotFound
from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.model.ports import PublishedPort
from carrack.network import bridge, endpoint, gateways, graves
from carrack.network.cabling import Cabling
from carrack.network.firewall import Firewall
from carrack.network.kernel import Kernel
from carrack.network.nets import Nets
from carrack.network.plan import BRIDGE, EndpointPlan, NetworkPlan, Subnet
from carrack.network.sandbox import Sandbox

PLAIN = EndpointPlan()


class NoConntrack:
    def forget(self, stale: object) -> None:
        pass

    def close(self) -> None:
        pass


def plan(number: int, **more: Any) -> NetworkPlan:
    name = chr(ord("a") + number)
    return NetworkPlan(name * 64, name, BRIDGE, (Subnet(f"10.{number}.0.0/24", f"10.{number}.0.1"),), **more)


class Scene:
    """Networks whose bridges, cables and routes are only noted down."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.notes: list[str] = []
        self.links: list[str] = []
        self.fails = False
        self.folder = folder
        patch.setattr(bridge, "ensure", self.ensure)
        patch.setattr(Cabling, "retire", self.retire)
        patch.setattr(graves, "delete", lambda _: None)
        patch.setattr(bridge, "damage", lambda *_: "")
        patch.setattr(endpoint, "park", lambda *_: endpoint.ParkedVeth(7, "veth7"))
        patch.setattr(endpoint, "plug", self.plug)
        patch.setattr(endpoint, "unplug", lambda *_: self.notes.append("cut"))
        patch.setattr(gateways, "lead", lambda _, ways: self.notes.append(f"lead {ways[0] and ways[0].addresses.four}"))
        patch.setattr(rtnetlink, "find_link", lambda *_: None)
        patch.setattr(rtnetlink, "links", lambda *_: [type("Link", (), {"name": name}) for name in self.links])
        self.switch("net/ipv4/ip_forward", "0")
        self.nft = FakeNftables()
        conntrack: Any = NoConntrack()
        self.kernel = Kernel(Netlink.__new__(Netlink), self.nft, conntrack, Firewall(self.nft, "t"))
        self.nets = Nets(self.kernel, str(folder))
        with Netlink() as inner:
            self.sandbox = Sandbox(-1, inner.fileno())

    def switch(self, name: str, value: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value)

    def ensure(self, _: object, settings: bridge.BridgeSettings, *__: object) -> int:
        self.switch(f"net/ipv4/conf/{settings.name}/route_localnet", "0")
        self.notes.append(f"lay {settings.name}")
        return 5

    def retire(self, _: object) -> None:
        self.notes.append("retire")

    def plug(self, _: object, __: object, ___: object, inside: endpoint.Endpoint, ____: object) -> None:
        if self.fails:
            raise OSError(19, "no such device")
        self.links.append(inside.interface)
        self.notes.append(f"plug {inside.interface} {inside.addresses[0]} by {' '.join(inside.gateways)}")

    def connect(self, container: str, network: NetworkPlan, wanted: EndpointPlan = PLAIN) -> dict[str, Any]:
        with Netlink() as inner:
            return self.nets.connect(Sandbox(-1, inner.fileno()), container, network.id, wanted, None)

    def disconnect(self, container: str, network: NetworkPlan | None) -> None:
        with Netlink() as inner:
            self.nets.disconnect(container, network.id if network else None, Sandbox(-1, inner.fileno()))


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    made = Scene(tmp_path, monkeypatch)
    made.nets.start([plan(0), plan(1)], {})
    return made


def test_networks_come_and_go(scene: Scene) -> None:
    scene.nets.create(plan(2))
    assert [one.name for one in scene.kernel.firewall.rule_set.bridges] == [f"br-{12 * c}" for c in "abc"]
    with pytest.raises(Conflict, match="another network's"):
        scene.nets.create(plan(2))
    scene.connect("c1", plan(2))
    with pytest.raises(Conflict, match="network c has active endpoints"):
        scene.nets.remove(plan(2).id)
    scene.nets.disconnect("c1", None, None)
    scene.nets.remove(plan(2).id)
    scene.nets.remove(plan(2).id)
    assert len(scene.kernel.firewall.rule_set.bridges) == 2
    assert scene.notes[-1] == "retire"


def test_a_network_that_fails_leaves_nothing(scene: Scene) -> None:
    scene.nft.refuse = 1
    with pytest.raises(OSError, match="not permitted"):
        scene.nets.create(plan(2))
    assert scene.notes[-1] == "retire"
    scene.nets.create(plan(2))


def test_interfaces_are_numbered_and_the_best_network_leads(scene: Scene) -> None:
    assert scene.connect("c1", plan(1))["IPAddress"] == "10.1.0.2"
    scene.connect("c1", plan(0))
    assert scene.notes[-2:] == ["plug eth0 10.1.0.2/24 by 10.1.0.1", "plug eth1 10.0.0.2/24 by 10.0.0.1"]
    scene.links.remove("eth0")
    scene.disconnect("c1", plan(0))
    assert scene.notes[-2:] == ["lead 10.1.0.2", "cut"]
    scene.connect("c1", plan(0), EndpointPlan(priority=-1, interface="lan"))
    assert scene.notes[-1] == "plug lan 10.0.0.3/24 by "
    scene.disconnect("c1", None)
    assert scene.notes[-3:] == ["lead None", "cut", "cut"]


def test_ports_follow_the_way_out(scene: Scene) -> None:
    scene.connect("c1", plan(1))
    done = scene.nets.publish("c1", [PublishedPort("80/tcp", "", "")], [])
    assert [m.address for m in scene.kernel.firewall._mappings()] == ["10.1.0.2"]
    scene.connect("c1", plan(0))
    assert [m.address for m in scene.kernel.firewall._mappings()] == ["10.0.0.2"]
    scene.disconnect("c1", plan(0))
    assert [m.address for m in scene.kernel.firewall._mappings()] == ["10.1.0.2"]
    scene.nets.disconnect("c1", None, None)
    assert scene.kernel.firewall._mappings() == []
    for fd in done.fds:
        os.close(fd)


def test_an_endpoint_that_fails_leaves_nothing(scene: Scene) -> None:
    scene.connect("c1", plan(0))
    scene.fails = True
    with pytest.raises(OSError, match="no such device"):
        scene.connect("c1", plan(1))
    assert scene.notes[-2:] == ["cut", "lead 10.0.0.2"]
    scene.fails = False
    assert scene.connect("c1", plan(1))["IPAddress"] == "10.1.0.3"
    with pytest.raises(Internal, match="connected to b already"):
        scene.connect("c1", plan(1))
    with pytest.raises(NotFound, match=r"network c+ not found"):
        scene.connect("c1", plan(2))


def test_everything_is_removed(scene: Scene) -> None:
    scene.nets.remove_all()
    assert scene.notes[-2:] == ["retire", "retire"]
    assert scene.nft.chains() == []
    assert (scene.folder / "net/ipv4/ip_forward").read_text() == "0"
