"""Namespaces themselves need privilege: tests/root/test_runtime_inside.py. Here: flags, order, and clean failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.linux import namespaces as ns
from carrack.linux.syscalls import LINUX
from carrack.runtime.spawn import Namespace, spawn


class ForkingKernel(FakeKernel):
    """clone3 is a plain fork: no namespaces, but a real child."""

    def clone3(self, flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
        self._record("clone3", flags, cgroup_fd)
        pid = os.fork()
        return (0, -1) if pid == 0 else (pid, LINUX.pidfd_open(pid))

    def pidfd_send_signal(self, pidfd: int, signal: int) -> None:
        LINUX.pidfd_send_signal(pidfd, signal)


class FakeCgroup:
    def __init__(self, fail: bool = False, version: int = 1) -> None:
        self.added: list[int] = []
        self.fail = fail
        self.path = "/x"
        self.version = version

    def clone_fd(self) -> int:
        return os.open("/dev/null", os.O_RDONLY) if self.version == 2 else -1

    def add(self, pid: int) -> None:
        if self.fail:
            raise OSError(16, "busy", "/cgroup")
        self.added.append(pid)


def test_the_child_runs_main_once_it_is_in_its_cgroup() -> None:
    kernel, cgroup = ForkingKernel(), FakeCgroup()
    child = spawn(kernel, [Namespace("pid"), Namespace("cgroup")], lambda: os._exit(7), cgroup=cgroup)  # type: ignore[arg-type]
    assert cgroup.added == [child.pid]
    assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 7
    os.close(child.pidfd)
    assert kernel.named("clone3") == [("clone3", ns.CLONE_NEWPID, -1)]  # the cgroup namespace comes after, in the child


def test_who_joins_a_user_namespace_is_put_into_its_cgroup_by_the_parent() -> None:
    kernel, cgroup = ForkingKernel(), FakeCgroup(version=2)
    child = spawn(kernel, [Namespace("user", 99)], lambda: os._exit(0), cgroup=cgroup)  # type: ignore[arg-type]
    assert cgroup.added == [child.pid]  # and not by the clone, for which it would have no right
    os.close(child.pidfd)


def test_a_cgroup_namespace_is_joined_after_the_clone_into_a_cgroup() -> None:
    kernel = ForkingKernel()

    def main() -> None:
        os._exit(0 if [call[0] for call in kernel.named("clone3", "setns")] == ["clone3", "setns"] else 9)

    cgroup = FakeCgroup(version=2)
    child = spawn(kernel, [Namespace("cgroup", 99)], main, cgroup=cgroup)  # type: ignore[arg-type]
    assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 0
    os.close(child.pidfd)
    assert cgroup.added == []


def test_a_main_that_returns_or_raises_ends_the_child() -> None:
    def fail() -> None:
        raise RuntimeError

    for main in (lambda: None, fail):
        child = spawn(ForkingKernel(), [], main)
        assert os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1]) == 1
        os.close(child.pidfd)


def children() -> str:
    return Path("/proc/thread-self/children").read_text()


def test_a_failure_of_the_parent_leaves_no_child() -> None:
    before = children()
    with pytest.raises(OSError, match="busy"):
        spawn(ForkingKernel(), [], lambda: os._exit(0), cgroup=FakeCgroup(fail=True))  # type: ignore[arg-type]
    assert children() == before


def test_a_failure_in_the_intermediate_comes_back_as_its_own_error() -> None:
    kernel = ForkingKernel()
    kernel.fail("setns", OSError(1, "setns: not allowed", "fd 99"))
    with pytest.raises(OSError, match="joining the network namespace: setns: not allowed") as caught:
        spawn(kernel, [Namespace("network", 99)], lambda: os._exit(0))
    assert caught.value.errno == 1
    with pytest.raises(OSError, match="unknown clock"):
        spawn(ForkingKernel(), [Namespace("time")], lambda: os._exit(0), time_offsets={"tai": {"secs": 1}})
