"""What is read of a database that is damaged; the rest is seen in test_records.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from carrack.storage import salvage
from carrack.storage.records import MIGRATIONS


def database(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA foreign_keys = ON")
    for script in MIGRATIONS:
        db.executescript(script)
    return db


def test_a_tag_without_its_image_is_left_out(tmp_path: Path) -> None:
    with closing(database(tmp_path / "old")) as old, closing(database(tmp_path / "new")) as new:
        old.execute("PRAGMA foreign_keys = OFF")
        old.execute("INSERT INTO image VALUES ('here', '{}')")
        old.executemany("INSERT INTO tag VALUES (?, ?)", [("a", "here"), ("b", "gone")])
        counts = salvage.salvage(str(tmp_path / "old"), new)
        assert (counts["image"], counts["tag"]) == (1, 1)
        assert new.execute("SELECT reference FROM tag").fetchall() == [("a",)]


def test_a_database_goes_aside_with_its_log(tmp_path: Path) -> None:
    for end in ("", "-wal"):
        (tmp_path / f"meta.db{end}").write_text(end)
    assert salvage.put_aside(str(tmp_path / "meta.db")) == str(tmp_path / "meta.db.damaged")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["meta.db.damaged", "meta.db.damaged-wal"]
    assert salvage.damaged(str(tmp_path / "meta.db")) == [str(tmp_path / "meta.db.damaged")]
