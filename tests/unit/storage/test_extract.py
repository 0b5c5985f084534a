"""What needs no privilege; owners, devices and whiteouts are in tests/root/test_layers.py."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest
from tests.suites.tarballs import END, directory, file, hardlink, pax, symlink, whiteout

from carrack.linux.syscalls import LINUX
from carrack.storage.extract import Extractor, hide
from carrack.storage.tar import TarEntry, TarError, TarReader
from carrack.storage.tree import Tree

MINE = {"uid": os.getuid(), "gid": os.getgid()}


def unpack(root: Path, *blocks: bytes, overlay: bool = False) -> Tree:
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    extractor = Extractor(root_fd, LINUX, overlay=overlay)
    before = len(os.listdir("/proc/self/fd"))
    try:
        reader = TarReader(io.BytesIO(b"".join(blocks) + END))
        for entry in reader:
            entry.uid, entry.gid = MINE["uid"], MINE["gid"]
            extractor.entry(entry)
            for piece in reader.data():
                extractor.data(piece)
        extractor.finish()
    finally:
        extractor.close()
        assert len(os.listdir("/proc/self/fd")) == before
        os.close(root_fd)
    return extractor.tree


def test_files_directories_links(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        unpack(
            tmp_path,
            file(b"d/f", b"data" * 400, mode=0o4775),
            directory(b"d", mode=0o1777, mtime=99),
            symlink(b"s", b"d/f", mtime=7),
            hardlink(b"h", b"d/f"),
        )
    finally:
        os.umask(old)
    assert (tmp_path / "d/f").read_bytes() == b"data" * 400
    assert stat.S_IMODE((tmp_path / "h").stat().st_mode) == 0o4775
    assert (tmp_path / "h").stat().st_nlink == 2
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o1777
    assert (tmp_path / "d").stat().st_mtime == 99
    assert (tmp_path / "s").lstat().st_mtime == 7


def test_later_entries_replace_earlier_ones(tmp_path: Path) -> None:
    unpack(
        tmp_path,
        file(b"a", b"old"),
        symlink(b"a", b"/etc/passwd"),
        file(b"a", b"new"),
        directory(b"d/deep/er"),
        file(b"d/deep/f", b"kept"),
        hardlink(b"h", b"d/deep/f"),
        hardlink(b"d", b"d/deep/f"),
        symlink(b"e", b"h"),
        directory(b"e"),
    )
    assert (tmp_path / "a").read_bytes() == b"new"
    assert (tmp_path / "d").read_bytes() == b"kept"
    assert (tmp_path / "d").samefile(tmp_path / "h")
    assert (tmp_path / "e").is_dir()
    assert sorted(os.listdir(tmp_path)) == ["a", "d", "e", "h"]


def test_parents_through_links_even_dangling_ones_are_inside(tmp_path: Path) -> None:
    unpack(
        tmp_path,
        symlink(b"abs", b"/usr"),
        file(b"abs/f"),
        symlink(b"up", b"../../../lib"),
        file(b"up/deep/f"),
        file(b"up/g"),
    )
    assert (tmp_path / "usr/f").is_file()
    assert (tmp_path / "lib/deep/f").is_file()
    assert (tmp_path / "lib/g").is_file()


def test_more_directories_than_descriptors_are_kept(tmp_path: Path) -> None:
    unpack(tmp_path, *(file(b"d%d/f" % (index % 500), b"%d" % index) for index in range(1200)))
    assert (tmp_path / "d199/f").read_bytes() == b"1199"


def test_deep_nesting(tmp_path: Path) -> None:
    blocks = [pax({b"path": b"d/" * 1500 + b"f"}) + file(b"x", b"deep")]
    unpack(tmp_path, *blocks)
    unpack(tmp_path, file(b"d", b"replaced"))
    assert (tmp_path / "d").read_bytes() == b"replaced"


def test_bytes_of_a_whiteout_go_nowhere(tmp_path: Path) -> None:
    unpack(tmp_path, file(b"a", b"one"), file(b".wh.gone", b"bytes"), file(b"b", b"two"))
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    assert (tmp_path / "a").read_bytes() == b"one"


def test_errors_name_the_member(tmp_path: Path) -> None:
    with pytest.raises(TarError, match="absent"):
        unpack(tmp_path, hardlink(b"h", b"absent"))
    os.symlink("x", tmp_path / "x")
    with pytest.raises(OSError, match="x/inner") as caught:
        unpack(tmp_path, file(b"x/inner"))
    assert caught.value.errno


def test_hide_removes_what_whiteouts_name_and_nothing_through_links(tmp_path: Path) -> None:
    for name in ("gone/deep", "opaque/in", "linked/in", "kept/in"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "kept/file").touch()
    os.symlink("linked", tmp_path / "described")
    os.symlink("kept", tmp_path / "implied")
    (tmp_path / "taken").touch()
    tree = Tree()
    for entry in TarReader(
        io.BytesIO(
            whiteout(b"", b"gone")
            + file(b"opaque/.wh..wh..opq")
            + directory(b"described")
            + file(b"described/.wh..wh..opq")
            + whiteout(b"implied", b"file")
            + whiteout(b"absent", b"x")
            + file(b"taken/f")
            + END
        )
    ):
        tree.add(entry)
    root_fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    hide(root_fd, tree, LINUX)
    os.close(root_fd)
    assert sorted(os.listdir(tmp_path)) == ["described", "implied", "kept", "linked", "opaque", "taken"]
    assert os.listdir(tmp_path / "opaque") == []
    assert os.listdir(tmp_path / "linked") == ["in"]
    assert sorted(os.listdir(tmp_path / "kept")) == ["file", "in"]
    for name in ("described", "implied", "taken"):
        assert (tmp_path / name).is_dir()
        assert not (tmp_path / name).is_symlink()


def test_an_entry_is_made_before_its_data(tmp_path: Path) -> None:
    root_fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    extractor = Extractor(root_fd, LINUX, overlay=False)
    entry = TarEntry(b"f", b"0", 0o600)
    entry.uid, entry.gid = MINE["uid"], MINE["gid"]
    extractor.entry(entry)
    extractor.data(memoryview(b"half"))
    extractor.close()
    os.close(root_fd)
    assert (tmp_path / "f").read_bytes() == b"half"
