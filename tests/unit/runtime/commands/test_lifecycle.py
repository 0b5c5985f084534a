"""The verbs at work: tests/root/test_runtime_lifecycle.py. Here: flags that are refused, before anything is made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from carrack.runtime import seal
from carrack.runtime.main import main


@pytest.fixture(autouse=True)
def sealed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "is_sealed", lambda: True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "--no-pivot", "box"], "--no-pivot is not supported"),
        (["create", "--no-new-keyring", "box"], "--no-new-keyring is not supported"),
        (["create"], "Usage: create"),
        (["create", "box"], "config.json not found"),
        (["create", "--preserve-fds", "x", "box"], "not a number"),
        (["create", "bad/id"], "invalid container id format"),
        (["run"], "Usage: run"),
        (["start", "box"], "container does not exist"),
        (["kill", "box"], "container does not exist"),
        (["kill"], "Usage: kill"),
        (["kill", "box", "NOPE"], "unknown signal"),
        (["delete", "box"], "container does not exist"),
    ],
)
def test_refusals(
    tmp_path: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--root", str(tmp_path / "state"), *arguments]) == 1
    assert words in capsys.readouterr().err
    assert not os.path.exists(tmp_path / "state")


def test_deleting_nothing_by_force_is_no_failure(tmp_path: Path) -> None:
    assert main(["--root", str(tmp_path), "delete", "--force", "box"]) == 0
