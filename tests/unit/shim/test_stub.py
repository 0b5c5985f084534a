import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.cgroups import FakeHierarchy
from tests.fakes.kernel import FakeKernel

from carrack.runtime import channel
from carrack.shim import stub
from carrack.shim.protocol import StartError
from carrack.shim.stub import Plan


@pytest.fixture
def null() -> Any:
    fd = os.open("/dev/null", os.O_RDWR)
    yield fd
    os.close(fd)


def message(tmp_path: Path, **more: Any) -> tuple[dict[str, Any], list[int]]:
    """A start message with a root, a run directory, the log's directory and a client."""
    client, other = socket.socketpair()
    other.close()
    fds = [os.open("/", os.O_PATH), *(os.open(tmp_path, os.O_PATH) for _ in range(2)), client.detach()]
    request = {
        "container": "c",
        "cgroup": "/p/c",
        "plan": {"spec": {"process": {"args": ["true"]}}, "rootfs_fd": 0},
        "log": {"directory": "/elsewhere", "file": {"kind": "local"}},
        "attach": [{"fd": 3, "stdout": True}],
        **more,
    }
    return {"id": 5, "request": request, "directory": 1, "log_directory": 2}, fds


def test_a_usual_log_is_the_arguments_of_its_class() -> None:
    file = {"kind": "json-file", "name": "n", "max_size": 5, "max_file": 2, "attributes": "{}"}
    assert stub._log({"directory": "/d", "file": file}) == {"json": ["n", 5, 2, False, "{}"]}
    assert stub._log({"directory": "/d", "logger": {}}) == {"directory": "/d", "logger": {}}


def close(fds: list[int]) -> None:
    for fd in set(fds):
        os.close(fd)


def test_a_start_is_arranged_for_both_sides(tmp_path: Path, null: int) -> None:
    sent, fds = message(tmp_path, stdin=True)
    held = os.open("/", os.O_PATH)
    arranged = stub.arrange(sent, fds, 42, null, [held])
    document = arranged.document

    def given(name: str) -> list[int]:
        return arranged.fds[slice(*document[name])]

    assert (document["id"], document["container"], document["log"]) == (5, "c", sent["request"]["log"])
    assert (given("directory"), given("log_directory"), given("clients")) == ([fds[1]], [fds[2]], [fds[3]])
    assert (given("held"), given("null"), len(given("streams"))) == ([held], [null], 3)
    assert document["wishes"] == [{"stdin": False, "stdout": True, "stderr": False}]
    assert arranged.plan["gate"]
    assert [
        arranged.packed[index] for index in (arranged.plan["rootfs_fd"], *arranged.plan["stdio"])
    ] == arranged.packed
    assert json.loads((tmp_path / "shim.json").read_text()) == {"container": "c", "cgroup": "/p/c", "pid": 42}
    assert (tmp_path / "shim.sock").is_socket()
    os.write(arranged.packed[2], b"x")
    assert os.read(given("streams")[1], 9) == b"x"
    close([fd for fd in (*arranged.fds, *arranged.packed, *fds) if fd != null])


def test_for_another_runtime_the_shim_gets_all(tmp_path: Path, null: int) -> None:
    sent, fds = message(tmp_path, runtime={"words": ["/bin/r"], "join": ["network"]}, directory=str(tmp_path))
    arranged = stub.arrange(sent, fds, 42, null, [])
    document = arranged.document
    assert document["runtime"] == {"words": ["/bin/r"], "join": ["network"], "directory": str(tmp_path)}
    assert arranged.fds[slice(*document["packed"])] == arranged.packed
    assert (document["plan"]["rootfs_fd"], document["plan"]["stdio"]) == (0, [1, 2, 3])
    close([fd for fd in (*arranged.fds, *arranged.packed, *fds) if fd != null])


def test_a_terminal_gets_its_size_and_no_pipes(tmp_path: Path, null: int) -> None:
    sent, fds = message(tmp_path, terminal=True, size=[5, 6], log=None, attach=[])
    arranged = stub.arrange(sent, fds, 42, null, [])
    assert arranged.plan["spec"]["process"]["consoleSize"] == {"height": 5, "width": 6}
    assert (arranged.document["streams"], arranged.document["log"]) == ([1, 1], None)
    close([*(fd for fd in arranged.fds if fd != null), *fds])


