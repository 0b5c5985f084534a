"""The options' table agrees with itself."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.daemon import options
from carrack.errors import InvalidArgument


def test_names_are_unique_and_none_is_both_built_and_foreign() -> None:
    assert len(options.BY_FLAG) == len(options.BY_KEY) == len(options.OPTIONS)
    assert len(options.BY_SHORT) == sum(1 for option in options.OPTIONS if option.short)
    assert not [flag for flag in options.BY_FLAG if options.foreign_kind(flag)]
    assert not [key for key in options.BY_KEY if options.foreign_key(key)]


@pytest.mark.census("daemon.json builder")
def test_what_builds_may_be_granted() -> None:
    assert options.granted({}) == {"network.host"}
    given = {"entitlements": {"security-insecure": True, "device": False}}
    assert options.granted(given) == {"network.host", "security.insecure"}
    refused: list[Any] = [{"gcs": {}}, {"entitlements": {"root": True}}, {"entitlements": {"device": 1}}, [], "x"]
    for wrong in refused:
        with pytest.raises(InvalidArgument, match="builder: "):
            options.granted(wrong)


def test_harmless_values() -> None:
    assert options.harmless("iptables", True)
    assert not options.harmless("iptables", False)
    assert not options.harmless("iptables", "true")
    assert options.harmless("node-generic-resources", [])
    assert not options.harmless("node-generic-resources", ["gpu=1"])
    assert options.harmless("network-control-plane-mtu", 1500)
    assert options.harmless("raw-logs", True)
    assert options.harmless("raw-logs", False)
    assert not options.harmless("builder", {"gc": {}})
