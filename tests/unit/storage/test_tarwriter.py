"""Tar headers written by hand: read back by our own reader and by tarfile, and stable to the byte."""

import io
import os
import tarfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.storage import tarheader, tarwriter
from carrack.storage.tar import TarReader

PART = st.text(st.characters(codec="utf-8", exclude_characters="\0/"), min_size=1, max_size=60).filter(
    lambda part: part not in (".", "..")
)
PATH = st.lists(PART, min_size=1, max_size=6).map("/".join)
NUMBER = st.integers(0, 0xFFFFFFFE)


def archive(*parts: bytes) -> io.BytesIO:
    out = io.BytesIO()
    for part in parts:
        out.write(part)
    tarwriter.finish(out.write)
    out.seek(0)
    return out


@settings(max_examples=150, deadline=None)
@given(PATH, NUMBER, NUMBER, st.integers(0, 0o7777), st.integers(-(1 << 35), 1 << 35), st.binary(max_size=600))
def test_files_read_back(path: str, uid: int, gid: int, mode: int, mtime: int, data: bytes) -> None:
    name = path.encode()
    head = tarwriter.header(name, tarheader.REGULAR, mode, uid=uid, gid=gid, size=len(data), mtime=mtime)
    made = archive(head, data, tarwriter.padding(len(data)))
    reader = TarReader(made)
    (entry,) = [(e, b"".join(bytes(piece) for piece in reader.data())) for e in reader]
    assert (entry[0].path, entry[0].uid, entry[0].gid, entry[0].mode) == (name, uid, gid, mode)
    assert (entry[0].mtime, entry[1]) == (mtime, data)
    with tarfile.open(fileobj=io.BytesIO(made.getvalue())) as foreign:
        (member,) = foreign.getmembers()
        assert (member.name, member.uid, member.gid, member.mtime) == (path.rstrip("/"), uid, gid, mtime)


@settings(max_examples=150, deadline=None)
@given(PATH, NUMBER, NUMBER, st.integers(0, 0o177777), st.integers(-(1 << 35), 1 << 35), st.binary(max_size=1100))
def test_small_files_are_written_as_all_others(
    path: str, uid: int, gid: int, mode: int, mtime: int, data: bytes
) -> None:
    name = path.encode()
    head = tarwriter.header(name, tarheader.REGULAR, mode, uid=uid, gid=gid, size=len(data), mtime=mtime)
    assert tarwriter.small_file(name, mode, uid, gid, data, mtime) == head + data + tarwriter.padding(len(data))


@settings(max_examples=50, deadline=None)
@given(PATH, st.binary(min_size=1, max_size=300).filter(lambda target: b"\0" not in target))
def test_links_and_attributes_read_back(path: str, target: bytes) -> None:
    attributes = {b"user.b": b"\0\xff", b"user.a": b"x" * 200}
    head = tarwriter.header(path.encode(), tarheader.SYMLINK, 0o777, link=target, xattrs=attributes)
    (entry,) = list(TarReader(archive(head)))
    assert (entry.link, entry.xattrs) == (target, attributes)


def test_pax_only_when_needed() -> None:
    assert len(tarwriter.header(b"a/" * 49 + b"b", tarheader.REGULAR, 0o644, uid=8**7 - 1, size=8**11 - 1)) == 512
    assert len(tarwriter.header(b"d/" * 70 + b"b", tarheader.REGULAR, 0o644)) == 512
    assert len(tarwriter.header(b"caf\xe9", tarheader.REGULAR, 0o644)) == 512
    for more in ({"uid": 8**7}, {"mtime": -1}, {"size": 8**11}, {"link": b"x" * 101}):
        assert len(tarwriter.header(b"a", tarheader.REGULAR, 0o644, **more)) == 1536


def test_devices() -> None:
    (entry,) = list(TarReader(archive(tarwriter.header(b"d", tarheader.CHARACTER, 0o600, major=259, minor=70000))))
    assert (entry.major, entry.minor) == (259, 70000)


def test_a_file_that_shrinks_is_padded_and_growth_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"abc")
    fd = os.open(path, os.O_RDONLY)
    out = io.BytesIO()
    tarwriter.write_file(out.write, fd, 5)
    os.lseek(fd, 0, os.SEEK_SET)
    tarwriter.write_file(out.write, fd, 2)
    assert out.getvalue() == b"abc" + bytes(509) + b"ab" + bytes(510)
    for size in (0, 1 << 16, (1 << 18) + 512):  # nothing; more than is read at once
        out = io.BytesIO()
        os.lseek(fd, 0, os.SEEK_SET)
        tarwriter.write_file(out.write, fd, size)
        assert out.getvalue() == b"abc"[:size].ljust(size, b"\0")
    os.close(fd)


def test_small_helpers() -> None:
    out = io.BytesIO()
    tarwriter.write_directory(out.write, b"blobs/")
    tarwriter.write_bytes(out.write, b"blobs/x", b"hello", mtime=7)
    tarwriter.finish(out.write)
    out.seek(0)
    with tarfile.open(fileobj=out) as foreign:
        assert foreign.getnames() == ["blobs", "blobs/x"]
        assert foreign.getmember("blobs/x").mtime == 7
        assert out.tell() % 512 == 0
