"""Policies for sources as clients send them (``EXPERIMENTAL_BUILDKIT_SOURCE_POLICY`` of buildx).

Source: BuildKit, sourcepolicy/pb/policy.proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carrack.engine.build import patterns, policies
from carrack.engine.build.policies import Constraint, Policy, Rule
from carrack.errors import InvalidArgument


def policy(message: Mapping[str, Any] | None) -> Policy:
    """The rules of a message of POLICY's form; None has none. Raises InvalidArgument for what is not known."""
    return Policy(tuple(_rule(each) for each in message["rules"])) if message else policies.ALL


def _rule(message: Mapping[str, Any]) -> Rule:
    selector, updates = message["selector"], message["updates"] or {}
    if selector is None:
        raise InvalidArgument("source policy: a rule without a selector")
    constraints = tuple(Constraint(each["key"], each["value"], each["condition"]) for each in selector["constraints"])
    known = [(message["action"], policies.CONVERT), (selector["match_type"], patterns.REGEX)]
    known += [(each.condition, policies.MATCHES) for each in constraints]
    if any(not 0 <= value <= most for value, most in known):
        raise InvalidArgument(f"source policy: a rule for {selector['identifier']} of a kind that is not known")
    return Rule(
        message["action"], selector["identifier"], selector["match_type"], constraints,
        updates.get("identifier", ""), updates.get("attrs") or {},
    )  # fmt: skip
