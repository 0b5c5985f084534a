"""The calls and their order on a recording kernel; a real root: tests/root/test_runtime_inside.py."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.fakes.rooted import RootedKernel
from tests.fakes.sandbox import run_apart

from carrack.errors import InvalidArgument
from carrack.linux import mount as words
from carrack.runtime import rootfs


def test_the_host_hears_nothing_of_our_mounts(tmp_path: Path) -> None:
    for wanted, kind in ((0, words.MS_SLAVE), (words.MS_SHARED, words.MS_SLAVE), (words.MS_PRIVATE, words.MS_PRIVATE)):
        kernel = RootedKernel(tmp_path)
        rootfs.isolate(kernel, wanted)
        assert kernel.calls == [("mount", None, "/", None, kind | words.MS_REC, None)]


def test_a_root_is_cloned_or_taken_and_leaves_its_peers(tmp_path: Path) -> None:
    kernel = RootedKernel(tmp_path)
    os.close(rootfs.attach_root(kernel, {"root": {"path": str(tmp_path)}}, None))
    assert [call[0] for call in kernel.calls] == ["open_tree", "mount_setattr", "move_mount"]
    assert kernel.calls[1] == ("mount_setattr", 0, 0, words.MS_SLAVE, True)
    assert kernel.calls[2] == ("move_mount", "/")
    kernel = RootedKernel(tmp_path)
    assert rootfs.attach_root(kernel, {}, 99) == 99
    assert kernel.named("open_tree") == []
    with pytest.raises(OSError, match="root file system") as caught:
        rootfs.attach_root(kernel, {"root": {"path": "/not/there"}}, None)
    assert caught.value.filename == "/not/there"


def test_the_old_root_is_let_go_without_telling_the_host(tmp_path: Path) -> None:
    def work() -> None:
        kernel = RootedKernel(tmp_path)
        rootfs.change_root(kernel, os.open(tmp_path, os.O_RDONLY))
        assert kernel.calls == [
            ("pivot_root", ".", "."),
            ("mount", None, ".", None, words.MS_SLAVE | words.MS_REC, None),
            ("umount", ".", words.MNT_DETACH),
        ]
        assert os.getcwd() == "/"

    run_apart(work)


def test_read_only_and_propagation_come_last(tmp_path: Path) -> None:
    kernel = RootedKernel(tmp_path)
    rootfs.seal_root(kernel, {"root": {"path": "x", "readonly": True}, "linux": {"rootfsPropagation": "shared"}}, 5)
    assert [call[0] for call in kernel.calls] == ["mount", "mount_setattr"]
    assert kernel.calls[0][4] == words.MS_SHARED
    kernel = RootedKernel(tmp_path)
    rootfs.seal_root(kernel, {"root": {"path": "x"}}, 5)
    assert kernel.calls == []


def test_an_unknown_propagation_is_named() -> None:
    with pytest.raises(InvalidArgument, match="'loud'"):
        rootfs.propagation({"linux": {"rootfsPropagation": "loud"}})
