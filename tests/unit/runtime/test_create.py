"""Creation at work: tests/root/test_runtime_lifecycle.py. Here: what is refused, and that nothing stays."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.kernel import FakeKernel

from carrack.errors import CarrackError, Conflict, InvalidArgument
from carrack.runtime import create, hooks
from carrack.runtime.cgroups import hierarchy
from carrack.runtime.commands.documents import template
from carrack.runtime.state import State, StateRoot


class FakeCgroup:
    def __init__(self, fail: bool, members: list[int]) -> None:
        self.fail = fail
        self.members = members
        self.log: list[str] = []

    def apply(self, resources: Any) -> None:
        self.log.append(f"apply devices={resources['devices']}")
        if self.fail:
            raise OSError(22, "failed to write '1'", "/cgroup/pids.max")

    def processes(self) -> list[int]:
        return self.members

    def kill(self) -> None:
        self.log.append("kill")

    def remove(self) -> None:
        self.log.append("remove")


class FakeTree:
    version = 1

    def __init__(self, fail: bool = False, members: list[int] | None = None) -> None:
        self.cgroup = FakeCgroup(fail, members or [])

    def open(self, path: str) -> FakeCgroup:
        return self.cgroup

    create = open


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


def write(directory: Path, **changes: Any) -> None:
    spec = template()
    spec["process"]["terminal"] = False
    for key, value in changes.items():
        spec["linux"][key] = value
    (directory / "config.json").write_text(json.dumps(spec))


def attempt(site: Path, monkeypatch: pytest.MonkeyPatch, tree: FakeTree) -> str:
    monkeypatch.setattr(hierarchy, "detect", lambda **_: tree)
    root = StateRoot(str(site / "state"))
    with pytest.raises((CarrackError, OSError)) as caught:
        create.create(FakeKernel(), root, "box", str(site), create.Options())
    assert not os.path.exists(root.root) or os.listdir(root.root) == []
    return str(caught.value)


def test_a_limit_that_is_refused_leaves_nothing(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = FakeTree(fail=True)
    assert "failed to write" in attempt(site, monkeypatch, tree)
    assert tree.cgroup.log[1:] == ["remove"]


def test_a_cgroup_in_use_is_not_taken_and_not_removed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = FakeTree(members=[1])
    assert "not empty: 1 process" in attempt(site, monkeypatch, tree)
    assert tree.cgroup.log == []


def test_a_failure_after_the_cgroup_was_made_removes_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(2, "root file system: No such file or directory", "rootfs")

    monkeypatch.setattr(create, "_open_root", fail)
    tree = FakeTree()
    assert "root file system" in attempt(site, monkeypatch, tree)
    assert tree.cgroup.log == ["apply devices=[{'allow': False, 'access': 'rwm'}]", "kill", "remove"]


def test_without_device_rules_only_the_default_devices_are_allowed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site, resources={})
    tree = FakeTree(fail=True)
    attempt(site, monkeypatch, tree)
    assert tree.cgroup.log[0] == "apply devices=[]"


def test_a_terminal_needs_somebody_to_take_it(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (site / "config.json").write_text(json.dumps(template()))
    assert "console socket" in attempt(site, monkeypatch, FakeTree())


def test_preserved_descriptors_must_be_open(site: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"descriptor [0-9]+ is not open"):
        create.create(FakeKernel(), StateRoot(str(site / "s")), "box", str(site), create.Options(preserve_fds=5000))


def test_a_taken_id_is_left_alone(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = StateRoot(str(site / "state"))
    root.create("box", {"pid": 0}, {})
    with pytest.raises(Conflict, match="already exists"):
        create.create(FakeKernel(), root, "box", str(site), create.Options())
    assert os.listdir(root.root) == ["box"]


@pytest.mark.parametrize(
    ("given", "path"), [("", "/box"), ("/a/b", "/a/b"), ("relative", "/relative"), ("/a/../b", None), ("s:p:n", None)]
)
def test_where_the_cgroup_is(given: str, path: str | None) -> None:
    spec: Any = {"linux": {"cgroupsPath": given}}
    if path is None:
        with pytest.raises(InvalidArgument):
            create.cgroup_path("box", spec)
    else:
        assert create.cgroup_path("box", spec) == path


def test_the_gate_s_address_fits_whatever_the_length(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    with socket.socket(socket.AF_UNIX) as sock, create.gate_address(State(str(deep), {"id": "x"})) as address:
        sock.bind(address)
    assert (deep / "init.sock").exists()


def test_failures_carry_the_shell_s_code() -> None:
    failure = create.StartFailed({"message": "why", "exit_code": 127})
    assert failure.exit_code == 127
    assert str(failure).endswith("why")
    assert isinstance(hooks.HookFailed("x"), CarrackError)
