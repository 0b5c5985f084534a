from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from carrack.errors import Conflict, InvalidArgument, NotFound
from carrack.runtime.state import State, StateRoot, check_id, start_time, write_durably

RECORD: dict[str, Any] = {"pid": 0, "bundle": "/b", "rootfs": "/b/r", "created": "now", "annotations": {"a": "1"}}


@pytest.fixture
def root(tmp_path: Path) -> StateRoot:
    return StateRoot(f"{tmp_path}/state")


def make(root: StateRoot, **changes: Any) -> State:
    return root.create("box", {**RECORD, **changes}, {"ociVersion": "1.2.0"})


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a b", "ä", "x\n", "a" * 1025])
def test_an_id_that_could_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid container id format"):
        check_id(name)


def test_a_container_is_found_again_and_its_id_taken(root: StateRoot) -> None:
    assert root.all() == []
    make(root)
    assert root.open("box").spec() == {"ociVersion": "1.2.0"}
    assert [state.id for state in root.all()] == ["box"]
    with pytest.raises(Conflict, match="already exists"):
        make(root)


def test_an_unknown_one_is_not_found(root: StateRoot) -> None:
    with pytest.raises(NotFound, match=r"^container does not exist$"):
        root.open("box")


def test_the_status_follows_the_process(root: StateRoot) -> None:
    state = make(root)
    assert state.status(None) == "creating"
    with subprocess.Popen(["sleep", "60"]) as process:
        state.record.update(pid=process.pid, start_time=start_time(process.pid))
        state.save()
        state = root.open("box")
        Path(state.socket_path).touch()
        assert state.status(None) == "created"
        os.unlink(state.socket_path)
        assert state.status(None) == "running"
        assert state.document(None)["pid"] == process.pid
        state.record["start_time"] -= 1
        assert state.status(None) == "stopped"  # the pid belongs to another now
        state.record["start_time"] += 1
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert state.status(None) == "stopped"  # a zombie runs nothing
    document = state.document(None)
    assert (document["pid"], document["annotations"], document["ociVersion"]) == (0, {"a": "1"}, "1.2.0")


def test_a_crash_at_any_point_leaves_what_can_be_deleted(root: StateRoot) -> None:
    os.makedirs(f"{root.root}/box")
    state = root.open("box")
    assert state.status(None) == "creating"
    state.remove()
    assert os.listdir(root.root) == []


def test_a_damaged_record_is_told(root: StateRoot) -> None:
    state = make(root)
    Path(f"{state.directory}/state.json").write_text("{")
    with pytest.raises(InvalidArgument, match="is damaged"):
        root.open("box")
    assert root.all() == []


def test_a_write_replaces_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(str(path), b"a long first content")
    write_durably(str(path), b"short")
    assert path.read_bytes() == b"short"
    assert os.listdir(tmp_path) == ["file"]


def test_no_process_has_no_start_time() -> None:
    assert start_time(2**22 + 1) == -1
    assert start_time(os.getpid()) > 0
