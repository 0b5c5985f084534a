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


def test_it_goes_with_the_last_that_holds_it(tmp_path: Path) -> None:
    segment = Segment(tmp_path, 0)
    segment.hold().release()
    assert segment.path.exists()
    segment.release()
    assert list(tmp_path.iterdir()) == []
