"""What rules let go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.registry_server.retention import (
    ManifestState,
    Retention,
    TagState,
    expired_manifests,
    expired_tags,
    rule_for,
)

DAY = 86400.0
NOW = 1000 * DAY
TAGS = {
    "latest": TagState("d1", NOW - 1 * DAY, NOW),
    "v1": TagState("d2", NOW - 400 * DAY, NOW - 400 * DAY),
    "new": TagState("d3", NOW - 1 * DAY, NOW - 1 * DAY),
    "old": TagState("d4", NOW - 50 * DAY, NOW - 2 * DAY),
    "older": TagState("d5", NOW - 60 * DAY, NOW - 60 * DAY),
}
ALL = ("**",)


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        (Retention(ALL), []),
        (Retention(ALL, keep_tags=("v*",)), []),
        (Retention(ALL, keep_last=2), ["old", "older", "v1"]),
        (Retention(ALL, keep_last=0, keep_tags=("latest", "v*")), ["new", "old", "older"]),
        (Retention(ALL, keep_last=1, keep_tags=("latest", "v*")), ["old", "older"]),
        (Retention(ALL, tags_after=30 * DAY), ["old", "older", "v1"]),
        (Retention(ALL, unpulled_after=30 * DAY), ["older", "v1"]),
        (Retention(ALL, tags_after=55 * DAY, keep_last=4), ["v1"]),
    ],
)
def test_tags(rule: Retention, gone: list[str]) -> None:
    assert expired_tags(rule, TAGS, NOW) == gone


def test_manifests_without_tags() -> None:
    old = NOW - 30 * DAY
    manifests = {
        "tagged-index": ManifestState(old, children=("child", "absent")),
        "child": ManifestState(old),
        "signature": ManifestState(old, subject="child"),
        "signature-of-signature": ManifestState(old, subject="signature"),
        "lonely": ManifestState(old),
        "of-lonely": ManifestState(old, subject="lonely"),
        "of-absent": ManifestState(old, subject="absent"),
        "young-index": ManifestState(NOW, children=("young-child",)),
        "young-child": ManifestState(old),
    }
    rule = Retention(ALL, untagged_after=7 * DAY)
    assert expired_manifests(rule, manifests, ["tagged-index", "unknown"], NOW) == ["lonely", "of-absent", "of-lonely"]
    assert expired_manifests(Retention(ALL), manifests, [], NOW) == []


def test_the_first_rule_that_fits() -> None:
    rules = (Retention(("ci/**",), keep_last=1), Retention(ALL, keep_last=2))
    assert rule_for(rules, "ci/a") is rules[0]
    assert rule_for(rules, "a") is rules[1]
    assert rule_for(rules[:1], "a") is None


@given(
    st.dictionaries(
        st.integers(0, 12).map(str),
        st.tuples(st.booleans(), st.lists(st.integers(0, 12).map(str), max_size=3), st.integers(0, 12).map(str)),
    ),
    st.sets(st.integers(0, 12).map(str)),
)
def test_nothing_that_something_kept_needs_goes(
    shape: dict[str, tuple[bool, list[str], str]], tagged: set[str]
) -> None:
    manifests = {
        digest: ManifestState(NOW if young else 0.0, tuple(children), subject)
        for digest, (young, children, subject) in shape.items()
    }
    gone = set(expired_manifests(Retention(ALL, untagged_after=DAY), manifests, tagged, NOW))
    stays = manifests.keys() - gone
    assert not gone & tagged
    for digest in stays:
        assert not gone & set(manifests[digest].children)
    for digest in gone:
        assert manifests[digest].subject not in stays
        assert manifests[digest].used == 0.0
