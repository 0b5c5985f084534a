"""What changed, as Docker shows it, and as a layer; here on plain directories (the overlay's own are in tests/root)."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from carrack.storage.differ import ADDED, DELETED, MODIFIED, Change, changes, is_whiteout, pack_upper


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    lower, upper = tmp_path / "lower", tmp_path / "upper"
    for top in (lower, upper):
        (top / "etc").mkdir(parents=True)
        (top / "etc" / "same").write_text("same")
        os.utime(top / "etc" / "same", (1, 1))
    return lower, upper


def diff(lower: Path, upper: Path) -> list[Change]:
    fds = [os.open(path, os.O_PATH | os.O_DIRECTORY) for path in (upper, lower)]
    try:
        return list(changes(*fds))
    finally:
        for fd in fds:
            os.close(fd)


def test_nothing_changed(pair: tuple[Path, Path]) -> None:
    assert diff(*pair) == []


def test_kinds(pair: tuple[Path, Path]) -> None:
    lower, upper = pair
    (lower / "etc" / "grown").write_text("a")
    (upper / "etc" / "grown").write_text("ab")
    (lower / "etc" / "was-file").write_text("")
    (upper / "etc" / "was-file").mkdir()
    (upper / "etc" / "was-file" / "x").write_text("")
    (upper / "new" / "deep").mkdir(parents=True)
    (upper / "new" / "deep" / "file").write_text("")
    (upper / "mode").mkdir(mode=0o700)
    (lower / "mode").mkdir(mode=0o755)
    assert diff(*pair) == [
        Change(MODIFIED, "/etc"),
        Change(MODIFIED, "/etc/grown"),
        Change(MODIFIED, "/etc/was-file"),
        Change(ADDED, "/etc/was-file/x"),
        Change(MODIFIED, "/mode"),
        Change(ADDED, "/new"),
        Change(ADDED, "/new/deep"),
        Change(ADDED, "/new/deep/file"),
    ]
    assert DELETED == 2


def test_whiteouts_are_devices_zero() -> None:
    assert not is_whiteout(os.stat("/dev/null"))


def packed(top: Path) -> bytes:
    out = io.BytesIO()
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    pack_upper(fd, out.write)
    os.close(fd)
    return out.getvalue()


def test_layer_of_a_plain_tree(pair: tuple[Path, Path]) -> None:
    _, upper = pair
    os.link(upper / "etc" / "same", upper / "etc" / "twin")
    (upper / "etc" / "link").symlink_to("same")
    (upper / "n\udce9me").write_text("odd bytes")
    (upper / "täg").write_text("utf-8")
    with tarfile.open(fileobj=io.BytesIO(packed(upper)), errors="surrogateescape") as tar:
        assert tar.getnames() == ["etc", "etc/link", "etc/same", "etc/twin", "n\udce9me", "täg"]
        assert tar.getmember("etc/twin").linkname == "etc/same"
        assert tar.getmember("etc/same").mtime == 1
        same = tar.extractfile("etc/same")
        assert same is not None
        assert same.read() == b"same"
    assert packed(upper) == packed(upper)
