"""The networks that are always there."""

from __future__ import annotations

import asyncio
from pathlib import Path

from carrack.engine.networks.predefined import DefaultBridge, predefined
from carrack.engine.networks.store import recorded
from carrack.network.plan import Subnet
from carrack.storage.records import Records

BRIDGE = DefaultBridge([Subnet("172.17.0.0/16", "172.17.0.1", reserved={"a": "172.17.0.9"})], {"o": "1"})


def test_ids_stay_and_the_bridge_follows_the_options(tmp_path: Path) -> None:
    records = Records(tmp_path / "meta.db")
    records.start()
    first = asyncio.run(predefined(records, recorded(records), BRIDGE))
    other = DefaultBridge([Subnet("10.0.0.0/24"), Subnet("fd00::/64", "fd00::1")])
    again = asyncio.run(predefined(records, recorded(records), other))
    without = asyncio.run(predefined(records, recorded(records), None))
    records.close()
    assert [(network.name, network.driver) for network in first] == [
        ("bridge", "bridge"),
        ("host", "host"),
        ("none", "null"),
    ]
    assert [network.id for network in first] == [network.id for network in again]
    assert len({network.id for network in first}) == 3
    assert [network.name for network in without] == ["host", "none"]
    assert (first[0].ipv6, again[0].ipv6) == (False, True)
    assert first[0].config == (
        {"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1", "AuxiliaryAddresses": {"a": "172.17.0.9"}},
    )
    assert first[0].options == {"o": "1"}
    assert again[0].config == ({"Subnet": "10.0.0.0/24"}, {"Subnet": "fd00::/64", "Gateway": "fd00::1"})
