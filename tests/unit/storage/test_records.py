"""Records: durable, grouped, isolated writes; clear errors for a damaged or newer database."""

import asyncio
import errno
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from carrack.errors import Internal, Unavailable
from carrack.storage import salvage
from carrack.storage.records import MIGRATIONS, Records
from carrack.storage.reserve import Reserve


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    made = Records(tmp_path / "meta.db")
    made.start()
    yield made
    made.close()


def write(records: Records, work: Callable[[sqlite3.Connection], object]) -> object:
    return asyncio.run(records.write(work))


def insert(connection: sqlite3.Connection, key: str, value: str = "v") -> str:
    connection.execute("INSERT INTO setting VALUES (?, ?)", (key, value))
    return key


def keys(records: Records) -> set[str]:
    return {row[0] for row in records.read("SELECT key FROM setting")}


def test_write_read_and_restart(tmp_path: Path) -> None:
    records = Records(tmp_path / "meta.db")
    records.start()
    assert asyncio.run(records.write(lambda c: insert(c, "a"))) == "a"
    assert asyncio.run(records.write(lambda c: insert(c, "b"), durable=False)) == "b"
    assert write(records, lambda c: insert(c, "c")) == "c"
    records.close()
    assert stat.S_IMODE((tmp_path / "meta.db").stat().st_mode) == 0o600
    again = Records(tmp_path / "meta.db")
    again.start()
    assert keys(again) == {"a", "b", "c"}
    again.close()


def test_many_writers_and_one_failure(records: Records) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        insert(connection, "lost")
        insert(connection, "k1")

    async def run() -> list[object]:
        good = [records.write(partial(insert, key=f"k{i}"), durable=i % 2 == 0) for i in range(300)]
        return list(await asyncio.gather(*good, records.write(broken), return_exceptions=True))

    results = asyncio.run(run())
    assert results[:-1] == [f"k{i}" for i in range(300)]
    assert isinstance(results[-1], sqlite3.IntegrityError)
    assert keys(records) == {f"k{i}" for i in range(300)}


