"""Quick packing; what needs privileges is in tests/root/test_differ.py."""

import os
from pathlib import Path

import pytest
from tests.suites import tarballs, uppers

from carrack.storage import upper
from carrack.storage.tarheader import TarError
from carrack.storage.written import Written


def test_it_is_the_same_by_all_ways(tmp_path: Path) -> None:
    uppers.fill(tmp_path)
    (tmp_path / "d/.wh.dir").rmdir()  # no layer can have such a directory with something in it
    tar = uppers.agreed(tmp_path)
    assert tar == uppers.agreed(tmp_path)
    assert uppers.agreed(tmp_path, newest=1_600_000_000) != tar


def test_of_nothing(tmp_path: Path) -> None:
    assert uppers.agreed(tmp_path) == tarballs.END


def test_attributes(tmp_path: Path) -> None:
    uppers.fill(tmp_path)
    (tmp_path / "d/.wh.dir").rmdir()
    try:
        for name in ("z", "d/a", "many", "many/17"):
            os.setxattr(tmp_path / name, "user.colour", name.encode())
    except OSError:
        pytest.skip("this file system has no attributes")
    assert b"SCHILY.xattr.user.colour=many/17" in uppers.agreed(tmp_path)


def test_what_no_layer_can_have_is_refused_while_it_is_packed(tmp_path: Path) -> None:
    (tmp_path / ".wh.dir").mkdir()
    (tmp_path / ".wh.dir" / "inside").write_text("")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(TarError, match="below a whiteout"):
            upper.pack(fd, bytearray().extend, written=Written())
    finally:
        os.close(fd)


def test_a_file_that_shrinks_meanwhile_is_filled_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    plain, short = os.read, iter([b"12"])
    monkeypatch.setattr(os, "read", lambda fd, size: next(short, None) or plain(fd, size))
    out = bytearray()
    fd = os.open(tmp_path, os.O_RDONLY)
    upper.pack(fd, out.extend, still=True)
    os.close(fd)
    assert out[512:516] == b"1234", "it is read once more, as if it had not been"
    assert len(out) == 4 * 512
