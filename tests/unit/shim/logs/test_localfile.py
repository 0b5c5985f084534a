from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from carrack.shim.logs import localformat
from carrack.shim.logs.lines import Message, Part
from carrack.shim.logs.localfile import LocalFile
from carrack.shim.logs.localformat import MARK


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_PATH)
    yield fd
    os.close(fd)


def texts(path: Path) -> list[tuple[int, bytes]]:
    data = path.read_bytes()
    return [(kind, text) for kind, _, text, _ in localformat.records(data, len(localformat.MAGIC)) if kind != MARK]


def test_output_becomes_records(directory: int, tmp_path: Path) -> None:
    file = LocalFile(directory, "l", 0, 1, False)
    file.write("stdout", b"one\n\xff\x00tw")
    file.write("stderr", b"err\n")
    file.close()
    assert texts(tmp_path / "l") == [(1, b"one"), (2, b"err"), (0x81, b"\xff\x00tw")]


def test_pieces_go_on_until_the_last(directory: int, tmp_path: Path) -> None:
    file = LocalFile(directory, "l", 0, 1, False)
    file.add([Message(1, 5, b"a", Part("p", 1, False)), Message(1, 5, b"b", Part("p", 2, True))])
    file.close()
    assert texts(tmp_path / "l") == [(0x81, b"a"), (1, b"b")]


def test_another_run_goes_on_behind_the_last_whole_record(directory: int, tmp_path: Path) -> None:
    for number in range(3):
        file = LocalFile(directory, "l", 0, 1, False)
        file.add([Message(1, 1000 * number + n, b"x" * 1000) for n in range(100)])
        file.close()
        with (tmp_path / "l").open("ab") as torn:
            torn.write(b"\x05\0\0\0\x01torn")
    size = (tmp_path / "l").stat().st_size
    fd = os.open(tmp_path / "l", os.O_RDONLY)
    found = localformat.blocks(partial(os.pread, fd), size)
    os.close(fd)
    assert len(texts(tmp_path / "l")) == 300
    assert [block.count for block in found[:-1]] == [100, 100, 100]
    assert [(block.earliest, block.latest) for block in found[:-1]] == [(0, 99), (1000, 1099), (2000, 2099)]


def test_what_is_no_log_is_begun_anew(directory: int, tmp_path: Path) -> None:
    (tmp_path / "l").write_bytes(b"something else that lies here")
    file = LocalFile(directory, "l", 0, 1, False)
    file.write("stdout", b"one\n")
    file.close()
    assert texts(tmp_path / "l") == [(1, b"one")]


def test_rotated_files_are_compressed_with_an_index(directory: int, tmp_path: Path) -> None:
    file = LocalFile(directory, "l", 100_000, 3, True)
    for number in range(40):
        file.add([Message(1, number, b"x" * 10_000)])
    file._await_child()
    file.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l", "l.1.z", "l.2.z"]
    fd = os.open(tmp_path / "l.1.z", os.O_RDONLY)
    blocks = localformat.packed_blocks(partial(os.pread, fd), os.fstat(fd).st_size)
    os.close(fd)
    assert sum(block.count for block in blocks) == 10
    assert (blocks[0].earliest, blocks[-1].latest) == (20, 29)
