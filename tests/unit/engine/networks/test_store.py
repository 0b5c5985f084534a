"""Networks made, found and removed, with records and kernel in step."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.engine.networks.fakes import FakeFabric, request

from carrack.engine.events import Events
from carrack.engine.networks.document import Attached
from carrack.engine.networks.network import Network
from carrack.engine.networks.pools import DEFAULT
from carrack.engine.networks.store import Networks, recorded
from carrack.errors import Conflict, Forbidden, InvalidArgument, NotFound
from carrack.network.plan import Subnet
from carrack.storage.records import Records

ENDPOINT = {"EndpointID": "e" * 64, "MacAddress": "02:42:ac:11:00:02", "IPAddress": "172.17.0.2", "IPPrefixLen": 16}
PREDEFINED = [
    Network("ab" * 32, "bridge", "bridge", 1, subnets=(Subnet("172.17.0.0/16", "172.17.0.1"),)),
    Network("ac" * 32, "host", "host", 1),
    Network("ff" * 32, "none", "null", 1),
]


class World:
    """Networks with a fabric that remembers, and records on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fabric = FakeFabric()
        self.attached: dict[str, dict[str, Attached]] = {}
        self.events = Events()
        self.records = Records(path / "meta.db")
        self.records.start()
        self.networks = self.again()

    def again(self) -> Networks:
        networks = Networks(
            self.records, self.fabric, lambda found: self.attached.get(found, {}), self.events, pools=DEFAULT
        )
        networks.load(PREDEFINED, recorded(self.records))
        return networks

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            return await work()

        return asyncio.run(whole())

    def create(self, *arguments: Any, **more: Any) -> Network:
        network, _ = self.run(lambda: self.networks.create(request(*arguments, **more)))
        assert isinstance(network, Network)
        return network

    def remove(self, term: str) -> None:
        self.run(lambda: self.networks.remove(term))

    @property
    def names(self) -> list[str]:
        return [one["Name"] for one in self.networks.select({})]

    @property
    def on_record(self) -> list[str]:
        return sorted(json.loads(text)["name"] for _, text in self.records.read("SELECT id, document FROM network"))

    @property
    def told(self) -> list[tuple[str, dict[str, str]]]:
        return [(event.action, dict(event.attributes)) for event in self.events._history]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    found = World(tmp_path)
    yield found
    found.records.close()


def test_found_by_name_id_and_beginning(world: World) -> None:
    networks = world.networks
    assert networks.find("none").name == "none"
    assert networks.find("ac" * 32).name == "host"
    assert networks.find("ff").name == "none"
    with pytest.raises(InvalidArgument, match=r"^network a is ambiguous \(2 matches found based on ID prefix\)$"):
        networks.find("a")
    with pytest.raises(InvalidArgument, match=r"^2 matches found based on ID prefix: network a is ambiguous$"):
        networks.inspect("a")
    for unknown in ("", "nothing", "fe"):
        with pytest.raises(NotFound, match=f"^network {unknown} not found$"):
            networks.find(unknown)


def test_a_whole_id_goes_before_a_name_and_a_name_before_a_beginning(world: World) -> None:
    assert world.create("ff").name == world.networks.find("ff").name == "ff"
    world.create("ac" * 32)
    assert world.networks.find("ac" * 32).name == "host"


@pytest.mark.census("POST /networks/create", "GET /networks/{id}")
def test_made_recorded_and_told(world: World) -> None:
    network = world.create("web", Labels={"a": "1"})
    assert network.subnets == (Subnet("172.18.0.0/16", "172.18.0.1"),)
    assert world.fabric.plans == {network.id: network.plan}
    assert world.names == ["bridge", "host", "none", "web"]
    assert world.on_record == ["web"]
    assert world.again().find("web") == network
    assert world.told == [("create", {"name": "web", "type": "bridge"})]
    assert [plan.name for plan in world.networks.plans()] == ["bridge", "web"]


def test_inspect_shows_containers_and_list_does_not(world: World) -> None:
    world.attached["ab" * 32] = {"c" * 64: Attached("web", ENDPOINT)}
    assert world.networks.inspect("bridge")["Containers"]["c" * 64]["IPv4Address"] == "172.17.0.2/16"
    assert world.networks.select({"name": ["bridge"]})[0]["Containers"] == {}


def test_what_the_kernel_refuses_leaves_nothing(world: World) -> None:
    world.fabric.fails = Conflict("interface lo is not a bridge")
    with pytest.raises(Conflict):
        world.create("web")
    assert (world.names, world.on_record, world.told) == (["bridge", "host", "none"], [], [])


def test_a_kill_between_record_and_kernel_leaves_a_network(world: World) -> None:
    network = world.create("web")
    world.fabric.plans.clear()
    # The next start has it in its plans, and the fabric makes what is missing.
    assert network.plan in world.again().plans()


