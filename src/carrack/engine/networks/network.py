"""One network as it is on record: what its user asked for, and the subnets it was given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from carrack.network.option_names import HOST_BINDING, MTU
from carrack.network.plan import NetworkPlan, Subnet

Document = dict[str, Any]

LOCAL = "local"
DRIVERS = {"bridge": "bridge", "host": "host", "none": "null"}
"""The predefined networks and their drivers."""


@dataclass(frozen=True, slots=True)
class Network:
    """``created`` is nanoseconds since 1970. ``config`` is IPAM.Config as inspect shows it: what the user wrote, and
    whole pools where the engine chose; ``subnets`` is the same with nothing left open, of which the user himself gave
    ``chosen_subnets``. ``driver`` of a configuration (``config_only``), which is no network but what others are made
    from (``config_from``), is ``null``. ``scope`` is a word of the user's: all networks are this host's.
    """

    id: str
    name: str
    driver: str
    created: int
    internal: bool = False
    attachable: bool = False
    ipv4: bool = True
    ipv6: bool = False
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None
    config: tuple[Document, ...] | None = None
    subnets: tuple[Subnet, ...] = ()
    chosen_subnets: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    config_only: bool = False
    config_from: str = ""
    scope: str = LOCAL

    @property
    def predefined(self) -> bool:
        """Whether it is one of those that are always there."""
        return self.name in DRIVERS

    @property
    def plan(self) -> NetworkPlan:
        """What the fabric is to make of it; options that say nothing are left out."""
        options = dict(self.options)
        if options.get(HOST_BINDING) == "0.0.0.0":
            del options[HOST_BINDING]
        if mtu := options.pop(MTU, ""):
            options |= {MTU: str(int(mtu))} if int(mtu) else {}
        return NetworkPlan(self.id, self.name, self.driver, self.subnets, self.internal, options)


def encode(network: Network) -> str:
    """The record."""
    return json.dumps(asdict(network), ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Network:
    """The network of a record, of this version or an earlier one. ValueError or TypeError when it is none."""
    fields = json.loads(text)
    if not isinstance(fields, dict):
        raise TypeError("not an object")
    if fields.get("config") is not None:
        fields["config"] = tuple(fields["config"])
    fields["chosen_subnets"] = tuple(fields.get("chosen_subnets", ()))
    fields["subnets"] = tuple(Subnet(**subnet) for subnet in fields.get("subnets", ()))
    return Network(**fields)
