"""The list of steps and how failures are told; the steps at work: tests/root/test_runtime_inside.py."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest
from tests.fakes.kernel import FakeKernel
from tests.fakes.sandbox import run_apart

from carrack.errors import Forbidden, InvalidArgument, NotFound
from carrack.runtime import channel, users
from carrack.runtime.init import STEPS, describe, run_steps, seal_imports, take_identity


def test_the_order_that_safety_depends_on() -> None:
    names = [name for name, _ in STEPS]
    assert len(set(names)) == len(names)

    def before(*wanted: str) -> bool:
        return [names.index(name) for name in wanted] == sorted(names.index(name) for name in wanted)

    assert before("attach the root", "mount", "make devices", "resolve the user", "protect paths", "change root")
    assert before("name the host and set sysctls", "protect paths")
    assert before("change root", "take the identity", "find the program", "wait at the gate", "execute")
    assert names[0] == "start a session"
    assert names[-1] == "execute"


@pytest.mark.parametrize(
    ("stage", "error", "report"),
    [
        ("find the program", NotFound("no"), ("no", None, 127)),
        ("find the program", Forbidden("no"), ("no", None, 126)),
        ("execute", Forbidden("exec /x: exec format error"), ("exec /x: exec format error", None, 126)),
        ("resolve the user", NotFound("unable"), ("unable", None, 1)),
        ("mount", OSError(2, "text", "/path"), ("text: /path", 2, 1)),
        ("mount", OSError(2, "text"), ("text", 2, 1)),
        ("mount", KeyError("x"), ("KeyError: 'x'", None, 1)),
    ],
)
def test_failures_carry_stage_text_and_code(stage: str, error: BaseException, report: tuple[Any, ...]) -> None:
    found = describe(stage, error)
    assert (found["message"], found["errno"], found["exit_code"]) == report
    assert found["stage"] == stage


class _Setup:
    def __init__(self, sock: socket.socket) -> None:
        self.channel = sock


def outcome(steps: Any, make: Callable[[socket.socket], Any] = _Setup) -> tuple[Any, int]:
    ours, theirs = channel.pair()
    pid = os.fork()
    if pid == 0:
        run_steps(steps, lambda: make(theirs), theirs)
    theirs.close()
    with ours:
        message, _ = channel.receive(ours)
    return message, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_failing_step_is_reported_and_ends_the_process() -> None:
    def fail(_: object) -> None:
        raise InvalidArgument("wrong")

    def never(_: object) -> None:
        os._exit(99)

    message, code = outcome((("good", lambda _: None), ("bad", fail), ("later", never)))
    assert message == {"error": {"stage": "bad", "message": "wrong", "errno": None, "exit_code": 1}}
    assert code == 1


def test_a_failure_before_the_first_step_is_reported_too() -> None:
    def broken(_: socket.socket) -> Any:
        raise KeyError("spec")

    message, code = outcome((), broken)
    assert message["error"]["stage"] == "prepare"
    assert code == 1


def test_nothing_can_be_imported_after_sealing() -> None:
    def work() -> None:
        sys.modules.pop("this", None)
        seal_imports()
        with pytest.raises((ModuleNotFoundError, ImportWarning)):
            __import__("this")

    run_apart(work)


class _Identity:
    """Just what take_identity() needs; ids are those we have, so that no privilege is needed."""

    def __init__(self, private: bool) -> None:
        self.kernel = FakeKernel()
        self.process: dict[str, Any] = {"noNewPrivileges": private, "capabilities": {}, "cwd": "/"}
        self.capabilities: dict[str, Any] = {}
        self.filter = (b"x" * 8, 0)
        self.procfs = None
        self.last_cap = 0
        self.identity = users.Identity(os.getuid(), os.getgid(), os.getgroups(), "/")


@pytest.mark.parametrize("private", [True, False])
def test_seccomp_is_loaded_while_it_may_be_and_no_sooner(private: bool) -> None:
    def work() -> None:
        setup = _Identity(private)
        take_identity(setup)
        kinds = [call[0] if call[0] != "prctl" else call[1] for call in setup.kernel.calls]
        keep_capabilities, drop_bounding, no_new_privileges = 8, 24, 38
        if private:
            assert kinds[0] == no_new_privileges
            assert "seccomp" not in kinds  # the last step loads it
        else:
            assert kinds[0] == "seccomp"
        assert kinds.index(drop_bounding) < kinds.index(keep_capabilities) < kinds.index("capset")

    run_apart(work)
