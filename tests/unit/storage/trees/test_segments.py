"""Segments."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.storage.trees.segments import Segment


def read(segment: Segment, place: int, size: int) -> bytes:
    return b"".join(segment.read(place, size))


def test_places_count_on(tmp_path: Path) -> None:
    segment = Segment(tmp_path, 100)
    segment.write(b"abc")
    segment.write(memoryview(b"d" * 400_000))
    assert segment.end == 100 + 3 + 400_000
    assert (read(segment, 101, 2), read(segment, 100, 3), read(segment, 103, 4)) == (b"bc", b"abc", b"dddd")
    assert read(segment, 103, 400_000) == b"d" * 400_000
    segment.release()


@pytest.mark.parametrize("size", [10, 300_000])
def test_what_was_cut_short(tmp_path: Path, size: int) -> None:
    segment = Segment(tmp_path, 0)
    segment.write(b"x" * size)
    os.truncate(segment.path, size - 1)
    with pytest.raises(OSError, match="cut short"):
        read(segment, 0, size)
    segment.release()


def test_a_few_bytes_need_no_file(tmp_path: Path) -> None:
    segment = Segment(tmp_path, 100, 8)
    assert read(segment, 100, 0) == b""
    segment.write(b"abcd")
    segment.write(memoryview(b"efgh"))
    assert (list(tmp_path.iterdir()), segment.size, read(segment, 102, 4)) == ([], 8, b"cdef")
    segment.write(b"i")
    assert (list(tmp_path.iterdir()), segment.end) == ([segment.path], 109)
    segment.write(b"j")
    assert (read(segment, 100, 10), read(segment, 107, 3)) == (b"abcdefghij", b"hij")
    segment.release()
    small = Segment(tmp_path, 0, 8)
    small.write(b"x")
    small.release()
    assert list(tmp_path.iterdir()) == []


def test_it_goes_with_the_last_that_holds_it(tmp_path: Path) -> None:
    segment = Segment(tmp_path, 0)
    segment.write(b"x")
    segment.hold().release()
    assert segment.path.exists()
    segment.release()
    assert list(tmp_path.iterdir()) == []
