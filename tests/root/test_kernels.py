"""docs/kernels.md says what this kernel makes of us."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.guest.facts import row

pytestmark = pytest.mark.root
TABLE = Path(__file__).parents[2] / "docs/kernels.md"


def test_the_row_of_this_kernel_is_true(tmp_path: Path) -> None:
    """Kernel and cgroup version name a row; that of a kernel which nobody has looked at is missing."""
    found = row(tmp_path)
    named = [line for line in TABLE.read_text().splitlines() if line.split("|")[1:3] == found.split("|")[1:3]]
    if not named:
        pytest.skip(f"docs/kernels.md has no row of this kernel: {found}")
    assert named == [found]
