"""Walking: ordered, link-proof, and steady while the tree changes."""

import errno
import os
import stat
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage import walk as walking
from carrack.storage.removal import remove_tree
from carrack.storage.walk import Node, open_regular, open_still, read_link, stays_real, walk


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "b" / "inner").mkdir(parents=True)
    (tmp_path / "b" / "inner" / "file").write_text("x")
    (tmp_path / "a").write_text("y")
    (tmp_path / "link").symlink_to("/")
    (tmp_path / "b.txt").write_text("z")
    return tmp_path


def opened(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY)


def paths(fd: int) -> list[bytes]:
    return [node.path for node in walk(fd)]


def test_order_and_no_following(tree: Path) -> None:
    fd = opened(tree)
    assert paths(fd) == [b"a", b"b", b"b/inner", b"b/inner/file", b"b.txt", b"link"]
    os.close(fd)


def test_descriptors_are_closed(tree: Path) -> None:
    fd = opened(tree)
    before = len(os.listdir("/proc/self/fd"))
    for node in walk(fd):
        if node.path == b"b/inner/file":
            break
    del node
    assert len(os.listdir("/proc/self/fd")) == before
    os.close(fd)


def test_files_that_are_taken_are_no_nodes(tree: Path) -> None:
    offered: list[bytes] = []

    def take(parent_fd: int, prefix: bytes, name: bytes) -> bool:
        assert stat.S_ISREG(os.stat(name, dir_fd=parent_fd, follow_symlinks=False).st_mode)
        offered.append(prefix + name)
        return len(offered) % 2 == 1

    fd = os.open(tree, os.O_RDONLY)
    every = [node.path for node in walk(fd)]
    left = [node.path for node in walk(fd, take=take)]
    os.close(fd)
    assert offered, "nothing was tried"
    assert left == [path for path in every if path not in offered[::2]]


def test_leave_comes_after_the_last_entry(tree: Path) -> None:
    fd = opened(tree)
    events: list[bytes] = []
    for node in walk(fd, leave=lambda node: events.append(b"<" + node.path)):
        events.append(node.path)
    os.close(fd)
    assert events[1:6] == [b"b", b"b/inner", b"b/inner/file", b"<b/inner", b"<b"]


def test_what_vanishes_or_turns_into_a_link_is_left_out(tree: Path) -> None:
    fd = opened(tree)
    seen = []
    for node in walk(fd):
        seen.append(node.path)
        if node.path == b"a":
            remove_tree("b", dir_fd=fd)
            (tree / "b").symlink_to("/etc")
            (tree / "b.txt").unlink()
    os.close(fd)
    assert seen == [b"a", b"b", b"link"]


def test_open_regular_refuses_all_else(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    fd = opened(tree)
    for name in (b"link", b"pipe", b"b", b"absent"):
        assert open_regular(fd, name) is None
    got = open_regular(fd, b"a")
    assert got is not None
    assert os.read(got, 9) == b"y"
    os.close(got)
    got = open_still(fd, b"a")
    assert os.read(got, 9) == b"y"
    os.close(got)
    with pytest.raises(OSError, match="symbolic links"):
        open_still(fd, b"link")
    assert read_link(fd, b"link") == b"/"
    assert read_link(fd, b"a") is None
    os.close(fd)


def test_depth_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "DEPTH_LIMIT", 4)
    (tmp_path / "1/2/3/4/5").mkdir(parents=True)
    fd = opened(tmp_path)
    with pytest.raises(OSError, match="nested deeper") as caught:
        paths(fd)
    os.close(fd)
    assert caught.value.errno == errno.ENAMETOOLONG


def test_kernel_file_systems_are_not_entered() -> None:
    fd = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    proc = os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    enter = stays_real(LINUX, fd)
    assert enter(fd, os.fstat(fd))
    assert not enter(proc, os.fstat(proc))
    os.close(fd)
    os.close(proc)


def test_node_is_a_plain_value(tmp_path: Path) -> None:
    node = Node(b"p", b"p", 3, os.stat(tmp_path), -1)
    assert (node.path, node.fd) == (b"p", -1)
