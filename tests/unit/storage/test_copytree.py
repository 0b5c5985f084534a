"""Copying trees: everything that a file system says of a file arrives."""

import os
import stat
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage.copytree import copy_tree


def copy(source: Path, target: Path) -> None:
    fds = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in (source, target)]
    try:
        copy_tree(LINUX, *fds)
    finally:
        for fd in fds:
            os.close(fd)


def facts(top: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in [top, *sorted(top.rglob("*"))]:
        entry = path.lstat()
        data = path.read_bytes() if stat.S_ISREG(entry.st_mode) else os.readlink(path) if path.is_symlink() else None
        found[str(path.relative_to(top))] = (entry.st_mode, entry.st_uid, entry.st_gid, entry.st_mtime_ns, data)
    return found


def test_copy(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "d" / "e").mkdir(parents=True)
    (source / "d" / "f").write_bytes(b"x" * 70_000)
    (source / "d" / "f").chmod(0o4750)
    os.link(source / "d" / "f", source / "d" / "e" / "twin")
    (source / "out").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe", 0o622)
    os.utime(source / "d" / "e", ns=(1, 123_456_789_012))
    source.chmod(0o2711)
    target.mkdir()
    copy(source, target)
    assert facts(target) == facts(source)
    assert (target / "d" / "f").stat().st_ino == (target / "d" / "e" / "twin").stat().st_ino


def test_attributes_and_holes(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    with (source / "sparse").open("wb") as file:
        file.truncate(50 << 20)
        file.seek(10 << 20)
        file.write(b"middle")
    try:
        os.setxattr(source / "sparse", "user.note", b"kept")
    except OSError:
        pytest.skip("the file system of the temporary directory has no user attributes")
    copy(source, target)
    made = (target / "sparse").stat()
    assert made.st_size == 50 << 20
    assert made.st_blocks * 512 < 1 << 20
    assert os.getxattr(target / "sparse", "user.note") == b"kept"
    with (target / "sparse").open("rb") as file:
        file.seek(10 << 20)
        assert file.read(6) == b"middle"


def test_failure_names_the_entry(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "d").mkdir(parents=True)
    (target / "d").mkdir(parents=True)
    with pytest.raises(FileExistsError) as caught:
        copy(source, target)
    assert caught.value.filename == "d"
