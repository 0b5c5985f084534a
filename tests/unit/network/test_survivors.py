from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from carrack.errors import Unavailable
from carrack.linux.netlink import Netlink
from carrack.network import survivors
from carrack.network.net import Net
from carrack.network.plan import BRIDGE, Existing, NetworkPlan, Subnet
from carrack.network.sandbox import Sandbox

HOST = Netlink.__new__(Netlink)
PAST = Existing(
    {
        "a" * 64: {"IPAddress": "10.1.0.2", "GwPriority": 5, "EndpointID": "e1"},
        "b" * 64: {"IPAddress": "10.2.0.2", "GlobalIPv6Address": ""},
    },
    pid=42,
)


class Cable:
    """The host's end of a veth pair."""

    def __init__(self, index: int, peer: int) -> None:
        self.index, self.peer = index, peer


def nets() -> dict[str, Net]:
    found = [
        NetworkPlan(name * 64, name, BRIDGE, (Subnet(f"10.{n}.0.0/24", f"10.{n}.0.1"),))
        for n, name in ((1, "a"), (2, "b"))
    ]
    return {plan.id: Net(plan) for plan in found}


def find(monkeypatch: pytest.MonkeyPatch, past: Existing, cables: list[Any]) -> list[tuple[str | None, int | None]]:
    monkeypatch.setattr(survivors, "cables_of", lambda *_: cables)
    found = survivors.members(HOST, [], "c1", past, nets())
    return [(member.addresses.four if member else None, cable.index if cable else None) for member, cable in found]


def test_one_network_has_the_one_cable(monkeypatch: pytest.MonkeyPatch) -> None:
    past = Existing({"a" * 64: PAST.endpoints["a" * 64]}, pid=42)
    assert find(monkeypatch, past, [Cable(7, 3)]) == [("10.1.0.2", 7)]
    assert find(monkeypatch, past, []) == [("10.1.0.2", None)]


def test_cables_of_several_are_told_apart_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def open_sandbox(pid: int) -> Iterator[Sandbox]:
        with Netlink() as inner:
            yield Sandbox(-1, inner.fileno())

    monkeypatch.setattr(survivors, "open_sandbox", open_sandbox)
    monkeypatch.setattr(survivors, "owners", lambda _: {"10.2.0.2": 3, "10.1.0.2": 4})
    assert find(monkeypatch, PAST, [Cable(7, 3), Cable(8, 4)]) == [("10.1.0.2", 8), ("10.2.0.2", 7)]
    one = Existing({"a" * 64: PAST.endpoints["a" * 64]}, pid=42)
    assert find(monkeypatch, one, [Cable(7, 3), Cable(8, 4)]) == [("10.1.0.2", 8), (None, 7)]


def test_one_that_has_ended_meanwhile_has_no_cables(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int) -> None:
        raise Unavailable("it has ended")

    monkeypatch.setattr(survivors, "open_sandbox", refuse)
    assert find(monkeypatch, PAST, [Cable(7, 3)])[:2] == [("10.1.0.2", None), ("10.2.0.2", None)]


def test_a_place_that_cannot_be_had_again_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    past = Existing({"c" * 64: {"IPAddress": "10.3.0.2"}, "a" * 64: {"IPAddress": "10.9.0.2"}}, pid=42)
    assert find(monkeypatch, past, []) == []
    assert f"network {'c' * 64} not found" in caplog.text
    assert "10.9.0.2: It does not belong" in caplog.text


def test_nobody_looks_inside_where_all_networks_have_bridges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survivors, "open_sandbox", None)
    assert not survivors.remove_hidden("c1", 42, [], nets())
