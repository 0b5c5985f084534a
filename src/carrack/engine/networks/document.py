"""What inspect and list say of a network: Docker's document, made of its record and the containers on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.model import times
from carrack.model.container import Document

if TYPE_CHECKING:
    from carrack.engine.networks.network import Network


@dataclass(frozen=True, slots=True)
class Attached:
    """A container on a network: its name (without the slash) and its endpoint document."""

    name: str
    endpoint: Document


def document(network: Network, attached: Mapping[str, Attached]) -> Document:
    """The Engine API's Network object (1.51)."""
    config = [dict(pool) for pool in network.config] if network.config else None
    return {
        "Name": network.name,
        "Id": network.id,
        "Created": times.rfc3339(network.created),
        "Scope": network.scope,
        "Driver": network.driver,
        "EnableIPv4": network.ipv4,
        "EnableIPv6": network.ipv6,
        "IPAM": {"Driver": network.ipam_driver, "Options": network.ipam_options, "Config": config},
        "Internal": network.internal,
        "Attachable": network.attachable,
        "Ingress": False,
        "ConfigFrom": {"Network": network.config_from},
        "ConfigOnly": network.config_only,
        "Containers": {container_id: _container(one) for container_id, one in attached.items()},
        "Options": dict(network.options),
        "Labels": dict(network.labels),
    }


def _container(attached: Attached) -> dict[str, str]:
    endpoint = attached.endpoint
    return {
        "Name": attached.name,
        "EndpointID": endpoint.get("EndpointID", ""),
        "MacAddress": endpoint.get("MacAddress", ""),
        "IPv4Address": _with_prefix(endpoint.get("IPAddress", ""), endpoint.get("IPPrefixLen", 0)),
        "IPv6Address": _with_prefix(endpoint.get("GlobalIPv6Address", ""), endpoint.get("GlobalIPv6PrefixLen", 0)),
    }


def _with_prefix(address: str, prefix: int) -> str:
    return f"{address}/{prefix}" if address else ""
