"""Who may do what in which repository: rules as values, and the decision over them.

    [[access]]
    users = ["alice", "*"]          names; "*" is everyone who has shown a password, "anonymous" who has not
    repositories = ["team/**"]      "*" stands for one component, "**" for any number; "{user}" for the user's name
    actions = ["pull", "push", "delete"]

What no rule permits is denied. Without rules everyone who gets in may do everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

ACTIONS = ("pull", "push", "delete")
ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Rule:
    """One `[[access]]`."""

    users: frozenset[str]
    repositories: tuple[str, ...]
    actions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks: a user's name, "" for nobody known. `granted`: what a token is limited to, None without one."""

    user: str = ""
    granted: frozenset[tuple[str, str]] | None = None


@dataclass(frozen=True, slots=True)
class Rights:
    """All rules; None for no rules at all. `closed`: whether a password is asked for where no rule says otherwise."""

    rules: tuple[Rule, ...] | None = None
    closed: bool = False

    def allows(self, identity: Identity, repository: str, action: str) -> bool:
        """The decision."""
        if identity.granted is not None:
            return (repository, action) in identity.granted
        return action in self.actions(identity.user, repository)

    def actions(self, user: str, repository: str) -> frozenset[str]:
        """All that a user ("" for nobody known) may do in a repository."""
        if self.rules is None:
            return frozenset() if self.closed and not user else frozenset(ACTIONS)
        found: set[str] = set()
        for rule in self.rules:
            if _named(rule.users, user) and any(_matches(each, repository, user) for each in rule.repositories):
                found |= rule.actions
        return frozenset(found)


def _named(users: frozenset[str], user: str) -> bool:
    return user in users or "*" in users if user else ANONYMOUS in users


def _matches(pattern: str, repository: str, user: str) -> bool:
    return matches(pattern.replace("{user}", re.sub(r"[*]", "", user)) if user else pattern, repository)


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern of components (`*` within one, `**` any number of them) fits a name as a whole."""
    return re.fullmatch(_expression(pattern), name) is not None


def any_matches(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the patterns fits."""
    return any(matches(pattern, name) for pattern in patterns)


def _expression(pattern: str) -> str:
    parts = []
    for part in re.split(r"(/?\*\*|\*)", pattern):
        if part == "*":
            parts.append("[^/]*")
        elif part == "**":
            parts.append(".*")
        elif part == "/**":
            parts.append("(?:/.*)?")
        else:
            parts.append(re.escape(part))
    return "".join(parts)
