from __future__ import annotations

import pytest

from carrack.errors import InvalidArgument
from carrack.oci import reference
from carrack.registry.rules import Mirror, Rule, parse_offline, parse_rules

ALL = """
offline = true

[[registry]]
prefix = "*"
insecure = true

[[registry]]
prefix = "index.docker.io/library"
location = "hub.example.com:5000/lib"
blocked = false
mirror-by-digest-only = true

  [[registry.mirror]]
  location = "m.example.com/hub"

  [[registry.mirror]]
  location = "n.example.com"
  insecure = true
  pull-from-mirror = "tag-only"

[[registry]]
location = "here"

[[registry]]
prefix = "*.example.com"
"""


def test_everything_at_once() -> None:
    assert parse_rules(ALL) == (
        Rule(
            "docker.io/library",
            "hub.example.com:5000/lib",
            mirrors=(Mirror("m.example.com/hub", when="digest-only"), Mirror("n.example.com", True, "tag-only")),
        ),
        Rule("here", "here"),
        Rule("*.example.com"),
        Rule("*", insecure=True),
    )
    assert parse_offline(ALL)
    assert not parse_offline("")
    assert parse_rules("") == ()


@pytest.mark.parametrize(
    ("prefix", "name", "expected"),
    [
        ("docker.io", "alpine", True),
        ("docker.io/library", "alpine", True),
        ("docker.io/lib", "alpine", False),
        ("docker.io/library/alpine", "alpine:3", True),
        ("a.example.com:5000", "a.example.com:5000/x", True),
        ("a.example.com", "a.example.com:5000/x", False),
        ("*.example.com", "a.b.example.com/x", True),
        ("*.example.com", "example.com/x", False),
        ("*", "alpine", True),
    ],
)
def test_prefixes(prefix: str, name: str, expected: bool) -> None:
    assert Rule(prefix).matches(reference.parse(name)) is expected


@pytest.mark.parametrize(
    ("prefix", "location", "name", "expected"),
    [
        ("docker.io", "m", "alpine", "m/library/alpine"),
        ("docker.io/library", "m/x", "alpine", "m/x/alpine"),
        ("docker.io/library/alpine", "m/x", "alpine", "m/x"),
        ("*", "m/x", "r.example.com/a/b", "m/x/a/b"),
        ("*.example.com", "m", "r.example.com/a", "m/a"),
    ],
)
def test_rewriting(prefix: str, location: str, name: str, expected: str) -> None:
    assert Rule(prefix).rewrite(reference.parse(name), location) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("offline = 1", "offline must be true or false"),
        ("x = 1", "unknown key 'x'"),
        ("[[", "not TOML"),
        ("registry = 5", "list of tables"),
        ("[[registry]]", "prefix is missing"),
        ("[[registry]]\nprefix = 5", "prefix must be a string"),
        ("[[registry]]\nprefix = 'https://a'", "leave http:// and https:// out"),
        ("[[registry]]\nprefix = 'a/UPPER'", "is not HOST"),
        ("[[registry]]\nprefix = 'a/../b'", "is not HOST"),
        ("[[registry]]\nprefix = 'a'\nlocation = '*.b'", "is not HOST"),
        ("[[registry]]\nprefix = 'a'\nrewrite = 'b'", "unknown key 'rewrite'"),
        ("[[registry]]\nprefix = 'a'\n[[registry]]\nprefix = 'a'", "more than once: a"),
        ("[[registry]]\nprefix = 'a'\nfallback = false", "needs a mirror"),
        ("[[registry]]\nprefix = 'a'\n[[registry.mirror]]", "location is missing"),
        ("[[registry]]\nprefix = 'a'\n[[registry.mirror]]\nlocation = 'b'\npull-from-mirror = 'x'", "one of all"),
        ("x" * 2_000_000, "larger than"),
    ],
)
def test_mistakes_are_named(text: str, told: str) -> None:
    read = parse_offline if text.startswith("offline") else parse_rules
    with pytest.raises(InvalidArgument) as caught:
        read(text)
    assert told in str(caught.value)
