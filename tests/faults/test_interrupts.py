"""A short hunt with one seed; `python -m tests.faults.interrupts` hunts for as long as it is let."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from tests.faults.interrupts import Hunt

pytestmark = pytest.mark.root


def test_builds_that_are_broken_off_leave_nothing() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with tempfile.TemporaryDirectory(prefix="crk-int-", dir="/var/tmp") as root:
        hunt = Hunt(Path(root), 2)
        assert hunt.run(4) == []
        assert hunt.done
