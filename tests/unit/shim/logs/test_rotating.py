from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.shim.logs.rotating import Rotating, gzipped


class Lines(Rotating):
    def write(self, *lines: bytes) -> None:
        self._append(list(lines))

    def settle(self) -> None:
        self._await_child()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def test_a_full_file_is_rotated_before_the_next_entry(directory: int, tmp_path: Path) -> None:
    file = Lines(directory, "l", 4, 3, None)
    file.write(b"a\n", b"b\n", b"c\n")
    file.write(b"d\n")
    file.write(b"e\n")
    file._close()
    assert [(tmp_path / name).read_bytes() for name in ("l.2", "l.1", "l")] == [b"a\nb\n", b"c\nd\n", b"e\n"]


def test_older_files_are_compressed_and_shifted(directory: int, tmp_path: Path) -> None:
    file = Lines(directory, "l", 4, 3, gzipped)
    for number in range(5):
        file.write(b"%d--\n" % number)
    file.settle()
    file._close()
    assert names(tmp_path) == ["l", "l.1.gz", "l.2.gz"]
    assert gzip.decompress((tmp_path / "l.1.gz").read_bytes()) == b"3--\n"
    assert gzip.decompress((tmp_path / "l.2.gz").read_bytes()) == b"2--\n"


def test_both_forms_of_a_file_left_by_a_crash_do_not_last(directory: int, tmp_path: Path) -> None:
    (tmp_path / "l.1").write_bytes(b"old\n")
    (tmp_path / "l.1.gz").write_bytes(gzip.compress(b"old\n"))
    (tmp_path / "l.1.tmp").write_bytes(b"half")
    file = Lines(directory, "l", 4, 3, gzipped)
    for number in range(3):
        file.write(b"%d--\n" % number)
    file.settle()
    file._close()
    assert names(tmp_path) == ["l", "l.1.gz", "l.2.gz"]


def test_a_link_in_place_of_the_file_is_not_followed(directory: int, tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        Lines(directory, "l", 0, 1, None)


def test_a_full_disk_loses_entries_and_counts_them(directory: int, tmp_path: Path) -> None:
    file = Lines(directory, "l", 0, 1, None)
    os.dup2(os.open("/dev/full", os.O_WRONLY), file._fd)
    file.write(b"a\n", b"b\n")
    assert file.lost == 2
    file._close()
