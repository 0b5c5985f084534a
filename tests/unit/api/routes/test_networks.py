"""The network routes over a socket: documents, statuses and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.api.test_app import ask, run
from tests.unit.engine.networks.fakes import FakeFabric

from carrack.api.routes.networks import routes
from carrack.engine.events import Events
from carrack.engine.networks.network import Network
from carrack.engine.networks.pools import DEFAULT
from carrack.engine.networks.store import Networks
from carrack.network.plan import Subnet
from carrack.storage.records import Records

BRIDGE = Network(
    "ab" * 32, "bridge", "bridge", 1,
    config=({"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"},), subnets=(Subnet("172.17.0.0/16", "172.17.0.1"),),
)  # fmt: skip


class FakeLive:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    async def connect(self, network: str, container: str, wanted: Any) -> None:
        self.told.append((network, container, wanted))

    async def disconnect(self, network: str, container: str, force: bool) -> None:
        self.told.append((network, container, force))


def answers(tmp_path: Path, *requests: tuple[str, str, Any], live: FakeLive | None = None) -> list[tuple[int, Any]]:
    found = []
    records = Records(tmp_path / "meta.db")
    records.start()
    networks = Networks(records, FakeFabric(), lambda identity: {}, Events(), pools=DEFAULT)
    networks.load([BRIDGE, Network("ff" * 32, "none", "null", 1)], [])

    async def client(address: str) -> None:
        for method, target, body in requests:
            data = json.dumps(body).encode() if body is not None else b""
            headers = "Content-Type: application/json\r\n" if body is not None else ""
            status, _, text = await ask(address, target, method, data, headers)
            found.append((status, json.loads(text) if text else None))

    run(tmp_path, routes(networks, live or FakeLive()), client)
    records.close()
    return found


def test_list_and_inspect(tmp_path: Path) -> None:
    listed, filtered, one, missing, swarm, verbose = answers(
        tmp_path,
        ("GET", "/v1.51/networks", None),
        ("GET", '/networks?filters={"driver":["null"]}', None),
        ("GET", "/networks/abab?verbose=1&scope=local", None),
        ("GET", "/networks/mine", None),
        ("GET", "/networks/bridge?scope=swarm", None),
        ("GET", "/networks/bridge?verbose=cake", None),
    )
    assert listed[0] == 200
    assert [found["Name"] for found in listed[1]] == ["bridge", "none"]
    assert [found["Name"] for found in filtered[1]] == ["none"]
    assert (one[0], one[1]["IPAM"]["Config"]) == (200, [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}])
    assert missing == (404, {"message": "network mine not found"})
    assert swarm[0] == 404
    assert verbose[0] == 400


def test_made_and_removed(tmp_path: Path) -> None:
    made, one, again, removed, gone = answers(
        tmp_path,
        ("POST", "/networks/create", {"Name": "mine", "IPAM": {"Config": [{"Subnet": "10.1.0.0/24"}]}}),
        ("GET", "/networks/mine", None),
        ("POST", "/networks/create", {"Name": "mine"}),
        ("DELETE", "/networks/mine", None),
        ("DELETE", "/networks/mine", None),
    )
    assert (made[0], sorted(made[1]), made[1]["Warning"]) == (201, ["Id", "Warning"], "")
    assert one[1]["Id"] == made[1]["Id"]
    assert one[1]["IPAM"] == {"Driver": "default", "Options": None, "Config": [{"Subnet": "10.1.0.0/24"}]}
    assert again == (409, {"message": "network with name mine already exists"})
    assert removed == (204, None)
    assert gone == (404, {"message": "network mine not found"})


def test_refusals(tmp_path: Path) -> None:
    found = answers(
        tmp_path,
        ("POST", "/networks/create", {"Name": "bridge"}),
        ("POST", "/networks/create", {"Name": ""}),
        ("POST", "/networks/create", {}),
        ("POST", "/networks/create", {"Name": "x", "Internal": "yes"}),
        ("POST", "/networks/create", {"Name": "x", "IPAM": {"Config": [{}]}}),
        ("DELETE", "/networks/none", None),
        ("DELETE", "/networks/mine", None),
        ("POST", "/networks/bridge/connect", {}),
        ("POST", "/networks/bridge/disconnect", {"Container": ""}),
        ("POST", "/networks/bridge/connect", {"Container": "c", "EndpointConfig": {"GwPriority": "1"}}),
    )
    assert [status for status, _ in found] == [403, 400, 400, 400, 400, 403, 404, 400, 400, 400]
    assert found[-1][1]["message"] == (
        "invalid JSON: json: cannot unmarshal string into Go struct field ConnectOptions.EndpointConfig.GwPriority of "
        "type int"
    )


def test_connecting_is_the_containers_business(tmp_path: Path) -> None:
    live = FakeLive()
    found = answers(
        tmp_path,
        ("POST", "/networks/web/connect", {"Container": "c"}),
        ("POST", "/networks/web/connect", {"Container": "c", "EndpointConfig": {"MacAddress": "02:00:00:00:00:01"}}),
        ("POST", "/networks/web/disconnect", {"Container": "c", "Force": True}),
        live=live,
    )
    assert found == [(200, None)] * 3
    assert live.told[0] == ("web", "c", None)
    assert live.told[1][2]["MacAddress"] == "02:00:00:00:00:01"
    assert live.told[2] == ("web", "c", True)


def test_prune(tmp_path: Path) -> None:
    assert answers(
        tmp_path,
        ("POST", "/networks/prune", None),
        ("POST", "/networks/create", {"Name": "mine"}),
        ("POST", "/networks/prune", None),
        ("POST", '/networks/prune?filters={"dangling":["1"]}', None),
    )[0::2] == [(200, {"NetworksDeleted": None}), (200, {"NetworksDeleted": ["mine"]})]
