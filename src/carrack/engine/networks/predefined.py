"""The networks that are always there: ``bridge``, ``host`` and ``none``. Their identities are on record, so that they
stay; what the first of them is like follows from the daemon's options at each start."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from carrack.engine.networks.network import DRIVERS, Network
from carrack.model import times
from carrack.network.plan import Subnet

if TYPE_CHECKING:
    from carrack.storage.records import Records


@dataclass(frozen=True, slots=True)
class DefaultBridge:
    """What the daemon's options make of the network ``bridge``; ``options`` are the driver's."""

    subnets: Sequence[Subnet]
    options: Mapping[str, str] = field(default_factory=dict)


async def predefined(records: Records, on_record: Iterable[Network], bridge: DefaultBridge | None) -> list[Network]:
    """All three, recorded the first time; without ``bridge`` if the daemon is to have no default bridge.

    ``on_record``: what `recorded` has read of ``records``.
    """
    known = {network.name: network for network in on_record if network.name in DRIVERS}
    new = [Network(secrets.token_hex(32), name, DRIVERS[name], times.now()) for name in DRIVERS if name not in known]
    rows = [(n.id, json.dumps({"id": n.id, "name": n.name, "driver": n.driver, "created": n.created})) for n in new]
    if rows:
        await records.write(lambda db: db.executemany("INSERT INTO network (id, document) VALUES (?, ?)", rows))
    known.update((network.name, network) for network in new)
    found = [known[name] for name in DRIVERS]
    if bridge is None:
        return found[1:]
    return [_bridge(found[0], bridge), *found[1:]]


def _bridge(network: Network, bridge: DefaultBridge) -> Network:
    return replace(
        network,
        ipv4=any(subnet.version == 4 for subnet in bridge.subnets),
        ipv6=any(subnet.version == 6 for subnet in bridge.subnets),
        subnets=tuple(bridge.subnets),
        config=tuple(_shown(subnet) for subnet in bridge.subnets),
        options=bridge.options,
    )


def _shown(subnet: Subnet) -> dict[str, object]:
    shown = {
        "Subnet": subnet.subnet,
        "IPRange": subnet.ip_range,
        "Gateway": subnet.gateway,
        "AuxiliaryAddresses": dict(subnet.reserved),
    }
    return {key: value for key, value in shown.items() if value}
