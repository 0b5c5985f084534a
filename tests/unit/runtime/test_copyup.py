from __future__ import annotations

import os
import socket
from pathlib import Path

from carrack.runtime import copyup


def test_a_tree_is_copied_with_its_attributes_and_without_its_devices(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "deep/deeper").mkdir(parents=True)
    target.mkdir()
    (source / "deep/file").write_bytes(b"x" * 3_000_000)
    (source / "deep/file").chmod(0o640)
    os.utime(source / "deep/file", ns=(5, 7))
    (source / "deep").chmod(0o711)
    source.chmod(0o750)
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(source / "socket"))
    from_fd, to_fd = os.open(source, os.O_PATH), os.open(target, os.O_RDONLY)
    copyup.copy(from_fd, to_fd)
    os.close(from_fd)
    os.close(to_fd)
    assert sorted(os.listdir(target)) == ["deep", "link"]
    assert os.readlink(target / "link") == "/etc/passwd"
    info = (target / "deep/file").stat()
    assert (info.st_size, info.st_mode & 0o777, info.st_mtime_ns) == (3_000_000, 0o640, 7)
    assert (target / "deep").stat().st_mode & 0o777 == 0o711
    assert target.stat().st_mode & 0o777 == 0o750
