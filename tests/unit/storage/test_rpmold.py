"""The older forms of rpm's database: ndb by hand, as it is too rare to be made here; Berkeley DB's by itself."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.storage import rpmold

BLOBS = [b"a" * 10, b"b" * 9000, b"c" * 100, b"d" * 40_000]
#: Debian's Python has Berkeley DB behind dbm.ndbm
_MAKE = """import dbm.ndbm, sys
made = dbm.ndbm.open(sys.argv[1], "n")
for number, size in enumerate(map(int, sys.argv[2:])):
    made[number.to_bytes(4, "little")] = bytes([97 + number]) * size
made.close()
"""


def ndb(blobs: Sequence[bytes]) -> bytes:
    """A database as rpm's ndb writes it: a page of slots, then the blobs, each with a head and a tail."""
    slots, body = struct.pack("<4sIII16x", b"RpmP", 0, 7, 1), b""
    for number, blob in enumerate(blobs, 1):
        whole = struct.pack("<4sIII", b"BlbS", number, 7, len(blob)) + blob
        whole += bytes(-(len(whole) + 12) % 16) + struct.pack("<II4s", 0, len(blob), b"BlbE")
        slots += struct.pack("<4sIII", b"Slot", number, (4096 + len(body)) // 16, len(whole) // 16)
        body += whole
    while len(slots) < 4096:
        slots += struct.pack("<4sIII", b"Slot", 0, 0, 0)
    return slots + body


def berkeley(folder: Path, *sizes: int) -> bytes:
    done = subprocess.run(["/usr/bin/python3", "-c", _MAKE, str(folder / "db"), *map(str, sizes)], check=False)
    if done.returncode or not (folder / "db.db").exists():
        pytest.skip("no Python here that writes Berkeley DB's files")
    return (folder / "db.db").read_bytes()


def read(data: bytes) -> list[bytes]:
    found = rpmold.blobs(data)
    assert found is not None
    return list(found)


def test_ndb() -> None:
    assert read(ndb(BLOBS)) == BLOBS


def test_a_hash_file_of_berkeley_db(tmp_path: Path) -> None:
    sizes = [*map(len, BLOBS), *[200] * 20]
    found = read(berkeley(tmp_path, *sizes))
    assert sorted(map(len, found)) == sorted(sizes)
    assert set(BLOBS) <= set(found)


def test_other_files() -> None:
    for data in (b"", b"SQLite format 3\0" + bytes(600), bytes(600)):
        assert rpmold.blobs(data) is None


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 255)), min_size=1, max_size=30), st.booleans())
def test_damage_ends(changes: list[tuple[int, int]], hashed: bool) -> None:
    data = bytearray(_HASHED if hashed else ndb(BLOBS))
    for place, value in changes:
        data[place % len(data)] = value
    try:
        for blob in rpmold.blobs(bytes(data)) or ():
            assert len(blob) <= len(data)
    except (struct.error, IndexError, ValueError):
        pass


def _hashed() -> bytes:
    """Three pages of a hash file: its own, one of two items, one of a part of a large value."""
    head = bytearray(512)
    struct.pack_into("<I", head, 12, 0x061561)
    struct.pack_into("<I", head, 20, 512)
    page = bytearray(512)
    page[25] = 13
    struct.pack_into("<H", page, 20, 4)
    struct.pack_into("<4H", page, 26, 507, 495, 490, 470)
    page[507] = page[490] = page[470] = 1
    struct.pack_into("<B3xII", page, 495, 3, 2, 100)
    large = bytearray(512)
    large[25] = 7
    struct.pack_into("<H", large, 22, 100)
    return bytes(head + page + large)


_HASHED = _hashed()


def test_the_pages_of_a_hash_file() -> None:
    large, small = read(_HASHED)
    assert (len(large), len(small)) == (100, 19)
