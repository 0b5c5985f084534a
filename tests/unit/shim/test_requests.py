import os
from pathlib import Path
from typing import Any

import pytest

from carrack.shim.requests import AttachRequest, ExecRequest, LogRequest, StartRequest, open_directories


def test_what_a_request_must_have_and_what_it_may() -> None:
    assert StartRequest.__required_keys__ == {"container", "directory", "plan", "cgroup"}
    assert ExecRequest.__required_keys__ == {"plan"}
    assert LogRequest.__required_keys__ == {"directory"}
    assert AttachRequest.__required_keys__ == frozenset()
    assert ExecRequest.__optional_keys__ - {"note"} < StartRequest.__optional_keys__


def test_directories_are_opened_and_closed_again_on_failure(tmp_path: Path) -> None:
    request: Any = {"directory": str(tmp_path), "log": {"directory": str(tmp_path)}}
    fds, places = open_directories(request)
    assert places == {"directory": 0, "log_directory": 1}
    for fd in fds:
        os.close(fd)
    before = len(os.listdir("/proc/self/fd"))
    request["log"] = {"directory": str(tmp_path / "none")}
    with pytest.raises(FileNotFoundError):
        open_directories(request)
    assert len(os.listdir("/proc/self/fd")) == before
