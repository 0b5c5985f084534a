"""The network routes over a socket: documents, statuses and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.api.test_app import ask, run

from carrack.api.routes.networks import routes
from carrack.engine.events import Events
from carrack.engine.networks.store import Network, Networks
from carrack.network.bridge import BridgeSettings

NETWORKS = Networks(
    [Network("ab" * 32, "bridge", "bridge", 1), Network("ff" * 32, "none", "null", 1)],
    BridgeSettings(),
    lambda name: {},
    Events(),
)


def answers(tmp_path: Path, *requests: tuple[str, str, Any]) -> list[tuple[int, Any]]:
    found = []

    async def client(address: str) -> None:
        for method, target, body in requests:
            data = json.dumps(body).encode() if body is not None else b""
            headers = "Content-Type: application/json\r\n" if body is not None else ""
            status, _, text = await ask(address, target, method, data, headers)
            found.append((status, json.loads(text)))

    run(tmp_path, routes(NETWORKS), client)
    return found


def test_list_and_inspect(tmp_path: Path) -> None:
    listed, filtered, one, missing, swarm = answers(
        tmp_path,
        ("GET", "/v1.51/networks", None),
        ("GET", '/networks?filters={"driver":["null"]}', None),
        ("GET", "/networks/abab", None),
        ("GET", "/networks/mine", None),
        ("GET", "/networks/bridge?scope=swarm", None),
    )
    assert listed[0] == 200
    assert [found["Name"] for found in listed[1]] == ["bridge", "none"]
    assert [found["Name"] for found in filtered[1]] == ["none"]
    assert (one[0], one[1]["IPAM"]["Config"]) == (200, [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}])
    assert missing == (404, {"message": "network mine not found"})
    assert swarm[0] == 404


def test_refusals(tmp_path: Path) -> None:
    found = answers(
        tmp_path,
        ("POST", "/networks/create", {"Name": "mine"}),
        ("POST", "/networks/create", {"Name": "bridge"}),
        ("POST", "/networks/create", {"Name": ""}),
        ("POST", "/networks/create", {}),
        ("DELETE", "/networks/none", None),
        ("DELETE", "/networks/mine", None),
        ("POST", "/networks/bridge/connect", {"Container": "c"}),
        ("POST", "/networks/bridge/disconnect", {"Container": "c"}),
    )
    assert [status for status, _ in found] == [501, 403, 400, 400, 403, 404, 501, 501]
    assert "not supported yet" in found[0][1]["message"]


def test_prune_finds_nothing(tmp_path: Path) -> None:
    assert answers(tmp_path, ("POST", "/networks/prune", None)) == [(200, {"NetworksDeleted": None})]
