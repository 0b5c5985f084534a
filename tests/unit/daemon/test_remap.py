from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from carrack.daemon.remap import load
from carrack.engine.userns import Remap
from carrack.errors import InvalidArgument

PASSWD = "root:x:0:0::/:/bin/sh\nann:x:1000:100:,,,:/home/ann:/bin/sh\nbob:x:1001:1001::/:/bin/sh\n"
GROUP = "root:x:0:\nusers:x:100:\nann:x:1000:\nbob:x:1001:\n"


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    for name, text in (("passwd", PASSWD), ("group", GROUP)):
        (tmp_path / name).write_text(text)
    for name in ("subuid", "subgid"):
        (tmp_path / name).write_text("# ours\nann:100000:65536\nann:300000:10\n1001:200000:5\n")
    return tmp_path


@pytest.mark.parametrize("word", ["ann", "1000", "ann:users", "1000:100", "ann:ann"])
def test_ranges_of_a_user_follow_each_other(etc: Path, word: str) -> None:
    extents: Any = (
        {"containerID": 0, "hostID": 100000, "size": 65536},
        {"containerID": 65536, "hostID": 300000, "size": 10},
    )
    found = load(word, etc)
    assert found == Remap("ann", extents, extents)
    assert found is not None
    assert found.root == (100000, 100000)


def test_ranges_may_go_by_number_and_those_of_groups_by_the_group(etc: Path) -> None:
    found = load("bob", etc)
    assert found is not None
    assert found.uids[0]["hostID"] == 200000
    (etc / "subgid").write_text("users:400000:7\n")
    found = load("bob:users", etc)
    assert found is not None
    assert found.root == (200000, 400000)


def test_none_and_root_mean_off(etc: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert load("", etc) is None
    with caplog.at_level(logging.WARNING):
        assert load("root", etc) is None
    assert "user namespaces are off" in caplog.text


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("a:b:c", "invalid user/group specification"),
        (":users", "invalid user/group"),
        ("ann:", "invalid user/group"),
        ("carl", "there is no user carl in"),
        ("ann:wheel", "there is no group wheel in"),
    ],
)
def test_who_is_not_there_is_named(etc: Path, word: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        load(word, etc)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "gives no ids to ann: add a line such as ann:100000:65536"),
        ("ann:x:5\n", "line 1: not of the form name:first:count"),
        ("ann:1:2:3\n", "not of the form"),
        ("ann:5:0\n", "0 ids from 5 on are no range"),
        ("ann:4294967290:6\n", "no range of ids"),
        ("ann:0:65536\n", "the host's own root"),
        ("ann:100:10\nann:105:10\n", "ranges at 100 and 105 overlap"),
        ("".join(f"ann:{n * 10 + 1}:2\n" for n in range(341)), "the kernel takes 340"),
    ],
)
def test_bad_ranges_are_refused(etc: Path, text: str, told: str) -> None:
    (etc / "subgid").write_text(text)
    with pytest.raises(InvalidArgument, match=told):
        load("ann", etc)


def test_a_missing_file_is_named(etc: Path) -> None:
    (etc / "subuid").unlink()
    with pytest.raises(InvalidArgument, match=r"cannot read .*/subuid: No such file"):
        load("ann", etc)


def test_the_default_user_is_made_with_the_first_free_range(etc: Path) -> None:
    ran: list[list[str]] = []

    def act(command: list[str]) -> None:
        ran.append(command)
        if command[0] == "useradd":
            for name in ("passwd", "group"):
                (etc / name).write_text((etc / name).read_text() + "dockremap:x:999:999:::\n")
        else:
            for name in ("subuid", "subgid"):
                (etc / name).write_text((etc / name).read_text() + "dockremap:300010:65536\n")

    for _ in range(2):
        found = load("default", etc, act)
        assert found is not None
        assert found.root == (300010, 300010)
    assert [command[0] for command in ran] == ["useradd", "usermod"]
    assert ran[1][1:] == ["--add-subuids", "300010-365545", "--add-subgids", "300010-365545", "dockremap"]


def test_where_the_default_user_cannot_be_made_it_is_told_what_to_do(
    etc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", "useradd")

    monkeypatch.setattr("subprocess.run", missing)
    with pytest.raises(InvalidArgument, match=r"cannot make the user dockremap: useradd .*/etc/subuid"):
        load("default", etc)
