import os
import signal
import socket
from typing import Any

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.runtime.spawn import Child
from carrack.shim.protocol import StartError
from carrack.shim.service import Service


class FakeControl:
    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.fds: list[int] = []

    def send(self, message: dict[str, Any], fds: tuple[int, ...] = ()) -> None:
        self.sent.append(message)
        self.fds += fds


class FakeCgroup:
    path = "/p/c"

    def __init__(self) -> None:
        self.log: list[Any] = []

    def freeze(self) -> None:
        self.log.append("freeze")

    def thaw(self) -> None:
        self.log.append("thaw")

    def apply(self, resources: Any) -> None:
        raise OSError(16, "unable to set memory limit to 1", "memory.limit_in_bytes")

    def stats(self) -> dict[str, int]:
        return {"cpu": 1}

    def processes(self) -> list[int]:
        return [1, 2]


class FakeStdio:
    def __init__(self) -> None:
        self.log: list[Any] = []

    def resize(self, height: int, width: int) -> None:
        self.log.append((height, width))

    def attach(self, sock: socket.socket, **wishes: bool) -> None:
        sock.close()
        self.log.append(wishes)


class FakeExecs:
    def get(self, name: str) -> Any:
        raise LookupError(f"exec {name}")

    def state(self) -> dict[str, Any]:
        return {}

    def start(self, name: str, message: Any, fds: list[int], answer: Any) -> None:
        for fd in fds:
            os.close(fd)
        answer(StartError("execute", "not found", 127) if name == "bad" else 42)


class Fake:
    """A sandbox and a running container in one."""

    runtime: Any = None

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.cgroup = FakeCgroup()
        self.child = Child(5, 6)
        self.container, self.terminal, self.stdio = "c", False, FakeStdio()
        self.held_fds: list[int] = []


def ask(fake: Fake, **message: Any) -> Any:
    control = FakeControl()
    fds = message.pop("fds", [])
    Service(fake, fake, FakeExecs()).handle(control, {"id": 1, **message}, fds)  # type: ignore[arg-type]
    assert [answer["id"] for answer in control.sent] == [1]
    return control.sent[0].get("ok", control.sent[0].get("error"))


def test_requests_reach_what_they_are_for() -> None:
    fake = Fake()
    assert ask(fake, op="stats") == {"cpu": 1}
    assert ask(fake, op="pids") == [1, 2]
    assert ask(fake, op="resize", height=3, width=4) is None
    assert ask(fake, op="signal", signal=signal.SIGTERM) is None
    assert ask(fake, op="exec", exec="good", request={}) == {"pid": 42}
    assert fake.stdio.log == [(3, 4)]
    assert fake.kernel.named("pidfd_send_signal")[0][1:3] == (6, signal.SIGTERM)


def test_pausing_shows_in_the_state() -> None:
    fake = Fake()
    service = Service(fake, fake, FakeExecs())  # type: ignore[arg-type]
    for operation, paused in (("pause", True), ("resume", False)):
        service.handle(FakeControl(), {"id": 1, "op": operation}, [])  # type: ignore[arg-type]
        assert service.state()["paused"] is paused
    assert fake.cgroup.log == ["freeze", "thaw"]


def test_descriptors_are_kept_and_given_again() -> None:
    fake, given = Fake(), os.dup(0)
    assert ask(fake, op="hold", fds=[given]) == 1
    os.fstat(given)
    control = FakeControl()
    Service(fake, fake, FakeExecs()).handle(control, {"id": 2, "op": "held"}, [])  # type: ignore[arg-type]
    assert (control.sent, control.fds) == ([{"id": 2, "ok": 1}], [given])
    os.close(given)


class FakeRuntime:
    """Another runtime, which is asked in place of the kernel."""

    def __init__(self) -> None:
        self.log: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *words: self.log.append((name, *words))


def test_sockets_on_ports_are_let_go() -> None:
    fake = Fake()
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        gone, stays = os.dup(one.fileno()), os.dup(two.fileno())
        ask(fake, op="hold", fds=[gone, stays])
        port = one.getsockname()[1]
        assert ask(fake, op="release", places=[["tcp", ["127.0.0.1"], port], ["udp", ["127.0.0.1"], port]]) == 1
        assert fake.held_fds == [stays]
        os.close(stays)


def test_another_runtime_does_itself_what_it_can() -> None:
    fake = Fake()
    fake.runtime = FakeRuntime()
    for message in (
        {"op": "pause"},
        {"op": "resume"},
        {"op": "signal", "signal": 9},
        {"op": "update", "resources": {}},
    ):
        assert ask(fake, **message) is None
    assert fake.runtime.log == [("pause",), ("resume",), ("kill", 9), ("update", {})]
    assert fake.cgroup.log == fake.kernel.calls == []


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"op": "what"}, {"kind": "failed", "message": "unknown request 'what'"}),
        ({"op": "update", "resources": {}}, {"kind": "failed", "errno": 16}),
        ({"op": "signal", "signal": 9, "exec": "none"}, {"kind": "missing"}),
        ({"op": "resize"}, {"kind": "missing"}),
        ({"op": "exec", "exec": "bad", "request": {}}, {"stage": "execute", "exit_code": 127}),
    ],
)
def test_failures_are_answers(message: dict[str, Any], expected: dict[str, Any]) -> None:
    error = ask(Fake(), **message)
    assert {key: error[key] for key in expected} == expected


def test_descriptors_nobody_asked_for_are_closed() -> None:
    fd = os.dup(0)
    ask(Fake(), op="stats", fds=[fd])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_attaching_hands_the_socket_over() -> None:
    fake = Fake()
    ours, theirs = socket.socketpair()
    with ours:
        assert ask(fake, op="attach", stdout=True, fds=[theirs.detach()]) is None
    assert fake.stdio.log == [{"stdin": False, "stdout": True, "stderr": False, "terminal": False}]
    ours, theirs = socket.socketpair()
    with ours:
        assert ask(fake, op="attach", exec="none", fds=[theirs.detach()])["kind"] == "missing"
        assert ours.recv(1) == b""
