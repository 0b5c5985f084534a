"""Whose the cgroup of all containers is."""

import asyncio
from pathlib import Path

import pytest

from carrack.daemon import claim
from carrack.storage.records import Records


@pytest.mark.parametrize(("there", "ours"), [(None, True), ("carrack", False), ("memory/carrack", False)])
def test_only_what_was_not_there_is_ours(tmp_path: Path, there: str | None, ours: bool) -> None:
    root = tmp_path / "cgroup"
    (root / "memory").mkdir(parents=True)
    if there:
        (root / there).mkdir()
    records = Records(tmp_path / "meta.db")
    records.start()
    asyncio.run(claim.claim(records, "/carrack", root))
    assert claim.is_ours(records, "/carrack") is ours
    records.close()
