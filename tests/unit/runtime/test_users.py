from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import CarrackError, InvalidArgument, NotFound
from carrack.linux.syscalls import LINUX
from carrack.runtime import users
from carrack.runtime.inroot import Procfs

PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n# a comment\nbroken line\nbob:x:1000:1001::/home/bob:/bin/sh\n"
    "evil:x:99999999999:0::/:\nempty:x::0::/:\nnohome:x:5:5:::\n1500:x:0:0:::\n"
)
GROUP = "root:x:0:\nwheel:x:10:root,bob\nstaff:x:50:bob\nbad:x:-1:bob\nhuge:x:4294967296:bob\n"
ACCOUNTS = users.Accounts(PASSWD, GROUP)


def who(user: str, extra: tuple[str, ...] = ()) -> tuple[int, int, list[int], str]:
    found = users.identify(user, extra, ACCOUNTS)
    return found.uid, found.gid, found.groups, found.home


@pytest.mark.parametrize(
    ("user", "wanted"),
    [
        ("", (0, 0, [0, 10], "/root")),
        ("0", (0, 0, [0, 10], "/root")),
        ("bob", (1000, 1001, [1001, 10, 50], "/home/bob")),
        ("1000", (1000, 1001, [1001, 10, 50], "/home/bob")),
        ("bob:staff", (1000, 50, [50], "/home/bob")),
        ("bob:77", (1000, 77, [77], "/home/bob")),
        ("2000", (2000, 0, [0], "/")),
        ("2000:2001", (2000, 2001, [2001], "/")),
        ("nohome", (5, 5, [5], "/")),
        ("2147483647", (2147483647, 0, [0], "/")),
        ("bob:", (1000, 1001, [1001, 10, 50], "/home/bob")),
    ],
)
def test_users_are_resolved_as_docker_does(user: str, wanted: tuple[int, int, list[int], str]) -> None:
    assert who(user) == wanted


def test_extra_groups_come_last_and_once() -> None:
    assert who("bob", ("wheel", "99", "0"))[2] == [1001, 10, 50, 99, 0]


def test_an_entry_named_like_a_number_is_never_a_name() -> None:
    assert who("1500")[:2] == (1500, 0)


@pytest.mark.parametrize(
    "user",
    ["2147483648", "4294967295", "4294967296", "9" * 19, "9" * 400, "-1", "+0", "0x0", "１", "0b0", "1_0", " 0 "],
)
def test_cve_2024_40635_numbers_out_of_range_are_never_root(user: str) -> None:
    with pytest.raises(InvalidArgument):
        who(user)
    with pytest.raises(InvalidArgument):
        who(f"bob:{user}")


def test_unknown_names_are_told_in_known_words() -> None:
    with pytest.raises(NotFound, match=r"^unable to find user nobody: no matching entries in passwd file$"):
        who("nobody")
    with pytest.raises(NotFound, match=r"^unable to find group nogroup: no matching entries in group file$"):
        who("bob:nogroup")
    with pytest.raises(NotFound, match=r"^unable to find group more: no matching entries in group file$"):
        who("bob", ("more",))


def test_lines_with_numbers_that_are_none_do_not_count() -> None:
    for name in ("evil", "empty"):
        with pytest.raises(NotFound):
            who(name)
    with pytest.raises(NotFound):
        who("0:bad")


def test_home_is_that_of_the_first_entry() -> None:
    assert users.home_of(0, ACCOUNTS) == "/root"
    assert users.home_of(1000, ACCOUNTS) == "/home/bob"
    assert users.home_of(4, ACCOUNTS) == "/"


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=12))
def test_nothing_but_our_own_errors_comes_of_any_file(passwd: str, group: str, user: str) -> None:
    try:
        found = users.identify(user, (), users.Accounts(passwd, group))
    except CarrackError:
        return
    assert 0 <= found.uid <= users.ID_LIMIT
    assert all(0 <= gid <= users.ID_LIMIT for gid in found.groups)


class _HostProcfs(Procfs):
    """Reopens through the host's /proc, which needs no privilege."""

    def __init__(self) -> None:
        self.fd = os.open("/proc", os.O_PATH)


@pytest.fixture
def procfs() -> Iterator[Procfs]:
    made = _HostProcfs()
    yield made
    made.close()


def read(root: Path, procfs: Procfs) -> users.Accounts:
    fd = os.open(root, os.O_PATH)
    try:
        return users.read_accounts(LINUX, procfs, fd)
    finally:
        os.close(fd)


def test_absolute_links_are_followed_inside_the_root(tmp_path: Path, procfs: Procfs) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "store").write_text(PASSWD)
    (tmp_path / "etc/passwd").symlink_to("/store")
    found = read(tmp_path, procfs)
    assert found.passwd == PASSWD
    assert found.group == ""


def test_cve_2024_9676_a_link_out_of_the_root_finds_nothing(tmp_path: Path, procfs: Procfs) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").symlink_to("../../../../../../../../etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        read(tmp_path, procfs)


def test_cve_2024_9676_pipes_and_huge_files_are_refused(tmp_path: Path, procfs: Procfs) -> None:
    (tmp_path / "etc").mkdir()
    os.mkfifo(tmp_path / "etc/passwd")
    with pytest.raises(InvalidArgument, match="not a regular file"):
        read(tmp_path, procfs)
    (tmp_path / "etc/passwd").unlink()
    with open(tmp_path / "etc/passwd", "wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(InvalidArgument, match="too large"):
        read(tmp_path, procfs)
