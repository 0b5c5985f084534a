"""Records: durable, grouped, isolated writes; clear errors for a damaged or newer database."""

import asyncio
import errno
import sqlite3
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from carrack.errors import Internal, Unavailable
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
def test_damaged_database(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "meta.db"
    path.write_bytes(damage)
    with pytest.raises(Internal, match=r"meta\.db is damaged .* restore it from a backup"):
        Records(path).start()
    assert path.read_bytes() == damage


def test_torn_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "meta.db"
    records = Records(path)
    records.start()
    write(records, lambda c: str([insert(c, f"key{i}", "v" * 500) for i in range(400)]))
    records.close()
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with pytest.raises(Internal, match="damaged"):
        Records(path).start()


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
