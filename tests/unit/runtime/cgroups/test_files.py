from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from carrack.runtime.cgroups import files


def test_numbers_and_tables_forgive_what_is_absent(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("42\n")
    (tmp_path / "max").write_text("max\n")
    (tmp_path / "t").write_text("a 1\nb 2\nbroken\nc x\n")
    where = str(tmp_path)
    assert files.read_number(where, "n") == 42
    assert files.read_number(where, "max") == 0
    assert files.read_number(where, "none", 7) == 7
    assert files.read_table(where, "t") == {"a": 1, "b": 2}
    assert files.read_table(where, "none") == {}


def test_a_tree_lists_itself_first(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    assert files.tree(f"{tmp_path}/a") == [f"{tmp_path}/a", f"{tmp_path}/a/b"]
    assert files.tree(f"{tmp_path}/none") == []


def test_the_processes_of_a_tree_are_all_below_it(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/cgroup.procs").write_text("5\n6\n")
    (tmp_path / "a/b/cgroup.procs").write_text("7\n")
    assert files.processes(f"{tmp_path}/a") == [5, 6, 7]


def test_removal_retries_while_it_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    really, attempts = os.rmdir, []

    def rmdir(path: str) -> None:
        attempts.append(path)
        if len(attempts) < 3:
            raise OSError(errno.EBUSY, "busy", path)
        really(path)

    monkeypatch.setattr(os, "rmdir", rmdir)
    files.remove(f"{tmp_path}/a")
    assert not (tmp_path / "a").exists()
    assert len(attempts) == 4


def test_other_failures_of_removal_are_raised_at_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").touch()
    with pytest.raises(OSError, match="not empty"):
        files.remove(f"{tmp_path}/a")


def test_killing_ends_when_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: killed.append(pid))
    left = [[0, 5, 6], [6], []]
    files.kill(lambda: left.pop(0))
    assert killed == [5, 6, 6]
