"""The predefined networks: identities that stay, finding, filters, refusals."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from carrack.engine.events import Events
from carrack.engine.networks.document import Attached
from carrack.engine.networks.store import Network, Networks, load_predefined
from carrack.errors import Forbidden, InvalidArgument, NotFound, NotSupported
from carrack.network.bridge import BridgeSettings
from carrack.storage.records import Records

ENDPOINT = {"EndpointID": "e" * 64, "MacAddress": "02:42:ac:11:00:02", "IPAddress": "172.17.0.2", "IPPrefixLen": 16}


@pytest.fixture
def networks() -> Networks:
    predefined = [
        Network("ab" * 32, "bridge", "bridge", 1),
        Network("ac" * 32, "host", "host", 1),
        Network("ff" * 32, "none", "null", 1),
    ]
    here = {"bridge": {"c" * 64: Attached("web", ENDPOINT)}}
    return Networks(predefined, BridgeSettings(), lambda name: here.get(name, {}), Events())


def test_ids_stay(tmp_path: Path) -> None:
    records = Records(tmp_path / "meta.db")
    records.start()
    first = asyncio.run(load_predefined(records))
    again = asyncio.run(load_predefined(records))
    records.close()
    assert [network.name for network in first] == ["bridge", "host", "none"]
    assert first == again
    assert len({network.id for network in first}) == 3


def test_found_by_name_id_and_beginning(networks: Networks) -> None:
    assert networks.find("none").name == "none"
    assert networks.find("ac" * 32).name == "host"
    assert networks.find("ff").name == "none"
    with pytest.raises(InvalidArgument, match="ambiguous"):
        networks.find("a")
    for unknown in ("", "nothing", "fe"):
        with pytest.raises(NotFound, match=f"^network {unknown} not found$"):
            networks.find(unknown)


def test_inspect_shows_containers_and_list_does_not(networks: Networks) -> None:
    assert networks.inspect("bridge")["Containers"] == {
        "c" * 64: {
            "Name": "web",
            "EndpointID": "e" * 64,
            "MacAddress": "02:42:ac:11:00:02",
            "IPv4Address": "172.17.0.2/16",
            "IPv6Address": "",
        }
    }
    assert networks.inspect("none")["Containers"] == {}
    assert [found["Containers"] for found in networks.select({})] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, ["bridge", "host", "none"]),
        ({"name": ["o"]}, ["host", "none"]),
        ({"name": ["bridge", "host"]}, ["bridge", "host"]),
        ({"driver": ["null"]}, ["none"]),
        ({"id": ["a"], "driver": ["host"]}, ["host"]),
        ({"type": ["custom"]}, []),
        ({"type": ["builtin"]}, ["bridge", "host", "none"]),
        ({"dangling": ["true"]}, []),
        ({"dangling": ["false"]}, ["bridge", "host", "none"]),
        ({"scope": ["swarm"]}, []),
        ({"label": ["a=b"]}, []),
    ],
)
def test_filters(networks: Networks, filters: dict[str, list[str]], names: list[str]) -> None:
    assert [found["Name"] for found in networks.select(filters)] == names


@pytest.mark.parametrize("filters", [{"what": ["x"]}, {"type": ["x"]}, {"dangling": ["x"]}, {"dangling": ["1", "0"]}])
def test_bad_filters(networks: Networks, filters: dict[str, list[str]]) -> None:
    with pytest.raises(InvalidArgument):
        networks.select(filters)


def test_refusals(networks: Networks) -> None:
    with pytest.raises(Forbidden, match="predefined bridge network"):
        networks.create("bridge")
    with pytest.raises(NotSupported, match="user-defined networks are not supported yet"):
        networks.create("mine")
    with pytest.raises(Forbidden, match="host is a pre-defined network and cannot be removed"):
        networks.remove("host")
    with pytest.raises(NotFound):
        networks.remove("mine")
    with pytest.raises(NotSupported, match="create the container with --network bridge"):
        networks.change("bridge")
    assert networks.prune({"until": ["1h"]}) == []
    with pytest.raises(InvalidArgument):
        networks.prune({"name": ["x"]})
