"""What ``build`` asks for of itself; what it does: tests/cli."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from carrack.cli.commands import build


@pytest.mark.parametrize(
    ("words", "source", "environment", "expected"),
    [
        ([], "git@h:r.git", {"SSH_AUTH_SOCK": "/a"}, ["default"]),
        ([], "ssh://h/r.git#x", {"SSH_AUTH_SOCK": "/a"}, ["default"]),
        ([], "ssh://h/r.git", {}, []),
        ([], "https://h/r.git", {"SSH_AUTH_SOCK": "/a"}, []),
        (["b=/c"], "git@h:r.git", {"SSH_AUTH_SOCK": "/a"}, ["b=/c"]),
    ],
)
def test_agents_that_are_lent(words: list[str], source: str, environment: dict[str, str], expected: list[str]) -> None:
    session: Any = SimpleNamespace(environment=environment)
    parsed: Any = SimpleNamespace(words=lambda name: words if name == "ssh" else [])
    assert build._agents(session, parsed, source) == expected
