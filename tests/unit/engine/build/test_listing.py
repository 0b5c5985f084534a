"""The list of a context's files."""

from __future__ import annotations

import pytest

from carrack.engine.build.listing import entry, rows
from carrack.errors import InvalidArgument


def test_rows() -> None:
    data = b"a\x000 644 5 7 m\0\0l\x002 777 0 7 n\0a\0"
    (path, mark, target), (link, other, leads) = rows(data)
    assert (path, mark, target) == (b"a", b"0 644 5 7 m\0", b"")
    assert (link, other, leads) == (b"l", b"2 777 0 7 n\0a", b"a")
    assert list(rows(b"")) == []


def test_entries() -> None:
    file = entry(b"a", b"0 4644 5 -7 m\0", b"")
    assert (file.kind, file.mode, file.size, file.mtime, file.mark) == (b"0", 0o4644, 5, -7, b"0 4644 5 -7 m\0")
    assert entry(b"a", b"0 644 5 7 -\0", b"").mark == b""
    link = entry(b"l", b"2 777 9 7 n\0a", b"a")
    assert (link.link, link.size) == (b"a", 0)


@pytest.mark.parametrize(
    "mark", [b"", b"0 644 5 7", b"0 9 5 7 m", b"0 644 -1 7 m", b"0 644 x 7 m", b"3 644 0 7 m", b"0 77777 0 7 m"]
)
def test_looks_of_no_file(mark: bytes) -> None:
    with pytest.raises(InvalidArgument, match="the list of files says what"):
        entry(b"a", mark, b"")


@pytest.mark.parametrize("data", [b"a", b"a\0b\0", b"a\x000 644 5 7 m\0\0b"])
def test_a_list_cut_short(data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="cut short"):
        list(rows(data))


def test_a_list_of_nothing_but_ends() -> None:
    """Half a gigabyte of them would be four of pointers."""
    with pytest.raises(InvalidArgument, match="longer than"):
        next(rows(bytes(3_000_001)))
