from __future__ import annotations

import asyncio

import pytest
from tests.fakes.registry import FakeRegistry

from carrack.oci import reference
from carrack.registry import reach
from carrack.registry.credentials import ANONYMOUS
from carrack.registry.reach import Reach
from carrack.registry.settings import RegistrySettings


def test_what_is_known_of_a_host_is_kept_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "_HOSTS_MOST", 2)

    async def run() -> None:
        made = Reach(RegistrySettings())
        with FakeRegistry() as registry:
            name = reference.parse(f"{registry.host}/a")
            for _ in range(3):
                assert await made.repository(name, ANONYMOUS, push=False).size_of("sha256:" + "0" * 64) is None
            assert len(registry.asked("GET", "^/v2/$")) == 0
            for other in ("r.example.com/a", "s.example.com/a", "t.example.com/a"):
                made.repository(reference.parse(other), ANONYMOUS, push=False)
            assert len(made._hosts) == 2
        made.close()

    asyncio.run(run())
