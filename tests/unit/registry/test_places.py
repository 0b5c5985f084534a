from __future__ import annotations

import pytest

from carrack.errors import Forbidden, Unavailable
from carrack.oci import reference
from carrack.registry.places import Place, places
from carrack.registry.settings import RegistrySettings, parse_rules

ALPINE = reference.parse("alpine")
APP = reference.parse("r.example.com:5000/team/app")


def test_a_registry_alone() -> None:
    assert places(RegistrySettings(), APP) == (Place("r.example.com:5000", "team/app", origin=True),)


def test_docker_hubs_mirrors_come_first_and_are_not_pushed_to() -> None:
    settings = RegistrySettings(mirrors=("https://m.example.com", "http://127.0.0.1:5000/"))
    assert places(settings, ALPINE) == (
        Place("m.example.com", "library/alpine"),
        Place("127.0.0.1:5000", "library/alpine", insecure=True),
        Place("docker.io", "library/alpine", origin=True),
    )
    assert places(settings, ALPINE, push=True) == (Place("docker.io", "library/alpine", origin=True),)
    assert len(places(settings, APP)) == 1


RULES = """
[[registry]]
prefix = "docker.io"
[[registry.mirror]]
location = "m.example.com:5000/hub"
pull-from-mirror = "digest-only"

[[registry]]
prefix = "docker.io/library"
location = "other.example.com/official"

[[registry]]
prefix = "r.example.com:5000"
location = "r.example.com:5000/moved"
insecure = true

[[registry]]
prefix = "only.example.com"
fallback = false
[[registry.mirror]]
location = "m.example.com"

[[registry]]
prefix = "*.blocked.example.com"
blocked = true
"""


def _rules(*, offline: bool = False) -> RegistrySettings:
    return RegistrySettings(rules=parse_rules(RULES), offline=offline)


def test_the_longest_prefix_wins_and_is_replaced() -> None:
    assert places(_rules(), ALPINE) == (Place("other.example.com", "official/alpine"),)
    mirror, origin = places(_rules(), reference.parse("jane/app"))
    assert mirror == Place("m.example.com:5000", "hub/jane/app", when="digest-only")
    assert origin == Place("docker.io", "jane/app", origin=True)
    assert mirror.serves(digest=True)
    assert not mirror.serves(digest=False)


def test_only_the_host_of_the_name_gets_its_credentials() -> None:
    """CVE-2020-15157: what is rewritten to another host goes there as nobody."""
    assert places(_rules(), APP) == (Place("r.example.com:5000", "moved/team/app", insecure=True, origin=True),)
    assert not places(_rules(), ALPINE)[0].origin


def test_mirrors_only() -> None:
    name = reference.parse("only.example.com/x")
    assert [place.host for place in places(_rules(), name)] == ["m.example.com"]
    assert [place.host for place in places(_rules(), name, push=True)] == ["only.example.com"]


def test_blocked() -> None:
    with pytest.raises(Forbidden, match=r"\*\.blocked\.example\.com"):
        places(_rules(), reference.parse("a.blocked.example.com/x"))
    assert places(_rules(), reference.parse("blocked.example.com/x"))


def test_offline_asks_mirrors_only() -> None:
    assert [p.host for p in places(_rules(offline=True), reference.parse("jane/app"))] == ["m.example.com:5000"]
    for push in (False, True):
        with pytest.raises(Unavailable, match="offline"):
            places(_rules(offline=True), APP, push=push)