def test_what_the_run_directory_refuses_is_told(tmp_path: Path, null: int) -> None:
    sent, fds = message(tmp_path)
    (tmp_path / "shim.json.tmp").mkdir()
    with pytest.raises(StartError, match="directory") as failure:
        stub.arrange(sent, fds, 42, null, [])
    assert failure.value.stage == "socket"
    assert os.listdir(tmp_path) == ["shim.json.tmp"]
    sent["request"]["plan"]["rootfs_fd"] = 99
    with pytest.raises(StartError, match="the plan names descriptor 99") as failure:
        stub.arrange(sent, fds, 42, null, [])
    assert stub.report("sandbox", failure.value) == failure.value.document()
    close(fds)


@pytest.mark.parametrize(
    ("version", "steps"),
    [
        (1, [("rename", "/p/slot", "/p/c")]),
        (2, [("create", "/p/c"), ("add", "/p/c", 0), ("remove", "/p/slot")]),
    ],
)
def test_version_one_renames_its_cgroup_and_version_two_moves(version: int, steps: list[Any]) -> None:
    log: list[Any] = []
    limits: Any = {"pids": {"limit": 3}}
    stub.settle_cgroup(FakeHierarchy(version, log), "/p/slot", "/p/c", {"linux": {"resources": limits}}, 0)
    assert log == [*steps, ("apply", "/p/c", limits)]
    wrong: Any = {"linux": {"resources": {"wrong": 1}}}
    with pytest.raises(StartError, match="Invalid argument: wrong") as failure:
        stub.settle_cgroup(FakeHierarchy(version, log), "/p/slot", "/p/c", wrong, 0)
    assert failure.value.stage == "cgroup"


def test_a_cgroup_made_under_its_last_name_stays_where_it_is() -> None:
    log: list[Any] = []
    limits: Any = {"pids": {"limit": 3}}
    stub.settle_cgroup(FakeHierarchy(2, log), "/p/c", "/p/c", {"linux": {"resources": limits}}, 0)
    assert log == [("apply", "/p/c", limits)]


def test_it_goes_when_the_shim_or_the_daemon_has_gone() -> None:
    control, daemon = channel.pair()
    shim, parent = channel.pair()
    channel.send(daemon, {"id": 1})
    assert stub.await_start(control, shim.fileno()) == ({"id": 1}, [])
    daemon.close()
    assert stub.await_start(control, shim.fileno()) == (None, [])
    control.close()
    control, daemon = channel.pair()
    parent.close()
    assert stub.await_start(control, shim.fileno()) == (None, [])
    for end in (control, daemon, shim):
        end.close()


def test_the_daemon_is_given_the_network_where_it_is_its_own() -> None:
    control, daemon = channel.pair()
    with control, daemon:
        plan = Plan({"namespaces": ["network"], "join": {}}, "/p/slot")
        stub.announce(control, 42, daemon.fileno(), plan, [os.open("/dev/null", os.O_RDONLY)])
        told, fds = channel.receive(daemon)
        assert (told, len(fds)) == ({"ready": {"pid": 42, "cgroup": "/p/slot"}}, 3)
        assert os.fstat(fds[1]).st_ino == os.stat("/proc/self/ns/net").st_ino
        close(fds)
        stub.announce(control, 42, daemon.fileno(), plan, [])
        fds = channel.receive(daemon)[1]
        assert len(fds) == 1
        close(fds)


def test_a_user_namespace_has_no_rights_on_the_host() -> None:
    assert not Plan({"namespaces": ["pid"], "join": {"network": 0}}, "/p").in_user_namespace
    assert Plan({"namespaces": ["user"], "join": {}}, "/p").in_user_namespace
    assert Plan({"namespaces": [], "join": {"user": 0}}, "/p").in_user_namespace


def test_all_descriptors_but_the_named_are_closed() -> None:
    kernel = FakeKernel()
    stub.keep_only(kernel, [7, 3, 1, 8])
    assert [call[1:3] for call in kernel.named("close_range")] == [(4, 6), (9, 0xFFFFFFFF)]
    kernel = FakeKernel()
    stub.keep_only(kernel, [])
    assert [call[1:3] for call in kernel.named("close_range")] == [(3, 0xFFFFFFFF)]
