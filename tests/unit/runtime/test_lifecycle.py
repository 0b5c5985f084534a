"""Verbs on real containers: tests/root/test_runtime_lifecycle.py. Here: words, states, and what dies half-way."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from carrack.errors import Conflict, InvalidArgument
from carrack.linux.syscalls import LINUX
from carrack.runtime import lifecycle
from carrack.runtime.state import State, StateRoot, start_time


class FakeCgroup:
    def __init__(self) -> None:
        self.log: list[str] = []

    def frozen(self) -> bool:
        return False

    def kill(self) -> None:
        self.log.append("kill")

    def remove(self) -> None:
        self.log.append("remove")

    def processes(self) -> list[int]:
        return []


@pytest.fixture
def cgroup(monkeypatch: pytest.MonkeyPatch) -> FakeCgroup:
    made = FakeCgroup()
    monkeypatch.setattr(lifecycle, "cgroup_of", lambda *_: made)
    return made


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as running:
        yield running
        running.kill()


def make(tmp_path: Path, pid: int = 0, **spec: Any) -> State:
    record = {"pid": pid, "start_time": start_time(pid) if pid else 0, "bundle": "/b", "rootfs": "/r", "created": "now"}
    return StateRoot(str(tmp_path / "state")).create("box", record, spec)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("word", "number"),
    [("TERM", 15), ("SIGTERM", 15), ("sigkill", 9), ("9", 9), ("RTMIN+3", signal.SIGRTMIN + 3), ("SIGRTMAX-2", 62)],
)
def test_signals_by_name_and_number(word: str, number: int) -> None:
    assert lifecycle.parse_signal(word) == number


@pytest.mark.parametrize("word", ["", "0", "65", "-1", "NOPE", "TERM+1", "RTMIN+x", "１５"])
def test_what_is_no_signal_is_named(word: str) -> None:
    with pytest.raises(InvalidArgument, match="unknown signal"):
        lifecycle.parse_signal(word)


def test_only_what_runs_gets_signals(tmp_path: Path, cgroup: FakeCgroup, process: subprocess.Popen[bytes]) -> None:
    state = make(tmp_path, process.pid, linux={"namespaces": [{"type": "pid"}]})
    state.record["start_time"] -= 1
    with pytest.raises(Conflict, match="container not running"):
        lifecycle.send_signal(LINUX, state, signal.SIGKILL)
    assert process.poll() is None
    state.record["start_time"] += 1
    lifecycle.send_signal(LINUX, state, signal.SIGKILL)
    assert process.wait(5) == -9
    assert cgroup.log == []


def test_without_a_pid_namespace_the_whole_cgroup_is_killed(
    tmp_path: Path, cgroup: FakeCgroup, process: subprocess.Popen[bytes]
) -> None:
    lifecycle.send_signal(LINUX, make(tmp_path, process.pid), signal.SIGKILL)
    assert cgroup.log == ["kill"]


def test_a_running_container_is_deleted_by_force_only(
    tmp_path: Path, cgroup: FakeCgroup, process: subprocess.Popen[bytes]
) -> None:
    state = make(tmp_path, process.pid)
    with pytest.raises(Conflict, match="not stopped: running"):
        lifecycle.delete(LINUX, state, force=False, warn=print)
    assert process.poll() is None
    lifecycle.delete(LINUX, state, force=True, warn=print)
    assert process.wait(5) == -9
    assert cgroup.log == ["kill", "remove"]
    assert os.listdir(tmp_path / "state") == []


def test_what_was_only_begun_can_be_cleaned(tmp_path: Path, cgroup: FakeCgroup) -> None:
    state = make(tmp_path)
    os.unlink(f"{state.directory}/config.json")
    lifecycle.delete(LINUX, state, force=True, warn=print)
    assert os.listdir(tmp_path / "state") == []


def test_a_failing_poststop_hook_is_a_warning(tmp_path: Path, cgroup: FakeCgroup) -> None:
    said: list[str] = []
    state = make(tmp_path, hooks={"poststop": [{"path": "/bin/false"}]})
    lifecycle.delete(LINUX, state, force=True, warn=said.append)
    assert "poststop hook #0" in said[0]
    assert os.listdir(tmp_path / "state") == []


def test_only_a_created_container_starts(tmp_path: Path, cgroup: FakeCgroup, process: subprocess.Popen[bytes]) -> None:
    state = make(tmp_path, process.pid)
    with pytest.raises(Conflict, match="already running"):
        lifecycle.start(LINUX, state, print)
    state.record["start_time"] -= 1
    with pytest.raises(Conflict, match="has stopped"):
        lifecycle.start(LINUX, state, print)
