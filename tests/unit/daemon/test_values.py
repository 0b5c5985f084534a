"""Kinds of values in daemon.json; what they may be is seen in test_config.py."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.daemon import values
from carrack.daemon.options import OPTIONS
from carrack.daemon.values import KINDS
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("bool", True, 1),
        ("int", 1, True),
        ("list", ["a"], ["a", 1]),
        ("map", {"a": "b"}, {"a": 1}),
        ("bool map", {"a": True}, {"a": "true"}),
        ("ulimits", {"core": {"Name": "core", "Soft": 1, "Hard": 2}}, {"core": {"Soft": True}}),
        ("pools", [{"base": "10.0.0.0/8", "size": 24}], [{"base": "10.0.0.0/8"}]),
        ("bytes", "64m", 64),
        ("rules", {"keep-last": 3, "keep": ["a/*", "b"], "unused-for": "30d"}, {"keep-last": True}),
    ],
)
def test_kinds(kind: str, good: Any, bad: Any) -> None:
    assert KINDS[kind](good)
    assert not KINDS[kind](bad)


def test_every_option_is_of_a_kind() -> None:
    assert {option.kind for option in OPTIONS} <= set(KINDS)


def test_the_cgroups_of_containers() -> None:
    assert values.cgroup_parent({}) == "/carrack"
    assert values.cgroup_parent({"cgroup-parent": "a/b/"}) == "/a/b"
    assert values.cgroup_parent({"cgroup-parent": "a-b.slice"}) == "/a.slice/a-b.slice"
    for wrong in ("/", "../a", "-.slice", "a--b.slice", "a b"):
        with pytest.raises(InvalidArgument, match="cgroup-parent: "):
            values.cgroup_parent({"cgroup-parent": wrong})


def test_drivers_of_cgroups() -> None:
    values.exec_options(())
    values.exec_options(["native.cgroupdriver=cgroupfs"])
    for word, told in (
        ("native.cgroupdriver=systemd", "does not ask systemd for scopes"),
        ("native.cgroupdriver=cake", "native.cgroupdriver option cake not supported"),
        ("isolation=hyperv", "only native.cgroupdriver"),
    ):
        with pytest.raises(InvalidArgument, match=told):
            values.exec_options([word])


def test_real_time() -> None:
    assert values.realtime({}) == (0, 0)
    assert values.realtime({"cpu-rt-period": 10_000, "cpu-rt-runtime": 5000}) == (10_000, 5000)
    for wrong in ({"cpu-rt-period": 10, "cpu-rt-runtime": 11}, {"cpu-rt-runtime": -1}):
        with pytest.raises(InvalidArgument, match="cpu-rt-runtime"):
            values.realtime(wrong)


def test_of_two_addresses_the_bridge_may_have_either() -> None:
    assert values.bridge_address("10.0.0.0/31") == "10.0.0.0/31"
    with pytest.raises(InvalidArgument, match="not an address that a host"):
        values.bridge_address("10.0.0.1/32")
