"""Contexts as tars, read back by tarfile."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

from carrack.cli.build_context import ignored, pack


def members(context: Path, dockerfile: str = "Dockerfile") -> dict[str, tarfile.TarInfo]:
    data = b"".join(pack(str(context), ignored(str(context), dockerfile)))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {member.name: member for member in archive}


def test_kinds(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o750)
    (tmp_path / "d/f").write_text("text")
    (tmp_path / "d/f").chmod(0o640)
    os.utime(tmp_path / "d/f", (5, 5))
    (tmp_path / "link").symlink_to("d/f")
    os.link(tmp_path / "d/f", tmp_path / "z")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
    found = members(tmp_path)
    assert list(found) == ["d", "d/f", "link", "pipe", "z"]
    file = found["d/f"]
    assert (file.mode, file.mtime, file.size, file.uid, file.uname) == (0o640, 5, 4, 0, "")
    assert (found["z"].islnk(), found["z"].linkname) == (True, "d/f")
    assert (found["link"].linkname, found["pipe"].isfifo(), found["d"].mode) == ("d/f", True, 0o750)


def test_names_that_a_plain_header_cannot_hold(tmp_path: Path) -> None:
    long, foreign = "n" * 150, "é" * 10
    (tmp_path / long).write_text("1")
    (tmp_path / foreign).symlink_to("ü" * 120)
    (tmp_path / ("m" * 95)).write_text("2")
    found = members(tmp_path)
    assert set(found) == {long, foreign, "m" * 95}
    assert found[foreign].linkname == "ü" * 120
    data = b"".join(pack(str(tmp_path), ignored(str(tmp_path), "Dockerfile")))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        member = archive.extractfile(long)
        assert member is not None
        assert member.read() == b"1"


def test_what_is_left_out(tmp_path: Path) -> None:
    for name in ("a.md", "b", "big/x", "big/keep", "Dockerfile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".dockerignore").write_text("*.md\nbig\n!big/keep\nDockerfile\n")
    assert set(members(tmp_path)) == {"b", "big/keep", "Dockerfile", ".dockerignore"}
    (tmp_path / "Dockerfile.dockerignore").write_text("b\n")
    assert "b" not in members(tmp_path)
    assert "a.md" in members(tmp_path)


def test_many_bytes(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(os.urandom(3 << 20))
    pieces = list(pack(str(tmp_path), ignored(str(tmp_path), "Dockerfile")))
    assert len(pieces) > 2
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        member = archive.extractfile("big")
        assert member is not None
        assert member.read() == (tmp_path / "big").read_bytes()
