from __future__ import annotations

import pytest

from carrack.cli.flags import parse
from carrack.cli.render import fields
from carrack.errors import InvalidArgument


def test_cells() -> None:
    identity = "sha256:" + "0123456789abcdef" * 4
    assert fields.short_id(identity) == "0123456789ab"
    assert fields.short_id(identity, full=True) == identity
    assert fields.ellipsis("abcdef", 4) == "abc…"
    assert fields.ellipsis("abcd", 4) == "abcd"
    assert fields.quoted('a"\n\x01é') == '"a\\"\\n\\x01é"'
    assert fields.ago(0, 7200) == "2 hours ago"
    assert fields.ago(100, 0) == "Less than a second ago"
    assert fields.size(2_067_000) == "2.07MB"
    assert fields.joined_labels({"b": "2", "a": "1"}) == "a=1,b=2"
    assert fields.joined_labels(None) == ""
    assert fields.label_getter({"a": "1"})("a") == "1"
    assert fields.label_getter(None)("a") == ""
    assert fields.local_time(0).startswith("19")


def test_what_listings_ask_for() -> None:
    flags = (*fields.FORMAT, fields.FILTER)
    assert fields.wanted_form(parse(flags, ["--json"])) == "json"
    assert fields.wanted_form(parse(flags, ["--format", "x"])) == "x"
    with pytest.raises(InvalidArgument, match="both --format and --json"):
        fields.wanted_form(parse(flags, ["--format", "x", "--json"]))
    parsed = parse(flags, ["-f", "status=up", "-f", "status=down", "-f", "label=a=b"])
    assert fields.wanted_filters(parsed) == {"status": {"up": True, "down": True}, "label": {"a=b": True}}


def test_names_are_sorted_as_people_count() -> None:
    names = ["web10", "web02", "web2", "Web", "web2a", "web", "1", "01", "a10b10", "a10b2"]
    assert sorted(names, key=fields.natural) == [
        "1",
        "01",
        "Web",
        "a10b2",
        "a10b10",
        "web",
        "web2",
        "web2a",
        "web02",
        "web10",
    ]