def test_subnets_are_nobody_elses(world: World) -> None:
    world.fabric.given_routes = [
        ("0.0.0.0/0", "eth0"), ("0.0.0.0/1", "tun0"), ("128.0.0.0/1", "tun0"),
        ("172.18.0.0/16", "eth1"), ("10.0.0.0/8", "tun0"), ("127.0.0.0/8", "lo"),
        ("fe80::/64", "eth0"),
    ]  # fmt: skip
    first = world.create("web")
    assert first.subnets[0].subnet == "172.19.0.0/16"
    with pytest.raises(Forbidden, match=r"10.5.0.0/24 overlaps 10.0.0.0/8 of this host, .* a route there by tun0"):
        world.create("vpn", "10.5.0.0/24")
    with pytest.raises(Forbidden, match=rf"overlaps 172.19.0.0/16 of network web \({first.id[:12]}\)"):
        world.create("other", "172.19.7.0/24")
    own = {"com.docker.network.bridge.name": "tun0"}
    assert world.create("mine", "10.0.0.0/8", Options=own).subnets[0].subnet == "10.0.0.0/8"


def test_pools_run_out(world: World) -> None:
    world.fabric.given_routes = [(f"172.{n}.0.0/16", "x") for n in range(17, 32)] + [("192.168.0.0/16", "y")]
    with pytest.raises(InvalidArgument, match="fully subnetted"):
        world.create("web")
    assert world.on_record == []


def test_removed(world: World) -> None:
    network = world.create("web")
    world.remove(network.id[:10])
    assert (world.names, world.on_record, world.fabric.plans) == (["bridge", "host", "none"], [], {})
    assert world.told[-1] == ("destroy", {"name": "web", "type": "bridge"})
    with pytest.raises(NotFound, match=r"^network web not found$"):
        world.remove("web")


def test_what_is_in_use_stays(world: World) -> None:
    network = world.create("web")
    world.attached[network.id] = {"c": Attached("one", ENDPOINT)}
    with pytest.raises(Forbidden) as caught:
        world.remove("web")
    assert str(caught.value) == (
        f'error while removing network: network web has active endpoints (name:"one" id:"{"e" * 12}")'
    )
    world.attached = {}
    world.fabric.busy = {network.id}  # a container that is just being connected
    with pytest.raises(Forbidden, match=r"^error while removing network: "):
        world.remove("web")
    assert world.on_record == ["web"]


def test_predefined_ones_stay(world: World) -> None:
    for name in ("bridge", "host", "none"):
        with pytest.raises(Forbidden, match=f"^{name} is a pre-defined network and cannot be removed$"):
            world.remove(name)


def test_a_configuration_stays_while_a_network_is_made_from_it(world: World) -> None:
    world.create("base", "10.3.0.0/24", ConfigOnly=True)
    assert world.fabric.plans == {}
    world.create("web", ConfigFrom={"Network": "base"})
    with pytest.raises(Forbidden, match=r'^error while removing network: configuration network "base" is in use$'):
        world.remove("base")
    world.remove("web")
    world.remove("base")
    assert world.on_record == []


def test_pruned(world: World) -> None:
    used = world.create("used")
    world.create("old", Labels={"a": "1"})
    world.create("free")
    world.create("conf", ConfigOnly=True)
    world.attached[used.id] = {"c": Attached("one", ENDPOINT)}
    assert world.run(lambda: world.networks.prune({"label": ["a=1"]})) == ["old"]
    assert world.run(lambda: world.networks.prune({})) == ["free"]
    assert world.run(lambda: world.networks.prune({})) == []
    assert world.told[-1] == ("prune", {"reclaimed": "0"})
    assert world.names == ["bridge", "host", "none", "used", "conf"]


def test_pruned_twice_at_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def twice() -> list[Any]:
        return await asyncio.gather(*(world.networks.prune({}) for _ in range(2)))

    world.create("one")
    world.create("two")
    assert sorted(name for removed in world.run(twice) for name in removed) == ["one", "two"]
    assert caplog.text == ""


def test_one_of_a_name_made_twice_at_once(world: World) -> None:
    async def twice() -> list[Any]:
        made = (world.networks.create(request("web")) for _ in range(2))
        return await asyncio.gather(*made, return_exceptions=True)

    found = world.run(twice)
    assert [type(one) for one in found] == [tuple, Conflict]


def test_a_record_that_says_nothing_is_left_alone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def spoil() -> None:
        await world.records.write(lambda db: db.execute("INSERT INTO network VALUES ('x', '{}')"))

    world.run(spoil)
    assert world.again().plans()
    assert "network x has an unreadable record" in caplog.text
