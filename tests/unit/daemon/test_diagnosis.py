"""What the doctor is given to look at."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from carrack.daemon import diagnosis
from carrack.network.facts import Facts


def test_a_silent_resolver() -> None:
    async def answers() -> dict[str, int]:
        return {"asked": 1}

    async def nothing() -> dict[str, int]:
        return {}

    async def asked(resolver: Any) -> str:
        return await diagnosis.silent(resolver)

    assert asyncio.run(asked(SimpleNamespace(pid=0, counts=nothing))) == ""
    assert asyncio.run(asked(SimpleNamespace(pid=7, counts=answers))) == ""
    assert "process 7" in asyncio.run(asked(SimpleNamespace(pid=7, counts=nothing)))


def test_it_looks_at_this_daemons_own(monkeypatch: Any) -> None:
    async def routes() -> list[tuple[str, str]]:
        return [("10.0.0.0/8", "tun0")]

    network = {"Name": "a", "Id": "a" * 64, "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "10.1.0.0/16"}]}}
    asked: list[Any] = []

    def gather(tables: Any) -> Facts:
        asked.append(tables)
        return Facts()

    monkeypatch.setattr("carrack.network.facts.gather", gather)
    services: Any = SimpleNamespace(
        store=[],
        resolving=SimpleNamespace(resolver=SimpleNamespace(pid=0)),
        fabric=SimpleNamespace(table="mine", routes=routes),
        networks=SimpleNamespace(select=lambda filters: [network]),
    )
    doctor = diagnosis.doctor(services)
    found = asyncio.run(doctor.diagnose())
    assert asked == [["mine"]]
    assert any("10.0.0.0/8 dev tun0" in each["Text"] for each in found)
    assert any("the nftables table mine is gone" in each["Text"] for each in found)
