"""GHSA-7236-3392-c5c6: a build without seccomp or AppArmor that nobody asked for; every RUN has a container's guards.

The frontend that a ``# syntax=`` line names is not executed, so there is none that could ask for it.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cli.running import Cli, Result

pytestmark = pytest.mark.root

LOOK = "grep -E '^(Seccomp|NoNew|Cap)' /proc/self/status; cat /proc/self/attr/current 2>/dev/null; ls /dev"


def test_a_program_of_a_build_is_guarded_as_a_container(build: Callable[..., Result], docker: Cli, image: str) -> None:
    shown = build(f"# syntax=evil/frontend:1\nFROM {image}\nRUN {LOOK}; unshare -m true || echo refused").stdout
    expected = docker("run", "--rm", image, "sh", "-c", LOOK).stdout
    assert "Seccomp:\t2\n" in expected
    assert expected in shown
    assert "unshare(0x20000): Operation not permitted" in shown
