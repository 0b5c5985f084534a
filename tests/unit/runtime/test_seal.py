"""That a sealed executable stays so: tests/security/test_runtime_escapes.py. Here: the calls."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.rooted import RootedKernel

from carrack.linux import mount as words
from carrack.runtime import seal


def test_it_starts_over_from_a_read_only_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executed: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *arguments: executed.append(arguments))
    monkeypatch.setattr(seal, "is_sealed", lambda: False)
    kernel = RootedKernel(tmp_path)
    seal.ensure_sealed(kernel, {"A": "1"})
    assert kernel.calls == [
        ("open_tree", "/proc/self/exe", words.OPEN_TREE_CLONE),
        ("mount_setattr", words.MOUNT_ATTR_RDONLY, 0, 0, False),
    ]
    ((fd, arguments, environment),) = executed
    assert environment == {"A": "1"}
    assert arguments == [sys.executable, *sys.orig_argv[1:]]
    os.close(fd)


def test_once_sealed_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "is_sealed", lambda: True)
    kernel = RootedKernel(tmp_path)
    seal.ensure_sealed(kernel, {"A": "1"})
    assert kernel.calls == []


def test_an_ordinary_process_is_not_sealed() -> None:
    assert not seal.is_sealed()
