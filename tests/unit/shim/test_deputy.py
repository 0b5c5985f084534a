import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.cgroups import FakeHierarchy
from tests.fakes.kernel import FakeKernel

from carrack.runtime import channel, devices
from carrack.runtime.spawn import Child
from carrack.shim import deputy
from carrack.shim.stub import Plan

PLAN = Plan({"namespaces": ["pid", "user"], "join": {}}, "/p/slot")


@pytest.fixture(autouse=True)
def null(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "private_null", lambda _: os.open("/dev/null", os.O_RDWR))


def test_the_shim_arranges_the_start_and_hands_on_the_plan(tmp_path: Path) -> None:
    log: list[Any] = []
    stub, first = channel.pair()
    control, daemon = channel.pair()
    child = Child(os.getpid(), os.pidfd_open(os.getpid()))
    root, directory = os.open("/", os.O_PATH), os.open(tmp_path, os.O_PATH)
    channel.send(first, {"parked": True})
    plan = {"spec": {"linux": {"resources": {"pids": {"limit": 3}}}}, "rootfs_fd": 0}
    request = {"container": "c", "cgroup": "/p/c", "plan": plan}
    channel.send(daemon, {"id": 7, "request": request, "directory": 1}, [root, directory])
    document, fds = deputy.wait(FakeKernel(), FakeHierarchy(2, log), PLAN, child, stub, control)
    assert document is not None
    assert (document["id"], document["cgroup"]) == (7, "/p/c")
    assert [step[0] for step in log] == ["create", "add", "remove", "apply"]
    assert log[1] == ("add", "/p/c", os.getpid())
    handed, ends = channel.receive(first)
    assert handed is not None
    assert (handed["plan"]["rootfs_fd"], handed["plan"]["stdio"], len(ends)) == (0, [1, 2, 3], 4)
    ready, told = channel.receive(daemon)
    assert (ready, len(told)) == ({"ready": {"pid": os.getpid(), "cgroup": "/p/slot"}}, 1)
    for fd in (*fds, *ends, *told, root, directory, child.pidfd):
        os.close(fd)
    for end in (stub, first, control, daemon):
        end.close()


def test_for_another_runtime_the_first_process_has_no_more_to_do(tmp_path: Path) -> None:
    log: list[Any] = []
    stub, first = channel.pair()
    control, daemon = channel.pair()
    child = Child(os.getpid(), os.pidfd_open(os.getpid()))
    root, directory = os.open("/", os.O_PATH), os.open(tmp_path, os.O_PATH)
    channel.send(first, {"parked": True})
    runtime = {"words": ["/bin/r"], "join": ["user"]}
    request = {"container": "c", "cgroup": "/p/c", "directory": "/d", "plan": {"spec": {}, "rootfs_fd": 0}}
    channel.send(daemon, {"id": 7, "request": {**request, "runtime": runtime}, "directory": 1}, [root, directory])
    document, fds = deputy.wait(FakeKernel(), FakeHierarchy(2, log), PLAN, child, stub, control)
    assert document is not None
    assert document["runtime"] == {**runtime, "directory": "/d"}
    assert log == []
    stub.close()
    assert channel.receive(first) == (None, [])
    _, told = channel.receive(daemon)
    for fd in {*fds, *told, root, directory, child.pidfd}:
        os.close(fd)
    for end in (first, control, daemon):
        end.close()


def test_a_failure_is_told_with_the_number_of_the_request(tmp_path: Path) -> None:
    stub, first = channel.pair()
    control, daemon = channel.pair()
    child = Child(os.getpid(), os.pidfd_open(os.getpid()))
    directory = os.open(tmp_path, os.O_PATH)
    hierarchy = FakeHierarchy(2, [])
    channel.send(first, {"parked": True})
    channel.send(daemon, {"id": 7, "request": {"container": "c"}, "directory": 0}, [directory])
    document, fds = deputy.wait(FakeKernel(), hierarchy, PLAN, child, stub, control)
    assert document is not None
    assert (document["id"], document["error"]["message"], fds) == (7, "the request lacks 'plan'", [])
    channel.send(first, {"error": {"stage": "sandbox", "message": "no", "exit_code": 125}})
    assert deputy.wait(FakeKernel(), hierarchy, PLAN, child, stub, control)[0] is not None
    first.close()
    assert deputy.wait(FakeKernel(), hierarchy, PLAN, child, stub, control) == (None, [])
    os.close(directory)
    os.close(child.pidfd)
    for end in (stub, control, daemon):
        end.close()


def test_pipes_are_given_to_whom_the_root_of_the_namespace_is() -> None:
    ends = os.pipe()
    deputy.give_streams([ends[1]], os.getpid())  # in the host's own namespace: root
    assert os.fstat(ends[1]).st_uid == 0
    for fd in ends:
        os.close(fd)
