"""Rules and what they permit."""

from __future__ import annotations

import pytest

from carrack.registry_server.rights import Identity, Rights, Rule, matches

RULES = (
    Rule(frozenset({"anonymous", "*"}), ("public/**",), frozenset({"pull"})),
    Rule(frozenset({"alice"}), ("team/*", "public/**"), frozenset({"pull", "push"})),
    Rule(frozenset({"*"}), ("home/{user}/**",), frozenset({"pull", "push", "delete"})),
)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("**", "a/b/c", True),
        ("*", "a", True),
        ("*", "a/b", False),
        ("team/*", "team/app", True),
        ("team/*", "team/app/x", False),
        ("team/**", "team", True),
        ("team/**", "team/a/b", True),
        ("team/**", "teams/a", False),
        ("a.b", "axb", False),
        ("**/ci", "x/y/ci", True),
    ],
)
def test_patterns(pattern: str, name: str, fits: bool) -> None:
    assert matches(pattern, name) is fits


@pytest.mark.parametrize(
    ("user", "repository", "actions"),
    [
        ("", "public/a", {"pull"}),
        ("", "team/a", set()),
        ("bob", "public/a", {"pull"}),
        ("alice", "public/a", {"pull", "push"}),
        ("alice", "team/app", {"pull", "push"}),
        ("bob", "home/bob/app", {"pull", "push", "delete"}),
        ("bob", "home/alice/app", set()),
        ("**", "home/alice/app", set()),
    ],
)
def test_rules(user: str, repository: str, actions: set[str]) -> None:
    assert Rights(RULES).actions(user, repository) == actions


def test_without_rules_all_who_get_in_may_all() -> None:
    assert Rights().allows(Identity(), "a", "delete")
    assert not Rights(closed=True).allows(Identity(), "a", "pull")
    assert Rights(closed=True).allows(Identity("bob"), "a", "push")


def test_a_token_limits_its_holder() -> None:
    token = Identity("alice", frozenset({("team/a", "pull")}))
    assert Rights(RULES).allows(token, "team/a", "pull")
    assert not Rights(RULES).allows(token, "team/a", "push")
    assert not Rights(RULES).allows(token, "team/b", "pull")
