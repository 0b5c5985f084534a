"""Policies as they are sent."""

from __future__ import annotations

import pytest

from carrack.api.buildkit import messages as m
from carrack.api.buildkit.ruling import policy
from carrack.engine.build.patterns import EXACT
from carrack.engine.build.policies import ALL, CONVERT, MATCHES, Constraint, Policy, Rule
from carrack.errors import InvalidArgument
from carrack.http import protobuf


def test_rules() -> None:
    constraint = {"key": "k", "value": "v", "condition": 2}
    sent = {
        "version": 1,
        "rules": [
            {
                "action": 2,
                "selector": {"identifier": "a", "match_type": 1, "constraints": [constraint]},
                "updates": {"identifier": "b", "attrs": {"x": "y"}},
            },
            {"action": 1, "selector": {"identifier": "*"}},
        ],
    }
    expected = Rule(CONVERT, "a", EXACT, (Constraint("k", "v", MATCHES),), "b", {"x": "y"})
    message = protobuf.decode(protobuf.encode(sent, m.POLICY), m.POLICY)
    assert policy(message) == Policy((expected, Rule(1, "*")))
    assert policy(None) is ALL


@pytest.mark.parametrize("rule", [{"action": 1}, {"action": 9, "selector": {"identifier": "x"}}])
def test_what_is_not_known_is_refused(rule: dict[str, object]) -> None:
    message = protobuf.decode(protobuf.encode({"rules": [rule]}, m.POLICY), m.POLICY)
    with pytest.raises(InvalidArgument, match="source policy: a rule"):
        policy(message)
