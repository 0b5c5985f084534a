"""The Network object, field by field."""

from __future__ import annotations

from carrack.engine.networks.document import Attached, document
from carrack.engine.networks.network import Network
from carrack.network.plan import Subnet


def test_bridge() -> None:
    network = Network(
        "a" * 64, "web", "bridge", 0, internal=True, ipv6=True, config=({"Subnet": "10.9.0.0/20"},),
        subnets=(Subnet("10.9.0.0/20", "10.9.0.1"),), options={"o": "1"}, labels={"l": "2"}, config_from="base",
    )  # fmt: skip
    assert document(network, {}) == {
        "Name": "web",
        "Id": "a" * 64,
        "Created": "0001-01-01T00:00:00Z",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": True,
        "IPAM": {"Driver": "default", "Options": None, "Config": [{"Subnet": "10.9.0.0/20"}]},
        "Internal": True,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": "base"},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {"o": "1"},
        "Labels": {"l": "2"},
    }


def test_none_has_no_addresses() -> None:
    found = document(Network("a" * 64, "none", "null", 0), {})
    assert found["IPAM"] == {"Driver": "default", "Options": None, "Config": None}
    assert found["Options"] == {}


def test_containers_show_the_addresses_that_they_have() -> None:
    four = {"EndpointID": "e", "MacAddress": "m", "IPAddress": "10.0.0.2", "IPPrefixLen": 24}
    both = {**four, "GlobalIPv6Address": "fd00::2", "GlobalIPv6PrefixLen": 64}
    found = document(Network("a", "web", "bridge", 0), {"c": Attached("one", four), "d": Attached("two", both)})
    assert found["Containers"] == {
        "c": {
            "Name": "one", "EndpointID": "e", "MacAddress": "m", "IPv4Address": "10.0.0.2/24", "IPv6Address": "",
        },
        "d": {
            "Name": "two", "EndpointID": "e", "MacAddress": "m", "IPv4Address": "10.0.0.2/24",
            "IPv6Address": "fd00::2/64",
        },
    }  # fmt: skip
