from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.cli.files import pack, unpack
from carrack.errors import InvalidArgument


def tree(root: Path) -> Path:
    (root / "d" / "e").mkdir(parents=True)
    (root / "d" / "file").write_bytes(b"x" * 70_000)
    (root / "d" / "file").chmod(0o640)
    os.link(root / "d" / "file", root / "d" / "hard")
    (root / "d" / "link").symlink_to("file")
    os.mkfifo(root / "d" / "pipe")
    (root / "d" / "e").chmod(0o500)
    os.utime(root / "d", (1, 1))
    return root / "d"


def archive(*members: tuple[tarfile.TarInfo, bytes]) -> Iterator[bytes]:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as writer:
        for info, data in members:
            info.size = len(data)
            writer.addfile(info, io.BytesIO(data))
    yield buffer.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_there_and_back(tmp_path: Path) -> None:
    source = tree(tmp_path)
    target = tmp_path / "out"
    target.mkdir()
    unpack(pack(str(source), "d"), str(target), lambda name: name.replace("d", "copy", 1))
    copy = target / "copy"
    assert (copy / "file").read_bytes() == b"x" * 70_000
    assert (copy / "file").stat().st_mode & 0o777 == 0o640
    assert os.path.samefile(copy / "file", copy / "hard") is False or (copy / "file").stat().st_nlink == 2
    assert os.readlink(copy / "link") == "file"
    assert (copy / "pipe").is_fifo()
    assert (copy / "e").stat().st_mode & 0o777 == 0o500
    assert copy.stat().st_mtime == 1


def test_the_archive_is_a_real_one(tmp_path: Path) -> None:
    data = b"".join(pack(str(tree(tmp_path)), "n"))
    with tarfile.open(fileobj=io.BytesIO(data)) as reader:
        assert reader.getnames() == ["n", "n/e", "n/file", "n/hard", "n/link", "n/pipe"]
        assert reader.getmember("n/hard").linkname == "n/file"


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/../evil"])
def test_names_that_climb_are_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(InvalidArgument, match="outside the destination"):
        unpack(archive((member(name), b"x")), str(target), lambda each: each)
    assert not (tmp_path / "evil").exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link in the archive, then a file through it: the way of CVE-2018-15664 and its kin."""
    target, outside = tmp_path / "out", tmp_path / "outside"
    target.mkdir()
    outside.mkdir()
    evil = archive((member("way", tarfile.SYMTYPE, str(outside)), b""), (member("way/evil"), b"x"))
    with pytest.raises(OSError, match="way/evil"):
        unpack(evil, str(target), lambda each: each)
    assert list(outside.iterdir()) == []
    (target / "file").symlink_to(outside / "made")
    unpack(archive((member("file"), b"x")), str(target), lambda each: each)
    assert not (outside / "made").exists()
    assert (target / "file").read_bytes() == b"x"


def test_a_hard_link_stays_inside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    target = tmp_path / "out"
    target.mkdir()
    for name in ("../secret", str(tmp_path / "secret")):
        with pytest.raises((InvalidArgument, OSError)):
            unpack(archive((member("x", tarfile.LNKTYPE, name), b"")), str(target), lambda each: each)
        assert not (target / "x").exists()


def test_members_of_several_directories_in_any_order(tmp_path: Path) -> None:
    hard = member("b/hard", tarfile.LNKTYPE, "a/1")
    given = [(member("a/1"), b"x"), (member("b/2"), b"y"), (hard, b""), (member("b/1"), b"z"), (member("a/2"), b"")]
    unpack(archive(*given, (member("top"), b"t"), (member("a/2"), b"again")), str(tmp_path), lambda each: each)
    found = {str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()}
    assert found == {"a/1": "x", "a/2": "again", "b/1": "z", "b/2": "y", "b/hard": "x", "top": "t"}
    assert (tmp_path / "a/1").samefile(tmp_path / "b/hard")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(InvalidArgument, match="the destination itself"):
        unpack(archive((member("c/x", tarfile.LNKTYPE, "."), b"")), str(tmp_path), lambda each: each)
    assert len(os.listdir("/proc/self/fd")) == before
