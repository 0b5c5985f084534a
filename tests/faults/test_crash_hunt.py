"""A short crash hunt in the normal suite; ``scripts/crash-hunt --seconds 120`` is the long one."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.root

ROOT = Path(__file__).parents[2]


def test_api_and_kernel_agree_and_nothing_is_lost_after_kills_under_load() -> None:
    seed = str(random.SystemRandom().randrange(1_000_000))
    command = [sys.executable, "-m", "tests.faults.hunt", "--seconds", "20", "--seed", seed]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": f"{ROOT}/src:{ROOT}"}, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
