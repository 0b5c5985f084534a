"""The Network object, field by field."""

from __future__ import annotations

from carrack.engine.networks.document import document
from carrack.engine.networks.store import Network
from carrack.network.bridge import BridgeSettings


def test_bridge() -> None:
    settings = BridgeSettings("br0", "10.9.0.1/20", mtu=1400, isolated=True, ip_range="10.9.8.0/24")
    assert document(Network("a" * 64, "bridge", "bridge", 0), settings, {}) == {
        "Name": "bridge",
        "Id": "a" * 64,
        "Created": "0001-01-01T00:00:00Z",
        "Scope": "local",
        "Driver": "bridge",
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {
            "Driver": "default",
            "Options": None,
            "Config": [{"Subnet": "10.9.0.0/20", "Gateway": "10.9.0.1", "IPRange": "10.9.8.0/24"}],
        },
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": {
            "com.docker.network.bridge.default_bridge": "true",
            "com.docker.network.bridge.enable_icc": "false",
            "com.docker.network.bridge.enable_ip_masquerade": "true",
            "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
            "com.docker.network.bridge.name": "br0",
            "com.docker.network.driver.mtu": "1400",
        },
        "Labels": {},
    }


def test_none_has_no_addresses() -> None:
    found = document(Network("a" * 64, "none", "null", 0), BridgeSettings(), {})
    assert found["IPAM"] == {"Driver": "default", "Options": None, "Config": None}
    assert found["Options"] == {}