def test_constraints(records: Records) -> None:
    def dangling(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO tag VALUES ('a', 'sha256:x')")

    with pytest.raises(sqlite3.IntegrityError):
        write(records, dangling)
    with pytest.raises(sqlite3.OperationalError):
        records.read("DELETE FROM setting")


def test_a_full_disk_is_told_as_such(records: Records) -> None:
    def fill(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count = 20")
        insert(connection, "big", "v" * 200_000)

    with pytest.raises(OSError, match=r"No space left on device.*meta\.db") as failure:
        write(records, fill)
    assert failure.value.errno == errno.ENOSPC


class FakeReserve(Reserve):
    """Room for one write more; knows how often it was asked."""

    def __init__(self) -> None:
        self.released = self.kept = 0
        self.limit = 1

    def keep(self) -> bool:
        self.kept += 1
        return True

    def release(self) -> bool:
        self.released += 1
        return True


def test_what_may_use_the_reserve_is_written_on_a_full_disk_and_nothing_else(tmp_path: Path) -> None:
    reserve = FakeReserve()
    records = Records(tmp_path / "meta.db", reserve)
    records.start()

    def fill(connection: sqlite3.Connection, key: str) -> None:
        # The disk is full until the reserve was released.
        connection.execute(f"PRAGMA max_page_count = {10_000 if reserve.released else 20}")
        insert(connection, key, "v" * 200_000)

    with pytest.raises(OSError, match=r"No space left on device.*meta"):
        write(records, lambda db: fill(db, "new"))
    assert reserve.released == 0
    asyncio.run(records.write(lambda db: fill(db, "end"), spare=True))
    assert reserve.released == 1
    assert keys(records) == {"end"}
    assert reserve.kept > 1, "it is taken again as soon as possible"
    records.close()


def test_the_database_opens_with_the_help_of_the_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reserve = FakeReserve()
    records = Records(tmp_path / "meta.db", reserve)
    really = sqlite3.connect

    def connect(*words: object, **named: object) -> sqlite3.Connection:
        if not reserve.released:
            raise sqlite3.OperationalError("database or disk is full")
        made: sqlite3.Connection = really(*words, **named)  # type: ignore[call-overload]
        return made

    monkeypatch.setattr(sqlite3, "connect", connect)
    records.start()
    assert reserve.released == 1
    records.close()


def test_closed(records: Records) -> None:
    records.close()
    with pytest.raises(Unavailable, match="closed"):
        write(records, lambda c: insert(c, "a"))


@pytest.mark.parametrize(
    "damage", [b"this is not a database, by any means" * 200, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_damaged_database_is_put_aside(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "meta.db"
    for name in ("meta.db.damaged", "meta.db.damaged.2"):
        path.write_bytes(damage)
        records = Records(path)
        records.start()
        assert keys(records) == set()
        assert (tmp_path / name).read_bytes() == damage
        assert f"it is kept as {tmp_path / name}, and of its records nothing could be read" in caplog.text
        records.close()
    assert records.put_aside == [str(tmp_path / "meta.db.damaged"), str(tmp_path / "meta.db.damaged.2")]


def test_what_lies_around_a_torn_page_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "meta.db"
    records = Records(path)
    records.start()
    write(records, lambda c: str([insert(c, f"key{i:03}", "v" * 500) for i in range(400)]))
    records.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    records = Records(path)
    records.start()
    found = keys(records)
    assert {"key000", "key399"} <= found
    assert 350 < len(found) < 400
    assert f"{len(found)} settings could be read" in caplog.text
    records.close()


def test_newer_schema(tmp_path: Path) -> None:
    path = tmp_path / "meta.db"
    records = Records(path)
    records.start()
    write(records, lambda c: c.execute("INSERT INTO schema_version VALUES (?)", (len(MIGRATIONS) + 1,)).rowcount)
    records.close()
    with pytest.raises(Internal, match="newer version"):
        Records(path).start()


def test_directory_missing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        Records(tmp_path / "absent" / "meta.db").start()


def of_version(path: Path, version: int) -> None:
    """A database as that version of the schema made it, with a row in every table that has lived on."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)")
        for number in range(1, version + 1):
            db.executescript(f"{MIGRATIONS[number - 1]}; INSERT INTO schema_version VALUES ({number});")
        db.executescript(ROWS)
        for since, rows in LATER_ROWS.items():
            if version >= since:
                db.executescript(rows)


LATER_TABLES = {"used": 3, "cached": 4}
LATER_ROWS = {3: "INSERT INTO used VALUES ('i1', 5);", 4: "INSERT INTO cached VALUES ('b1', 7, 5);"}
ROWS = """
    INSERT INTO container VALUES ('c1', 'web', '{"id": "c1"}');
    INSERT INTO image VALUES ('i1', '{"layers": []}');
    INSERT INTO tag VALUES ('docker.io/library/x:1', 'i1');
    INSERT INTO layer VALUES ('l1', 5, NULL, '{}');
    INSERT INTO blob VALUES ('b1', 7, 'text/plain');
    INSERT INTO volume VALUES ('v1', '{"name": "v1"}');
    INSERT INTO network VALUES ('n1', '{"name": "bridge"}');
    INSERT INTO setting VALUES ('s1', 'on');
"""


def everything(records: Records) -> dict[str, list[tuple[object, ...]]]:
    return {table: records.read(f"SELECT * FROM {table}") for table in salvage.KEYS}


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_every_older_schema_is_brought_up_to_date_with_its_rows(tmp_path: Path, version: int) -> None:
    of_version(tmp_path / "old.db", version)
    of_version(tmp_path / "new.db", len(MIGRATIONS))
    old, new = Records(tmp_path / "old.db"), Records(tmp_path / "new.db")
    old.start()
    new.start()
    schema = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
    assert old.read(schema) == new.read(schema)
    later = {table for table, since in LATER_TABLES.items() if version < since}
    kept, wanted = everything(old), everything(new)
    assert {table for table in wanted if kept[table] != wanted[table]} == later
    assert all(len(kept[table]) == 1 for table in kept.keys() - later)
    assert old.read("SELECT max(version) FROM schema_version") == [(len(MIGRATIONS),)]
    old.close()
    new.close()


def test_an_upgrade_that_is_cut_short_leaves_the_older_schema(tmp_path: Path) -> None:
    """Killed before each of its statements in turn; the next start makes the whole of it."""
    statements = len(traced(tmp_path / "count.db", None))
    assert statements > 4
    for last in range(statements):
        path = tmp_path / f"{last}.db"
        traced(path, last)
        records = Records(path)
        records.start()
        assert records.read("SELECT max(version) FROM schema_version") == [(len(MIGRATIONS),)]
        assert all(len(rows) == 1 for table, rows in everything(records).items() if table not in LATER_TABLES)
        records.close()


def traced(path: Path, last: int | None) -> list[str]:
    """The statements of an upgrade from the first version, by a process that dies after the ``last`` of them."""
    of_version(path, 1)
    program = (
        "import os, sqlite3, sys\n"
        "from carrack.storage.records import Records\n"
        "seen, last = [], int(sys.argv[2])\n"
        "def trace(statement):\n"
        "    seen.append(statement)\n"
        "    if len(seen) > last >= 0: os._exit(1)\n"
        "class Traced(sqlite3.Connection):\n"
        "    def __init__(self, *words, **named):\n"
        "        super().__init__(*words, **named)\n"
        "        self.set_trace_callback(trace)\n"
        "really = sqlite3.connect\n"
        "sqlite3.connect = lambda *words, **named: really(*words, factory=Traced, **named)\n"
        "records = Records(sys.argv[1])\n"
        "records.start()\n"
        "print(len(seen))\n"
        "os._exit(0)\n"
    )
    command = [sys.executable, "-c", program, str(path), str(-1 if last is None else last)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if last is None else 1), done.stderr
    return [""] * int(done.stdout or 0)


def test_what_is_posted_is_written_in_its_turn(records: Records, caplog: pytest.LogCaptureFixture) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        raise ValueError("not this one")

    async def run() -> None:
        records.post(lambda c: c.execute("INSERT OR REPLACE INTO setting VALUES ('a', 'first')"))
        records.post(broken)
        await records.write(lambda c: c.execute("UPDATE setting SET value = 'then' WHERE key = 'a'"))
        assert records.read("SELECT value FROM setting WHERE key = 'a'") == [("then",)]
        records.post(lambda c: insert(c, "b"))
        while "b" not in keys(records):  # noqa: ASYNC110 - nobody else writes
            await asyncio.sleep(0.01)
        records.post(lambda c: insert(c, "c"))

    asyncio.run(run())
    assert "not this one" in caplog.text
    records.close()
    records.start()
    assert keys(records) == {"a", "b", "c"}
