"""rpm's database: read without rpm, and whatever it may be."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.storage.test_rpmold import ndb

from carrack.storage import rpmdb

TAGS = {1000: "bash", 1001: "5.2", 1002: "3.fc42", 1014: "GPL-3.0", 1022: "x86_64"}


def header(values: dict[int, str], epoch: int | None = None, kind: int = 6) -> bytes:
    """A package as rpm keeps it."""
    index, store = b"", b""
    if epoch is not None:
        index += struct.pack(">IIiI", 1003, 4, 0, 1)
        store += struct.pack(">I", epoch)
    for tag, value in values.items():
        index += struct.pack(">IIiI", tag, kind, len(store), 1)
        store += value.encode() + b"\0"
    return struct.pack(">II", len(index) // 16, len(store)) + index + store


def database(folder: Path, *blobs: bytes, page: int = 4096) -> bytes:
    path = folder / "rpmdb.sqlite"
    path.unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA page_size = {page}")
        connection.execute("CREATE TABLE Other (a)")
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(blob,) for blob in blobs])
    connection.close()
    return path.read_bytes()


def test_packages(tmp_path: Path) -> None:
    data = database(tmp_path, header(TAGS, 4), header({**TAGS, 1000: "zlib"}, kind=9), header({1000: "gpg-pubkey"}))
    one, other = rpmdb.packages(data)
    assert one == rpmdb.RpmPackage("bash", "5.2", "3.fc42", "x86_64", "4", "GPL-3.0")
    assert (other.name, other.epoch) == ("zlib", "")


@pytest.mark.parametrize("page", [512, 1024, 4096, 65536])
def test_many_pages_and_rows_over_several(tmp_path: Path, page: int) -> None:
    blobs = [header({**TAGS, 1000: f"p{number}", 1014: "x" * (number * 700)}) for number in range(120)]
    found = rpmdb.packages(database(tmp_path, *blobs, page=page))
    assert [each.name for each in found] == [f"p{number}" for number in range(120)]
    assert [len(each.license) for each in found] == [number * 700 for number in range(120)]


def test_the_older_forms_hold_the_same_headers() -> None:
    data = ndb([header(TAGS, 4), header({1000: "gpg-pubkey"})])
    assert rpmdb.packages(data) == [rpmdb.RpmPackage("bash", "5.2", "3.fc42", "x86_64", "4", "GPL-3.0")]


@pytest.mark.parametrize(
    "data", [b"", b"RpmP" + bytes([1]) * 5000, b"SQLite format 3\0", b"SQLite format 3\0" + bytes(5000)]
)
def test_other_forms(data: bytes) -> None:
    with pytest.raises(rpmdb.Unreadable):
        rpmdb.packages(data)


def test_cut_short(tmp_path: Path) -> None:
    data = database(tmp_path, *(header({**TAGS, 1014: "x" * 9000}) for _ in range(20)))
    for size in range(100, len(data), 3001):
        with pytest.raises(rpmdb.Unreadable):
            rpmdb.packages(data[:size])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20000), st.integers(0, 255)), min_size=1, max_size=30))
def test_damage_ends(changes: list[tuple[int, int]]) -> None:
    data = bytearray(_WHOLE)
    for place, value in changes:
        data[place % len(data)] = value
    try:
        rpmdb.packages(bytes(data))
    except rpmdb.Unreadable:
        pass


def _whole() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return database(Path(folder), *(header({**TAGS, 1014: "x" * 900}) for _ in range(20)), page=1024)


_WHOLE = _whole()
