from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.rooted import RootedKernel

from carrack.runtime import prepare


def spec(*sources: str) -> Any:
    binds = [{"destination": "/x", "type": "bind", "source": source, "options": ["rbind"]} for source in sources]
    return {"mounts": [{"destination": "/proc", "type": "proc"}, *binds]}


def test_binds_are_opened_by_their_index(tmp_path: Path) -> None:
    opened = prepare.open_sources(RootedKernel(tmp_path), spec(str(tmp_path), "/"))
    assert sorted(opened) == [1, 2]
    assert os.readlink(f"/proc/self/fd/{opened[1]}") == str(tmp_path)
    for fd in opened.values():
        os.close(fd)
    remount: Any = {"mounts": [{"destination": "/x", "options": ["bind", "remount", "ro"]}]}
    assert prepare.open_sources(RootedKernel(tmp_path), remount) == {}


def test_a_missing_source_is_named_and_nothing_stays_open(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError) as caught:
        prepare.open_sources(RootedKernel(tmp_path), spec(str(tmp_path), "/not/there"))
    assert caught.value.filename == "/not/there"
    assert os.listdir("/proc/self/fd") == before
