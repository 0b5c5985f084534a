import os
import socket
from typing import Any

from tests.fakes.kernel import FakeKernel

from carrack.runtime.spawn import Child
from carrack.shim.slot import Sandbox, keep_only


class FakeCgroup:
    def __init__(self, path: str, log: list[Any]) -> None:
        self.path = path
        self.log = log

    def rename(self, path: str) -> "FakeCgroup":
        self.log.append(("rename", self.path, path))
        return FakeCgroup(path, self.log)

    def add(self, pid: int) -> None:
        self.log.append(("add", self.path, pid))

    def kill(self) -> None:
        self.log.append(("kill", self.path))

    def remove(self) -> None:
        self.log.append(("remove", self.path))


class FakeHierarchy:
    def __init__(self, version: int, log: list[Any]) -> None:
        self.version = version
        self.log = log

    def create(self, path: str) -> FakeCgroup:
        self.log.append(("create", path))
        return FakeCgroup(path, self.log)


def sandbox(version: int, log: list[Any]) -> tuple[Sandbox, socket.socket]:
    ours, theirs = socket.socketpair()
    made = Sandbox.__new__(Sandbox)
    made.kernel = FakeKernel()
    made._hierarchy = FakeHierarchy(version, log)  # type: ignore[assignment]
    made.cgroup = FakeCgroup("/p/slot-1", log)  # type: ignore[assignment]
    made.child = Child(2**22 - 1, os.open("/dev/null", os.O_RDONLY))
    made.stub = ours
    made.namespace_fds = {}
    made.netlink_fd = made.null_fd = -1
    return made, theirs


def test_version_one_renames_its_cgroup_and_version_two_moves() -> None:
    log: list[Any] = []
    first, other = sandbox(1, log)
    first.name_cgroup("/p/c")
    assert (log, first.cgroup.path) == ([("rename", "/p/slot-1", "/p/c")], "/p/c")
    log.clear()
    second, another = sandbox(2, log)
    second.name_cgroup("/p/c")
    assert log == [("create", "/p/c"), ("add", "/p/c", 2**22 - 1), ("remove", "/p/slot-1")]
    for made, end in ((first, other), (second, another)):
        made.stub.close()
        end.close()
        os.close(made.child.pidfd)


def test_what_it_shows_the_daemon() -> None:
    made, other = sandbox(1, [])
    assert made.describe() == ({"pid": made.child.pid, "cgroup": "/p/slot-1"}, [made.child.pidfd])
    made.netlink_fd, made.namespace_fds["network"] = (
        os.open("/dev/null", os.O_RDONLY),
        os.open("/dev/null", os.O_RDONLY),
    )
    assert made.describe()[1] == [made.child.pidfd, made.namespace_fds["network"], made.netlink_fd]
    made.release_network()
    assert made.describe()[1] == [made.child.pidfd]
    made.stub.close()
    other.close()
    os.close(made.child.pidfd)


def test_destroying_kills_before_it_removes() -> None:
    log: list[Any] = []
    made, other = sandbox(1, log)
    made.namespace_fds["mount"] = os.open("/dev/null", os.O_RDONLY)
    made.destroy()
    assert log == [("kill", "/p/slot-1"), ("remove", "/p/slot-1")]
    assert made.namespace_fds == {}
    assert other.recv(1) == b""
    other.close()
    os.close(made.child.pidfd)


def test_all_descriptors_but_the_named_are_closed() -> None:
    kernel = FakeKernel()
    keep_only(kernel, [7, 3, 1, 8])
    assert [call[1:3] for call in kernel.named("close_range")] == [(4, 6), (9, 0xFFFFFFFF)]
    kernel = FakeKernel()
    keep_only(kernel, [])
    assert [call[1:3] for call in kernel.named("close_range")] == [(3, 0xFFFFFFFF)]
