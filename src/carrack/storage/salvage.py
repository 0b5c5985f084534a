"""What can still be read of a damaged record database.

Every table is read from both ends of its key until a page cannot be read, so that one bad page costs the rows on it and
no others. Nothing is ever written to the damaged file: it is put aside under another name, for those who want to look.

    meta.db.damaged  meta.db.damaged-wal      the first; further ones end in .damaged.2, .damaged.3, …
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing

log = logging.getLogger(__name__)

KEYS = {
    "container": "id",
    "image": "id",
    "tag": "reference",
    "layer": "diff_id",
    "blob": "digest",
    "volume": "name",
    "network": "id",
    "setting": "key",
    "used": "key",
    "cached": "digest",
}
"""The tables and their primary keys; a tag whose image is lost is not taken."""

_SUFFIX = ".damaged"


def put_aside(path: str) -> str:
    """Rename the database and its log; returns the new name. Raises OSError when that cannot be done."""
    number, name = 1, path + _SUFFIX
    while os.path.exists(name):
        number += 1
        name = f"{path}{_SUFFIX}.{number}"
    for end in ("-wal", "-shm"):
        if os.path.exists(path + end):
            os.rename(path + end, name + end)
    os.rename(path, name)
    return name


def damaged(path: str) -> list[str]:
    """The databases that were put aside and are still there."""
    directory, name = os.path.split(path)
    found = (entry for entry in os.listdir(directory or ".") if entry.startswith(name + _SUFFIX))
    return sorted(os.path.join(directory, entry) for entry in found if not entry.endswith(("-wal", "-shm")))


def salvage(name: str, fresh: sqlite3.Connection) -> dict[str, int]:
    """Copy what can be read of the database ``name`` into ``fresh``, which has its tables; returns rows per table."""
    counts = dict.fromkeys(KEYS, 0)
    try:
        with closing(sqlite3.connect(f"file:{name}?mode=ro", uri=True, isolation_level=None)) as old:
            old.text_factory = lambda data: data.decode(errors="replace")
            for table in KEYS:
                counts[table] = _copy(old, fresh, table)
    except sqlite3.DatabaseError as error:
        log.debug("no more can be read of %s: %s", name, error)
    return counts


def _copy(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> int:
    columns = [row[1] for row in fresh.execute(f"PRAGMA table_info({table})")]
    known = {row[1] for row in old.execute(f"PRAGMA table_info({table})")}
    names = [column for column in columns if column in known]
    if not names:
        return 0
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    before = fresh.total_changes
    for direction in ("ASC", "DESC"):
        if _read(old, fresh, f"SELECT {', '.join(names)} FROM {table} ORDER BY {KEYS[table]} {direction}", insert):
            break
    return fresh.total_changes - before


def _read(old: sqlite3.Connection, fresh: sqlite3.Connection, select: str, insert: str) -> bool:
    """Whether all rows could be read."""
    try:
        for row in old.execute(select):
            try:
                fresh.execute(insert, row)
            except sqlite3.IntegrityError as error:
                log.debug("a row that does not fit is left out: %s", error)
    except sqlite3.DatabaseError as error:
        log.debug("a part of a table cannot be read: %s", error)
        return False
    return True
