"""Processes that really join: tests/root/test_runtime_lifecycle.py. Here: the process that flags describe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carrack.errors import InvalidArgument
from carrack.runtime.commands import processes
from carrack.runtime.commands.documents import template
from carrack.runtime.flags import parse


def plan(*arguments: str, **linux: Any) -> Any:
    spec: Any = template()
    spec["linux"].update(linux)
    return processes._plan(spec, parse(arguments, processes.EXEC.flags, processes.EXEC.aliases))


def test_the_container_s_own_process_is_the_pattern() -> None:
    found = plan("box", "ls", "-l")["process"]
    assert found["args"] == ["ls", "-l"]
    assert found["terminal"] is False
    assert found["env"] == template()["process"]["env"]
    assert found["noNewPrivileges"] is True


def test_flags_change_it() -> None:
    found = plan(
        "-t", "-u", "5:6", "-g", "7", "-g", "8", "-e", "A=1", "--cwd", "/tmp", "-c", "CAP_CHOWN", "--apparmor", "p",
        "--process-label", "l", "box", "sh",
    )["process"]  # fmt: skip
    assert found["terminal"] is True
    assert found["user"] == {"uid": 5, "gid": 6, "additionalGids": [7, 8]}
    assert found["env"][-1] == "A=1"
    assert (found["cwd"], found["apparmorProfile"], found["selinuxLabel"]) == ("/tmp", "p", "l")
    for kind in ("bounding", "effective", "permitted"):
        assert found["capabilities"][kind][-1] == "CAP_CHOWN"
    assert "inheritable" not in found["capabilities"]


def test_the_container_s_filter_holds_for_it_too() -> None:
    profile = {"defaultAction": "SCMP_ACT_ALLOW"}
    assert plan("box", "sh", seccomp=profile)["seccomp"] == profile
    assert "seccomp" not in plan("box", "sh")


def test_a_document_replaces_all(tmp_path: Path) -> None:
    path = tmp_path / "process.json"
    path.write_text(json.dumps({"args": ["x"], "cwd": "/", "user": {"uid": 3}}))
    assert plan("-p", str(path), "box")["process"] == {"args": ["x"], "cwd": "/", "user": {"uid": 3}}
    path.write_text("{}")
    with pytest.raises(InvalidArgument, match=r"process\.args"):
        plan("-p", str(path), "box")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["box"], "args cannot be empty"),
        (["-u", "bob", "box", "sh"], "invalid uid or gid 'bob'"),
        (["-u", "4294967296", "box", "sh"], "invalid uid or gid"),
        (["-g", "-1", "box", "sh"], "invalid uid or gid"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], words: str) -> None:
    with pytest.raises(InvalidArgument, match=words):
        plan(*arguments)
