from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from carrack.errors import InvalidArgument
from carrack.linux.syscalls import LINUX
from carrack.runtime import hooks


def shell(script: str, **fields: Any) -> Any:
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **fields}


def test_all_hooks_of_a_point_run_in_order_with_the_state_and_their_environment(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = f'read -r state; echo "$NAME $state" >> {out}'
    listed: Any = {"poststart": [shell(script, env=["NAME=one"]), shell(script, env=["NAME=two"])]}
    hooks.run(LINUX, listed, "poststart", {"id": "box"})
    hooks.run(LINUX, listed, "poststop", {"id": "box"})
    lines = [line.split(" ", 1) for line in out.read_text().splitlines()]
    assert [(name, json.loads(state)) for name, state in lines] == [("one", {"id": "box"}), ("two", {"id": "box"})]


def test_a_failure_stops_the_rest_and_is_told(tmp_path: Path) -> None:
    listed: Any = {"prestart": [shell("echo reason >&2; exit 4"), shell(f"touch {tmp_path}/ran")]}
    with pytest.raises(
        hooks.HookFailed, match=r"error running prestart hook #0: /bin/sh: exit status 4, stderr: reason"
    ):
        hooks.run(LINUX, listed, "prestart", {})
    assert os.listdir(tmp_path) == []


def test_a_hook_that_does_not_end_is_killed() -> None:
    with pytest.raises(hooks.HookFailed, match="was killed after 1 s"):
        hooks.run(LINUX, {"poststop": [shell("exec sleep 30", timeout=1)]}, "poststop", {})


def test_a_grandchild_that_holds_the_pipe_does_not_hold_us() -> None:
    hooks.run(LINUX, {"poststop": [shell("sleep 1 & exit 0")]}, "poststop", {})


def test_a_hook_that_is_not_there_says_so() -> None:
    with pytest.raises(hooks.HookFailed, match="exit status 127, stderr: No such file"):
        hooks.run(LINUX, {"poststop": [{"path": "/not/there"}]}, "poststop", {})


def test_a_hook_need_not_read_its_state_and_sees_no_other_descriptor(tmp_path: Path) -> None:
    leak = os.open("/", os.O_RDONLY)
    os.set_inheritable(leak, True)
    hook = shell(f"exec 0<&-; ls /proc/self/fd > {tmp_path}/fds")
    hooks.run(LINUX, {"poststop": [hook]}, "poststop", {"x": "y" * 2000})
    os.close(leak)
    assert set((tmp_path / "fds").read_text().split()) <= {"0", "1", "2", "3"}


def test_paths_must_be_absolute() -> None:
    with pytest.raises(InvalidArgument, match=r"hooks.prestart\[0\].path"):
        hooks.check({"prestart": [{"path": "relative"}]})
