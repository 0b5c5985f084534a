"""What reaches a cgroup: tests/root/test_runtime_lifecycle.py. Here: how flags become resources, and refusals."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from carrack.errors import InvalidArgument
from carrack.runtime.commands import control
from carrack.runtime.flags import parse
from carrack.runtime.main import main
from carrack.runtime.state import StateRoot


def resources(*arguments: str) -> Any:
    return control.resources(parse(arguments, control.UPDATE.flags, control.UPDATE.aliases))


def test_flags_become_resources() -> None:
    found = resources(
        "--memory", "5", "--memory-swap=-1", "--cpu-share", "2", "--cpuset-cpus", "0-1", "--pids-limit", "9"
    )
    assert found == {"memory": {"limit": 5, "swap": -1}, "cpu": {"shares": 2, "cpus": "0-1"}, "pids": {"limit": 9}}


def test_a_file_or_our_input_may_hold_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r").write_text('{"pids": {"limit": 1}}')
    assert resources("-r", str(tmp_path / "r")) == {"pids": {"limit": 1}}
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"pids": {"limit": 2}}'))
    assert resources("-r", "-") == {"pids": {"limit": 2}}


@pytest.mark.parametrize("text", ["{", "[]", "1"])
def test_a_file_that_does_not_hold_them_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r").write_text(text)
    with pytest.raises(InvalidArgument, match="--resources"):
        resources("--resources", str(tmp_path / "r"))
    with pytest.raises(InvalidArgument, match="nothing to update"):
        resources()


@pytest.mark.parametrize(
    ("verb", "words"), [("pause", "not running"), ("resume", "not paused"), ("update", "not running")]
)
def test_what_does_not_run_is_not_changed(
    tmp_path: Path, verb: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "cgroup_of", lambda *_: None)
    StateRoot(str(tmp_path)).create("box", {"pid": 0}, {})
    assert main(["--root", str(tmp_path), verb, "box"]) == 1
    assert words in capsys.readouterr().err
