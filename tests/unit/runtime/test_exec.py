"""Processes that really enter a container: tests/root/test_runtime_lifecycle.py. Here: how failures are told."""

from __future__ import annotations

import errno
import os
import signal
from typing import Any

import pytest
from tests.fakes.kernel import FakeKernel
from tests.fakes.sandbox import run_apart

from carrack.errors import Conflict
from carrack.linux import namespaces as ns
from carrack.linux.syscalls import LINUX
from carrack.runtime import channel, exec

pytestmark = pytest.mark.root

_PR_GET_DUMPABLE = 3


def outcome(plan: Any, kernel: FakeKernel | None = None) -> Any:
    ours, theirs = channel.pair()
    intermediate = os.fork()
    if intermediate == 0:
        pidfd = os.open("/dev/null", os.O_RDONLY)
        exec.join(kernel or FakeKernel(), exec.Target(os.getpid(), pidfd), plan, theirs)
    theirs.close()
    with ours:
        message, _ = channel.receive(ours)
    assert os.waitstatus_to_exitcode(os.waitpid(intermediate, 0)[1]) == 1
    return message


def test_a_process_without_a_program_is_refused() -> None:
    message = outcome({"process": {"cwd": "/"}})
    assert message["error"]["message"] == "process.args: must name a program"
    assert message["error"]["stage"] == "enter the container"


def test_a_label_that_cannot_be_had_is_refused_before_anything_is_entered() -> None:
    kernel = FakeKernel()
    message = outcome({"process": {"args": ["x"], "selinuxLabel": "no:such"}}, kernel)
    assert "SELinux is not enabled" in message["error"]["message"]


def test_only_other_namespaces_are_joined() -> None:
    def work() -> None:
        kernel = FakeKernel()
        exec._enter(kernel, exec.Target(os.getpid(), 9))
        assert kernel.calls == []
        exec._enter(kernel, exec.Target(os.getppid(), 9))
        assert kernel.calls == [("setns", 9, ns.CLONE_NEWUTS)]

    run_apart(work, ns.CLONE_NEWUTS)


def test_the_cgroup_namespace_waits_where_the_clone_goes_into_a_cgroup() -> None:
    def work() -> None:
        kernel = FakeKernel()
        waiting = exec._enter(kernel, exec.Target(os.getppid(), 9), later=ns.CLONE_NEWCGROUP)
        assert kernel.calls == [("setns", 9, ns.CLONE_NEWUTS)]
        assert waiting is not None
        assert os.stat(waiting).st_ino == os.stat(f"/proc/{os.getppid()}/ns/cgroup").st_ino
        assert exec._enter(kernel, exec.Target(os.getpid(), 9), later=ns.CLONE_NEWCGROUP) is None

    run_apart(work, ns.CLONE_NEWUTS | ns.CLONE_NEWCGROUP)


def test_a_fork_inside_is_born_in_the_pid_namespace_and_hidden() -> None:
    """The caller's own later children are where it is itself."""

    def work() -> None:
        first, pidfd = LINUX.clone3(ns.CLONE_NEWPID)
        if first == 0:
            signal.pause()
        try:
            pid, other = exec.fork_inside(LINUX, exec.Target(first, pidfd))
            if pid == 0:  # the second process of its namespace
                os._exit(LINUX.prctl(_PR_GET_DUMPABLE) * 100 + os.getpid())
            assert pid > 2
            assert other >= 0
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
            assert os.readlink("/proc/self/ns/pid_for_children") == os.readlink("/proc/self/ns/pid")
        finally:
            os.kill(first, signal.SIGKILL)
            os.waitpid(first, 0)
        with pytest.raises(Conflict, match="stopped container"):  # its first process has ended
            exec.fork_inside(LINUX, exec.Target(first, pidfd))
        assert os.readlink("/proc/self/ns/pid_for_children") == os.readlink("/proc/self/ns/pid")

    run_apart(work)


class Closed(FakeKernel):
    """A kernel that makes no process in the target's pid namespace; ``gone``: since its first process has ended."""

    def __init__(self, gone: bool) -> None:
        super().__init__()
        self.gone = gone

    def setns(self, fd: int, flags: int) -> None:
        super().setns(fd, flags)
        if self.gone and self.calls:
            raise ProcessLookupError(errno.ESRCH, "No such process")

    def clone3(self, flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
        super().clone3(flags, cgroup_fd)
        raise OSError(errno.ENOMEM, "clone3: Cannot allocate memory")


@pytest.mark.parametrize(("gone", "told"), [(True, "stopped container"), (False, "Cannot allocate memory")])
def test_a_lack_of_memory_may_be_the_end_of_the_container(
    gone: bool, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended between setns and clone; but where it still is, memory is what lacks."""
    monkeypatch.setattr(exec, "_DYING_MS", 0)
    pidfd = os.pidfd_open(os.getpid())
    try:
        with pytest.raises((Conflict, OSError), match=told):
            exec._clone(Closed(gone), exec.Target(os.getpid(), pidfd), 0, -1)
    finally:
        os.close(pidfd)


def test_the_kernel_says_no_memory_of_a_pid_namespace_whose_first_process_has_ended() -> None:
    def work() -> None:
        first, pidfd = LINUX.clone3(ns.CLONE_NEWPID)
        if first == 0:
            signal.pause()
        LINUX.setns(pidfd, ns.CLONE_NEWPID)  # in time
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
        with pytest.raises(OSError, match="Cannot allocate memory"):
            LINUX.clone3(0)
        with pytest.raises(Conflict, match="stopped container"):
            exec._clone(LINUX, exec.Target(first, pidfd), 0, -1)

    run_apart(work)


def test_the_steps_end_in_the_program() -> None:
    names = [name for name, _ in exec.STEPS]
    assert names[-1] == "execute"
    assert names.index("take the identity") < names.index("find the program")
