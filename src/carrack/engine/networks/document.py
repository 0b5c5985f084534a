"""What inspect and list say of a network: Docker's document, made of a record and the bridge's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.model import times
from carrack.model.container import Document
from carrack.network.bridge import BridgeSettings

if TYPE_CHECKING:
    from carrack.engine.networks.store import Network


@dataclass(frozen=True, slots=True)
class Attached:
    """A container on a network: its name (without the slash) and its endpoint document."""

    name: str
    endpoint: Document


def document(network: Network, bridge: BridgeSettings, attached: Mapping[str, Attached]) -> Document:
    """The Engine API's Network object (1.51)."""
    is_bridge = network.name == "bridge"
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": times.rfc3339(network.created),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": True,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": [_addresses(bridge)] if is_bridge else None},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {container_id: _container(one) for container_id, one in attached.items()},
        "Options": _options(bridge) if is_bridge else {},
        "Labels": {},
    }


def _addresses(bridge: BridgeSettings) -> dict[str, str]:
    found = {"Subnet": bridge.subnet, "Gateway": bridge.gateway}
    return found if bridge.ip_range is None else {**found, "IPRange": bridge.ip_range}


def _options(bridge: BridgeSettings) -> dict[str, str]:
    return {
        "com.docker.network.bridge.default_bridge": "true",
        "com.docker.network.bridge.enable_icc": _word(not bridge.isolated),
        "com.docker.network.bridge.enable_ip_masquerade": _word(bridge.masquerade),
        "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",
        "com.docker.network.bridge.name": bridge.name,
        "com.docker.network.driver.mtu": str(bridge.mtu),
    }


def _word(on: bool) -> str:
    return "true" if on else "false"


def _container(attached: Attached) -> dict[str, str]:
    endpoint = attached.endpoint
    address = endpoint.get("IPAddress", "")
    return {
        "Name": attached.name,
        "EndpointID": endpoint.get("EndpointID", ""),
        "MacAddress": endpoint.get("MacAddress", ""),
        "IPv4Address": f"{address}/{endpoint['IPPrefixLen']}" if address else "",
        "IPv6Address": "",
    }
