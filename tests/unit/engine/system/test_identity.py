"""The daemon's id stays the same for one data root."""

from __future__ import annotations

import uuid
from pathlib import Path

from carrack.engine.system.identity import engine_id


def test_it_is_made_once_and_survives_damage(tmp_path: Path) -> None:
    made = engine_id(tmp_path)
    assert str(uuid.UUID(made)) == made
    assert engine_id(tmp_path) == made
    (tmp_path / "engine-id").write_text("torn")
    other = engine_id(tmp_path)
    assert other != made
    assert engine_id(tmp_path) == other
    assert [path.name for path in tmp_path.iterdir()] == ["engine-id"]
