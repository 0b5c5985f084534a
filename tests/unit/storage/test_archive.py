"""Archives out of a root: Docker's names for entries, Go's modes, nothing from outside."""

import io
import os
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.linux.syscalls import LINUX
from carrack.storage import archive


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    top = tmp_path / "root"
    (top / "etc" / "apt").mkdir(parents=True)
    (top / "etc" / "hosts").write_text("127.0.0.1\n")
    os.link(top / "etc" / "hosts", top / "etc" / "hosts.again")
    (top / "etc" / "link").symlink_to("/etc/hosts")
    (top / "etc" / "out").symlink_to("/../../../../etc/passwd")
    (top / "etc" / "apt" / "x").write_bytes(b"\0" * 1000)
    os.mkfifo(top / "etc" / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(top / "etc")
        listener.bind("sock")
        os.chdir("/")
    fd = os.open(top, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def packed(root: int, path: str) -> tarfile.TarFile:
    out = io.BytesIO()
    archive.pack(LINUX, root, path, out.write)
    out.seek(0)
    return tarfile.open(fileobj=out)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/etc/hosts", ["hosts"]),
        ("etc/apt", ["apt", "apt/x"]),
        ("/etc/apt/", ["apt", "apt/x"]),
        ("/etc/apt/.", [".", "./x"]),
        ("/etc/link", ["link"]),
        ("/etc/pipe", ["pipe"]),
    ],
)
def test_names(root: int, path: str, names: list[str]) -> None:
    with packed(root, path) as tar:
        assert tar.getnames() == names


def test_directory_content(root: int) -> None:
    with packed(root, "/etc") as tar:
        assert tar.getnames() == [
            "etc", "etc/apt", "etc/apt/x", "etc/hosts", "etc/hosts.again", "etc/link", "etc/out", "etc/pipe",
        ]  # fmt: skip
        assert tar.getmember("etc/hosts.again").islnk()
        assert tar.getmember("etc/hosts.again").linkname == "etc/hosts"
        assert tar.getmember("etc/out").linkname == "/../../../../etc/passwd"
        assert tar.getmember("etc/pipe").isfifo()


def test_root_entries_start_with_a_slash(root: int) -> None:
    out = io.BytesIO()
    archive.pack(LINUX, root, "/", out.write)
    assert out.getvalue()[:2] == b"/\0"
    assert b"/etc/apt/x\0" in out.getvalue()
    out = io.BytesIO()
    archive.pack_root(LINUX, root, out.write)
    assert out.getvalue()[:5] == b"etc/\0"


def test_links_are_not_followed_in_last_place_but_on_the_way(root: int) -> None:
    with pytest.raises(FileNotFoundError):
        archive.pack(LINUX, root, "/etc/out/", io.BytesIO().write)
    with packed(root, "/etc/link/../hosts") as tar:
        assert tar.getnames() == ["hosts"]


def test_stat(root: int) -> None:
    found = archive.stat(LINUX, root, "/etc/link")
    assert (found.name, found.link_target) == ("link", "/etc/hosts")
    assert found.mode == 0o777 | 1 << 27
    out = archive.stat(LINUX, root, "/etc/out")
    assert out.link_target == "/etc/passwd"
    hosts = archive.stat(LINUX, root, "etc/hosts")
    assert (hosts.size, hosts.mode & 1 << 31, hosts.link_target) == (10, 0, "")
    assert hosts.document()["mtime"].endswith("Z")
    assert archive.stat(LINUX, root, "/etc/.").name == "."
    assert archive.stat(LINUX, root, "/").mode >> 31 == 1
    with pytest.raises(FileNotFoundError) as caught:
        archive.stat(LINUX, root, "/nope")
    assert archive.missing(caught.value)


def test_go_modes() -> None:
    assert archive.go_mode(0o104755) == 0o755 | 1 << 23
    assert archive.go_mode(0o041777) == 0o777 | 1 << 31 | 1 << 20
    assert archive.go_mode(0o020620) == 0o620 | 1 << 26 | 1 << 21
    assert archive.go_mode(0o010644) == 0o644 | 1 << 25


def test_a_reader_that_goes_away_leaves_no_directory_open(root: int) -> None:
    before = len(os.listdir("/proc/self/fd"))

    def gone(data: bytes | memoryview) -> None:
        if bytes(data[:4]).startswith(b"etc/"):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError) as failure:  # which holds all frames, as a future does that nobody looks at
        archive.pack_root(LINUX, root, gone)
    assert failure.value is not None
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_part_may_go_by_the_name_it_has_in_the_container(root: int) -> None:
    out = io.BytesIO()
    archive.pack(LINUX, root, "/", out.write, named="/srv/data")
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        assert {name.partition("/")[0] for name in tar.getnames()} == {"data"}
    assert archive.stat(LINUX, root, "/", "/srv/data").name == "data"


def test_what_is_mounted_in_a_root_comes_out_empty(root: int) -> None:
    covered = archive.mounted_in(LINUX, root, ["/etc/apt", "/etc/hosts", "/not/there"])
    assert len(covered) == 2
    out = io.BytesIO()
    archive.pack_root(LINUX, root, out.write, covered=covered)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        assert "etc/apt" in tar.getnames()
        assert "etc/apt/x" not in tar.getnames()
        assert (tar.getmember("etc/hosts").size, tar.getmember("etc/hosts").mode) == (0, 0o755)
