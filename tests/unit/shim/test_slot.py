import os
import socket
import subprocess
from typing import Any

import pytest
from tests.fakes.cgroups import FakeHierarchy
from tests.fakes.kernel import FakeKernel

from carrack.linux import namespaces as ns
from carrack.runtime import channel
from carrack.runtime.spawn import Child
from carrack.shim import slot
from carrack.shim.loop import Loop
from carrack.shim.slot import Sandbox
from carrack.shim.stub import Plan

PLAN = Plan({"namespaces": ["pid", "mount"], "join": {}}, "/p/slot-1")


def sandbox(version: int, log: list[Any]) -> tuple[Sandbox, socket.socket]:
    ours, theirs = channel.pair()
    child = Child(2**22 - 1, os.open("/dev/null", os.O_RDONLY))
    return Sandbox(FakeKernel(), FakeHierarchy(version, log), PLAN, child, ours), theirs


def test_destroying_kills_before_it_removes_under_each_name() -> None:
    log: list[Any] = []
    made, other = sandbox(1, log)
    assert made.cgroup.path == "/p/slot-1"
    made.rename("/p/c")
    assert made.cgroup.path == "/p/c"
    held = os.open("/dev/null", os.O_RDONLY)
    made.namespace_fds.append(held)
    made.destroy()
    assert log == [("kill", "/p/slot-1"), ("remove", "/p/slot-1"), ("kill", "/p/c"), ("remove", "/p/c")]
    assert made.namespace_fds == []
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(held)
    assert other.recv(1) == b""
    other.close()
    os.close(made.child.pidfd)


def test_another_runtimes_container_takes_the_place_of_the_first_process() -> None:
    log: list[Any] = []
    made, other = sandbox(1, log)
    first = os.fork()
    if first == 0:
        os._exit(0)
    os.close(made.child.pidfd)
    made.child = Child(first, os.pidfd_open(first))
    made.rename("/p/c")

    class Deleting:
        def delete(self) -> None:
            log.append("delete")

    made.adopt(os.getpid(), Deleting())  # type: ignore[arg-type]
    assert made.child.pid == os.getpid()
    assert [os.readlink(f"/proc/self/fd/{fd}").partition(":")[0] for fd in made.namespace_fds] == ["mnt", "ipc"]
    made.release_namespaces()
    made.remove_cgroup()
    assert log == [("remove", "/p/slot-1"), "delete", ("remove", "/p/c")]
    other.close()
    os.close(made.child.pidfd)


def test_it_waits_for_a_word_of_the_first_process_or_its_end() -> None:
    made, other = sandbox(1, [])
    control, daemon = channel.pair()
    loop = Loop()
    channel.send(daemon, {"id": 1})  # the first process's to read
    channel.send(other, {"a": 1})
    assert made.wait(loop, control) == ({"a": 1}, [])
    other.close()
    assert made.wait(loop, control) == (None, [])
    assert channel.receive(control) == ({"id": 1}, [])
    for end in (control, daemon, made.stub, loop):
        end.close()
    os.close(made.child.pidfd)


def test_a_daemon_that_left_leaves_the_first_process_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slot, "_FAREWELL", 0.01)
    made, other = sandbox(1, [])
    control, daemon = channel.pair()
    loop = Loop()
    daemon.close()
    assert made.wait(loop, control) == (None, [])  # it hangs
    channel.send(other, {"a": 1})
    assert made.wait(loop, control) == ({"a": 1}, [])
    for end in (control, other, made.stub, loop):
        end.close()
    os.close(made.child.pidfd)


@pytest.mark.parametrize("version", [1, 2])
def test_the_usual_slot_is_one_clone(version: int) -> None:
    log: list[Any] = []
    document: dict[str, Any] = {"namespaces": ["pid", "cgroup"], "join": {}, "cgroup_parent": "/p/"}
    document["usual"] = slot.Usual(document)
    kernel, hierarchy = FakeKernel(), FakeHierarchy(version, log)
    control, daemon = channel.pair()
    with control, daemon:
        made = slot.prepare(kernel, hierarchy, document, [], control)
    call: Any = kernel.calls[0]
    assert call[:2] == ("clone3", ns.CLONE_NEWPID)
    assert len(kernel.calls) == 1
    assert (call[2] >= 0) == (version == 2) == bool(log)  # on version 1 it enters its cgroup by itself
    assert made.cgroup.path.startswith("/p/slot-")
    assert made.cgroup.path.endswith(f"-{os.getpid()}")
    assert made.child.pid == kernel.clone_result[0]
    made.stub.close()


def test_what_joins_or_maps_is_no_mere_clone() -> None:
    document: dict[str, Any] = {"namespaces": ["pid"], "join": {}, "cgroup_parent": "/p"}
    assert slot.Usual(document).flags == ns.CLONE_NEWPID
    assert slot.Usual({**document, "join": {"network": 0}}).flags is None
    assert slot.Usual({**document, "namespaces": ["pid", "user"]}).flags is None


def test_the_name_of_a_slot_comes_before_all_else() -> None:
    control, daemon = channel.pair()
    channel.send(daemon, {"name": "ab" * 32})
    assert slot._name(control) == "ab" * 32
    daemon.close()
    with pytest.raises(OSError, match="daemon has gone"):
        slot._name(control)
    control.close()


def test_the_old_name_is_kept_for_a_first_process_that_is_dying(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: str) -> str:
        raise FileNotFoundError

    made, other = sandbox(1, [])
    with subprocess.Popen(["/bin/sleep", "100"]) as sleeping:
        made.child = Child(sleeping.pid, os.pidfd_open(sleeping.pid))
        made.rename("/p/c")
        with monkeypatch.context() as dying:
            dying.setattr(os, "readlink", gone)
            made.settle()
        kept = list(made._paths)
        made.settle()
        sleeping.kill()
    assert kept == ["/p/slot-1", "/p/c"]
    assert made._paths == ["/p/c"], "it runs"
    os.close(made.child.pidfd)
    made.stub.close()
    other.close()
