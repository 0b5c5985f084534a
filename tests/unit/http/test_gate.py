"""How many may be inside at once."""

from __future__ import annotations

import resource

import pytest

from carrack.http.gate import Gate, usual_limit


def test_who_leaves_makes_room() -> None:
    gate = Gate(2)
    assert [gate.enter("a"), gate.enter("b"), gate.enter("c")] == [True, True, False]
    gate.leave("c")
    assert not gate.enter("c")
    gate.leave("a")
    assert gate.enter("c")
    assert "2 clients" in gate.full


def test_not_everybody_is_told_why() -> None:
    gate = Gate(1)
    assert [gate.tell(number) for number in range(33)] == [True] * 32 + [False]
    gate.leave(0)
    assert gate.tell("x")


@pytest.mark.parametrize(("soft", "limit"), [(1024, 512), (20, 64), (10**6, 16384), (resource.RLIM_INFINITY, 16384)])
def test_the_limit_follows_the_descriptors(monkeypatch: pytest.MonkeyPatch, soft: int, limit: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, soft))
    assert usual_limit() == limit
