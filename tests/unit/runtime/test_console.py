"""A terminal of a container: tests/root/test_runtime_lifecycle.py. Here: where there is none to be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.fakes.rooted import RootedKernel
from tests.fakes.sandbox import run_apart

from carrack.linux.syscalls import LINUX
from carrack.runtime import console


def open_in(root: Path) -> None:
    fd = os.open(root, os.O_PATH)
    try:
        console.open_terminal(RootedKernel(root), fd, None)
    finally:
        os.close(fd)


def test_only_a_devpts_gives_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "dev/pts").mkdir(parents=True)
    with pytest.raises(OSError, match="devpts of the container's own") as caught:
        open_in(tmp_path)
    assert caught.value.filename == "/dev/pts"


def test_cve_2025_52565_a_link_to_another_devpts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/pts").symlink_to("/dev/other")
    with pytest.raises(OSError, match="symbolic links"):
        open_in(tmp_path)


@pytest.mark.root
def test_the_terminal_has_its_size_and_becomes_the_streams() -> None:
    def work() -> None:
        root = os.open("/", os.O_PATH)
        pair = console.open_terminal(LINUX, root, {"height": 12, "width": 34})
        os.setsid()
        console.take_terminal(pair.slave, os.getuid())
        assert os.get_terminal_size(0) == (34, 12)
        assert os.ttyname(2) == f"/dev/pts/{pair.number}"
        assert os.tcgetpgrp(1) == os.getpid()

    run_apart(work)


def test_a_pipe_is_given_to_the_user_and_a_device_is_not() -> None:
    def work() -> None:
        ends = [os.open("/dev/null", os.O_RDWR), *os.pipe()]
        before = os.stat("/dev/null").st_uid
        console.take_streams(ends, 12345)
        assert [os.fstat(number).st_uid for number in range(3)] == [before, 12345, 12345]
        assert os.stat("/dev/null").st_uid == before

    run_apart(work)
