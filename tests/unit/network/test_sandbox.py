import os
import threading
from pathlib import Path

import pytest

from carrack.errors import Unavailable
from carrack.network import sandbox, sysctl


class Entering:
    """A kernel that remembers which threads entered what."""

    def __init__(self) -> None:
        self.entered: list[tuple[int, int]] = []

    def setns(self, fd: int, flags: int) -> None:
        self.entered.append((threading.get_ident(), fd))


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Entering:
    made = Entering()
    monkeypatch.setattr(sandbox, "LINUX", made)
    return made


def test_a_process_that_has_ended_has_no_network() -> None:
    with pytest.raises(Unavailable, match="has ended"), sandbox.open_sandbox(2**22 + 1):
        pass


def test_both_descriptors_last_as_long_as_they_are_wanted(kernel: Entering) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with sandbox.open_sandbox(os.getpid()) as found:
        assert os.readlink(f"/proc/self/fd/{found.netns_fd}").startswith("net:")
        assert os.readlink(f"/proc/self/fd/{found.netlink_fd}").startswith("socket:")
        assert [fd for _, fd in kernel.entered] == [found.netns_fd]
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_is_done_inside_is_done_by_a_thread_of_its_own(kernel: Entering) -> None:
    assert sandbox.run_inside(7, threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        sandbox.run_inside(7, lambda: 1 // 0)
    assert {thread for thread, _ in kernel.entered}.isdisjoint({threading.get_ident()})


def test_switches_are_set_inside(kernel: Entering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctl, "PROC_SYS", str(tmp_path))
    (tmp_path / "one").write_text("0")
    sandbox.switch(7, [("one", "1")])
    assert (tmp_path / "one").read_text() == "1"
    assert [fd for _, fd in kernel.entered] == [7]
