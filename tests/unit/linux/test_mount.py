"""Option words, and mountinfo that users can put any path into."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.linux import mount as M


def test_words_become_flags_and_the_rest_is_data() -> None:
    options = M.parse_options(["nosuid", "noexec", "ro", "mode=755", "size=64k", "", "defaults", "newinstance"])
    assert options.flags == M.MS_NOSUID | M.MS_NOEXEC | M.MS_RDONLY
    assert options.data == ["mode=755", "size=64k", "newinstance"]
    assert options.propagation == []
    assert (options.recursive_set, options.recursive_clear, options.clear) == (0, 0, 0)


def test_the_last_word_wins() -> None:
    options = M.parse_options(["ro", "rw", "dev", "nodev"])
    assert options.flags == M.MS_NODEV
    assert options.clear == M.MS_RDONLY


def test_a_mount_keeps_access_times_in_one_way() -> None:
    assert M.parse_options(["strictatime", "nosuid", "noatime"]).flags == M.MS_NOATIME | M.MS_NOSUID
    assert M.parse_options(["noatime", "nodiratime", "relatime"]).flags == M.MS_RELATIME | M.MS_NODIRATIME
    assert M.parse_options(["noatime", "atime"]).flags == 0


def test_binds_and_propagation() -> None:
    options = M.parse_options(["rbind", "rprivate", "slave"])
    assert options.flags == M.MS_BIND | M.MS_REC
    assert options.propagation == [M.MS_PRIVATE | M.MS_REC, M.MS_SLAVE]


@pytest.mark.parametrize(
    ("words", "given", "cleared"),
    [
        (["rro"], M.MOUNT_ATTR_RDONLY, 0),
        (["rro", "rrw"], 0, M.MOUNT_ATTR_RDONLY),
        (["rrw", "rro"], M.MOUNT_ATTR_RDONLY, 0),
        (["rnosuid", "rnodev", "rnoexec"], 0xE, 0),
        (["rnoatime"], M.MOUNT_ATTR_NOATIME, M.MOUNT_ATTR__ATIME),
        (["rnoatime", "rrelatime"], 0, M.MOUNT_ATTR__ATIME),
        (["rsymfollow", "rnodiratime"], M.MOUNT_ATTR_NODIRATIME, M.MOUNT_ATTR_NOSYMFOLLOW),
    ],
)
def test_recursive_attributes(words: list[str], given: int, cleared: int) -> None:
    options = M.parse_options(words)
    assert options.flags == 0
    assert (options.recursive_set, options.recursive_clear) == (given, cleared)


def test_idmap_and_copy_up() -> None:
    options = M.parse_options(["idmap", "tmpcopyup"])
    assert (options.idmap, options.recursive_idmap, options.copy_up) == (True, False, True)
    assert M.parse_options(["ridmap"]).recursive_idmap


def test_as_the_new_calls_take_them() -> None:
    options = M.parse_options(["ro", "nosuid", "strictatime", "sync", "mode=1777", "size=64k", "noswap"])
    assert options.attributes == M.MOUNT_ATTR_RDONLY | M.MOUNT_ATTR_NOSUID | M.MOUNT_ATTR_STRICTATIME
    assert options.context_options == [("sync", None), ("mode", "1777"), ("size", "64k"), ("noswap", None)]


LINE = r"36 35 98:0 /mnt1 /a\040b\134c rw,noatime master:1 shared:2 - ext3 /dev/root\011x rw,errors=continue"


def test_a_line_of_mountinfo() -> None:
    (info,) = M.read_mountinfo(LINE + "\n")
    assert (info.mount_id, info.parent_id, info.device) == (36, 35, (98, 0))
    assert (info.root, info.mount_point, info.source) == ("/mnt1", "/a b\\c", "/dev/root\tx")
    assert (info.options, info.super_options) == (("rw", "noatime"), ("rw", "errors=continue"))
    assert (info.optional, info.fstype, info.propagation) == (("master:1", "shared:2"), "ext3", "shared,slave")


def test_propagation_words() -> None:
    def of(optional: str) -> str:
        return M.read_mountinfo(f"1 2 0:1 / / rw{optional} - tmpfs t rw")[0].propagation

    assert [of(""), of(" shared:7"), of(" master:1 propagate_from:2"), of(" unbindable")] == [
        "private",
        "shared",
        "slave",
        "unbindable",
    ]


@pytest.mark.parametrize("line", ["x", "1 2 0:1 / / rw", "1 2 0:1 / / rw - tmpfs", "a 2 0:1 / / rw - t t rw"])
def test_other_lines_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="not a line of mountinfo"):
        M.read_mountinfo(line)


def test_our_own_mountinfo() -> None:
    mounts = M.read_mountinfo(Path("/proc/self/mountinfo").read_text())
    assert any(info.mount_point == "/proc" and info.fstype == "proc" for info in mounts)


@settings(max_examples=100)
@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_any_path_survives_the_kernels_escapes(path: str) -> None:
    escaped = "".join(f"\\{ord(c):03o}" if c in " \t\n\\#" else c for c in path)
    (info,) = M.read_mountinfo(f"1 2 0:1 / /{escaped} rw - tmpfs t rw\n")
    assert info.mount_point == "/" + path
