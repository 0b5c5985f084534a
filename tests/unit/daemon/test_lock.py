"""One daemon per data root."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from carrack.daemon.lock import owning, pidfile
from carrack.errors import Conflict


def test_a_second_owner_is_refused_and_told_of_the_first(tmp_path: Path) -> None:
    root = tmp_path / "data"
    with owning(root):
        assert stat.S_IMODE(root.stat().st_mode) == 0o710
        with pytest.raises(Conflict, match=f"process {os.getpid()}"), owning(root):
            pass
    with owning(root):
        pass


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from carrack.daemon.lock import owning\nwith owning(Path({str(tmp_path)!r})): "
    code += "print('held', flush=True); input()"
    environment = {**os.environ, "PYTHONPATH": "src"}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Conflict, match=f"process {holder.pid}"), owning(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with owning(tmp_path):
            pass


def test_the_pidfile_names_this_process_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "run" / "d.pid"
    with pidfile(path):
        assert int(path.read_text()) == os.getpid()
    assert not path.exists()
    # A number that belongs to another program by now, or to none, is left over from a crash.
    for stale in ("1", "999999999", "torn"):
        path.write_text(stale)
        with pidfile(path):
            assert int(path.read_text()) == os.getpid()


def test_a_pidfile_that_another_has_taken_over_is_left(tmp_path: Path) -> None:
    path = tmp_path / "d.pid"
    with pidfile(path):
        path.write_text("12345\n")
    assert path.read_text() == "12345\n"
