"""Unpacking uploads: Docker's rules for what replaces what, and no way out of the root."""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.linux.syscalls import LINUX
from carrack.storage import tarheader, tarwriter
from carrack.storage.unpack import unpack

ME = (os.getuid(), os.getgid())
FILE, DIRECTORY, SYMLINK, HARDLINK = tarheader.REGULAR, tarheader.DIRECTORY, tarheader.SYMLINK, tarheader.HARDLINK


@pytest.fixture
def top(tmp_path: Path) -> Path:
    (tmp_path / "root" / "dst").mkdir(parents=True)
    (tmp_path / "canary").write_text("untouched")
    return tmp_path / "root"


@pytest.fixture
def fd(top: Path) -> Iterator[int]:
    opened = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    yield opened
    os.close(opened)


def tar(*entries: tuple[bytes, bytes, bytes]) -> io.BytesIO:
    out = io.BytesIO()
    for path, kind, content in entries:
        link = content if kind in (SYMLINK, HARDLINK) else b""
        data = content if kind == FILE else b""
        mode = 0o755 if kind == DIRECTORY else 0o640
        out.write(tarwriter.header(path, kind, mode, size=len(data), mtime=1_000_000, link=link))
        out.write(data + tarwriter.padding(len(data)))
    tarwriter.finish(out.write)
    out.seek(0)
    return out


def put(fd: int, archive: io.BytesIO, path: str = "/dst", **more: Any) -> None:
    unpack(LINUX, fd, path, archive, owner=ME, **more)


def test_files_directories_links_and_times(fd: int, top: Path) -> None:
    put(
        fd,
        tar(
            (b"d/", DIRECTORY, b""),
            (b"d/f", FILE, b"hello" * 1000),
            (b"missing/parent/g", FILE, b"g"),
            (b"l", SYMLINK, b"d/f"),
            (b"h", HARDLINK, b"d/f"),
            (b"p", tarheader.FIFO, b""),
        ),
    )
    made = top / "dst"
    assert (made / "d" / "f").read_text() == "hello" * 1000
    assert (made / "d").stat().st_mtime == 1_000_000
    assert (made / "d" / "f").stat().st_mode & 0o777 == 0o640
    assert (made / "missing" / "parent" / "g").read_text() == "g"
    assert os.readlink(made / "l") == "d/f"
    assert (made / "h").stat().st_ino == (made / "d" / "f").stat().st_ino
    assert (made / "p").is_fifo()


def test_what_replaces_what(fd: int, top: Path) -> None:
    (top / "dst" / "kept").mkdir()
    (top / "dst" / "kept" / "old").write_text("old")
    (top / "dst" / "dir").mkdir()
    (top / "dst" / "dir" / "x").write_text("x")
    (top / "dst" / "file").write_text("y")
    put(fd, tar((b"kept/", DIRECTORY, b""), (b"dir", FILE, b"now a file"), (b"file/", DIRECTORY, b"")))
    assert (top / "dst" / "kept" / "old").read_text() == "old"
    assert (top / "dst" / "dir").read_text() == "now a file"
    assert (top / "dst" / "file").is_dir()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ((b"dir", FILE, b"x"), 'cannot overwrite directory "dir" with non-directory "/dst"'),
        ((b"file/", DIRECTORY, b""), 'cannot overwrite non-directory "file" with directory "/dst"'),
    ],
)
def test_kinds_kept_on_request(fd: int, top: Path, entry: tuple[bytes, bytes, bytes], message: str) -> None:
    (top / "dst" / "dir").mkdir()
    (top / "dst" / "file").write_text("y")
    with pytest.raises(InvalidArgument, match=message):
        put(fd, tar(entry), no_overwrite_dir_non_dir=True)


def test_targets(fd: int, top: Path) -> None:
    (top / "file").write_text("x")
    (top / "link").symlink_to("/dst")
    with pytest.raises(InvalidArgument, match="extraction point is not a directory"):
        put(fd, tar(), "/file")
    with pytest.raises(FileNotFoundError):
        put(fd, tar(), "/absent")
    put(fd, tar((b"f", FILE, b"1")), "/link")
    assert (top / "dst" / "f").read_text() == "1"


@pytest.mark.parametrize(
    "entries",
    [
        [(b"../../canary", FILE, b"bad")],
        [(b"l", SYMLINK, b"../../.."), (b"l/canary", FILE, b"bad")],
        [(b"l", SYMLINK, b"/../../.."), (b"l/canary", FILE, b"bad")],
        [(b"l", SYMLINK, b"/proc/self/root"), (b"l/canary", FILE, b"bad")],
        [(b"h", HARDLINK, b"../../canary"), (b"h", FILE, b"bad")],
        [(b"l", SYMLINK, b"../../canary"), (b"h", HARDLINK, b"l"), (b"h", FILE, b"bad")],
        [(b"canary", SYMLINK, b"../../canary"), (b"canary", FILE, b"bad")],
    ],
)
def test_no_way_out(fd: int, top: Path, entries: list[tuple[bytes, bytes, bytes]]) -> None:
    try:
        put(fd, tar(*entries))
    except (InvalidArgument, OSError):
        pass
    assert (top.parent / "canary").read_text() == "untouched"
    assert sorted(os.listdir(top.parent)) == ["canary", "root"]
    assert (top.parent / "canary").stat().st_nlink == 1


def test_torn_archive(fd: int) -> None:
    whole = tar((b"f", FILE, b"x" * 2000)).getvalue()
    with pytest.raises(InvalidArgument):
        put(fd, io.BytesIO(whole[:1000]))


NAME = st.sampled_from([b"a", b"a/b", b"a/b/c", b"l", b"l/a", b"l/l", b"../a", b"/a", b"a/../../a"])
TARGET = st.sampled_from([b"/", b"..", b"../..", b"/../..", b"a", b"l", b"/dst/a", b"../../canary", b"../outside"])
ENTRY = st.one_of(
    st.tuples(NAME, st.just(FILE), st.just(b"bad")),
    st.tuples(NAME, st.just(DIRECTORY), st.just(b"")),
    st.tuples(NAME, st.sampled_from([SYMLINK, HARDLINK]), TARGET),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(ENTRY, max_size=6))
def test_nothing_outside_ever_changes(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[bytes, bytes, bytes]]
) -> None:
    base = tmp_path_factory.mktemp("u")
    (base / "root" / "dst").mkdir(parents=True)
    (base / "canary").write_text("untouched")
    (base / "outside").mkdir()
    opened = os.open(base / "root", os.O_RDONLY | os.O_DIRECTORY)
    try:
        put(opened, tar(*entries))
    except (InvalidArgument, OSError):
        pass
    finally:
        os.close(opened)
    assert (base / "canary").read_text() == "untouched"
    assert sorted(os.listdir(base)) == ["canary", "outside", "root"]
    assert os.listdir(base / "outside") == []
