import os
import signal
from types import SimpleNamespace
from typing import Any

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.runtime import channel
from carrack.shim.execs import Exec, Execs
from carrack.shim.loop import Loop
from carrack.shim.protocol import StartError
from carrack.shim.stdio import Stdio


class Desk:
    """Execs whose processes are imagined."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.told: list[Any] = []
        self.execs = Execs(FakeKernel(), None, self.loop, lambda name, exit: self.told.append((name, exit["code"])))  # type: ignore[arg-type]

    def add(self, name: str, pid: int, *, started: bool = True) -> Exec:
        process = Exec({}, Stdio(self.loop))
        process.pid, process.started = pid, started
        self.execs._execs[name] = process
        return process


def test_an_exit_is_told_once_and_remembered() -> None:
    desk = Desk()
    desk.add("a", 10)
    desk.execs.reaped(99, 0)  # a stranger: an intermediate, or an orphan
    desk.execs.reaped(10, 3 << 8)
    desk.execs.reaped(10, 4 << 8)
    assert desk.told == [("a", 3)]
    assert desk.execs.state()["a"]["exit"]["code"] == 3
    assert desk.execs.done


def test_an_exit_before_the_start_was_told_waits() -> None:
    desk = Desk()
    early = desk.add("early", 10, started=False)
    answers: list[object] = []
    ours, theirs = channel.pair()
    desk.execs.reaped(10, 9)
    desk.execs.reaped(11, 1 << 8)  # a stranger
    assert desk.told == []
    assert desk.execs.state() == {}
    theirs.close()  # as the execution of the program, or its end, does
    desk.execs._report("early", early, ours, answers.append)
    assert answers == [10]
    assert desk.told == [("early", 137)]
    assert early.stdio.done


def test_a_name_is_used_once() -> None:
    desk = Desk()
    process = desk.add("a", 10)
    with pytest.raises(StartError, match="exists already"):
        desk.execs.start("a", {"request": {}}, [], lambda _: None)
    with pytest.raises(LookupError):
        desk.execs.get("b")
    assert desk.execs.get("a") is process


@pytest.mark.parametrize(("ended", "stage"), [(True, "stopped"), (False, "execute")])
def test_a_failure_while_the_container_ends_is_told_as_its_end(ended: bool, stage: str) -> None:
    desk = Desk()
    first = os.fork()
    if first == 0:
        signal.pause()
    desk.execs._sandbox = SimpleNamespace(child=SimpleNamespace(pidfd=os.pidfd_open(first)))  # type: ignore[assignment]
    answers: list[Any] = []
    ours, theirs = channel.pair()
    report = {"stage": "execute", "message": "input/output error", "exit_code": 126}
    channel.send(theirs, {"error": report})
    try:
        if ended:
            os.kill(first, signal.SIGKILL)
            os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
        desk.execs._report("a", desk.add("a", 10, started=False), ours, answers.append)
    finally:
        os.kill(first, signal.SIGKILL)
        os.waitpid(first, 0)
        theirs.close()
        os.close(desk.execs._sandbox.child.pidfd)
    assert [answer.stage for answer in answers] == [stage]


def test_old_exits_are_forgotten_in_the_end() -> None:
    desk = Desk()
    for number in range(200):
        desk.add(f"e{number}", 1000 + number)
        desk.execs.reaped(1000 + number, 0)
    assert len(desk.told) == 200
    assert "e0" not in desk.execs.state()
    assert "e199" in desk.execs.state()
