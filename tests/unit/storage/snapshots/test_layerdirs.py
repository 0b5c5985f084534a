from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.errors import Internal, InvalidArgument, NotFound
from carrack.storage.snapshots.layerdirs import LayerDirectories, LayerNotes

DIFF_ID = "sha256:" + "ab" * 32
NOTES = LayerNotes((b"usr", b"usr/\xff"), (b"etc",), True, False, 512)


def make(directories: LayerDirectories, diff_id: str = DIFF_ID) -> None:
    staging = directories.begin()
    (staging / "content").touch()
    directories.commit(staging, diff_id, NOTES)


def test_a_layer_appears_at_its_commit(tmp_path: Path) -> None:
    steps: list[tuple[str, bool]] = []
    directories = LayerDirectories(tmp_path)
    directories.step = lambda name: steps.append((name, directories.has(DIFF_ID)))
    make(directories)
    assert steps == [
        ("notes", False),
        ("names", False),
        ("rename", False),
        ("parent", True),
        ("done", True),
    ]
    assert directories.ids() == [DIFF_ID]
    assert (directories.find(DIFF_ID) / "content").is_file()
    assert directories.notes(DIFF_ID) == NOTES


def test_the_second_of_two_equal_layers_is_dropped(tmp_path: Path) -> None:
    directories = LayerDirectories(tmp_path)
    make(directories)
    make(directories)
    assert list((tmp_path / "ingest").iterdir()) == []


def test_remove_and_sweep(tmp_path: Path) -> None:
    directories = LayerDirectories(tmp_path)
    make(directories)
    directories.remove(DIFF_ID)
    directories.remove(DIFF_ID)
    assert directories.ids() == []
    in_the_making = directories.begin()
    (tmp_path / "ingest" / "garbage").mkdir()
    LayerDirectories(tmp_path).sweep()  # another process's, as far as the lock goes
    assert list((tmp_path / "ingest").iterdir()) == [in_the_making]
    directories.discard(in_the_making)
    assert list((tmp_path / "ingest").iterdir()) == []


def test_a_file_that_cannot_be_made_leaves_no_directory(tmp_path: Path) -> None:
    directories = LayerDirectories(tmp_path)
    with pytest.raises(FileNotFoundError):
        directories.begin_file("no/such/folder")
    assert list((tmp_path / "ingest").iterdir()) == []
    staging, fd = directories.begin_file("image")
    assert os.write(fd, b"x") == 1
    os.close(fd)
    directories.discard(staging)


def test_descriptors_do_not_pile_up(tmp_path: Path) -> None:
    directories = LayerDirectories(tmp_path)
    before = len(os.listdir("/proc/self/fd"))
    make(directories)
    make(directories)
    directories.discard(directories.begin())
    directories.remove(DIFF_ID)
    assert len(os.listdir("/proc/self/fd")) == before


def test_unknown_and_damaged_layers(tmp_path: Path) -> None:
    directories = LayerDirectories(tmp_path)
    with pytest.raises(NotFound, match=DIFF_ID):
        directories.notes(DIFF_ID)
    for bad in ("sha256:../../x", "", "sha512:" + "0" * 128):
        with pytest.raises(InvalidArgument):
            directories.has(bad)
    make(directories)
    for damage in (b"", b"{", b"[]", b'{"implicit": 3}'):
        (directories.find(DIFF_ID) / "notes").write_bytes(damage)
        with pytest.raises(Internal, match="damaged"):
            LayerDirectories(tmp_path).notes(DIFF_ID)
    (tmp_path / "layers" / "lost+found").mkdir()
    assert directories.ids() == [DIFF_ID]
