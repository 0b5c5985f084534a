from __future__ import annotations

import json
from pathlib import Path

import pytest

from carrack.runtime.main import main


def test_no_command_and_help_show_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["help"], ["--help"]):
        assert main(arguments) == 0
        out = capsys.readouterr().out
        for verb in "create start run kill delete exec ps pause resume update state list features spec".split():
            assert f"  {verb} " in out or f"  {verb}\n" in out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert "carrack-runtime version" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fly"], "no command 'fly'"),
        (["--systemd-cgroup", "list"], "--systemd-cgroup is not supported"),
        (["--rootless", "true", "list"], "--rootless is not supported"),
        (["--log-format", "xml", "list"], "invalid log-format: xml"),
        (["--what"], "flag provided but not defined: --what"),
        (["state"], "Usage: state ID"),
        (["state", "../x"], "invalid container id format"),
    ],
)
def test_what_is_wrong_is_told_once_on_standard_error(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("kind", ["text", "json"])
def test_the_log_has_what_its_readers_look_for(tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    root = ["--root", str(tmp_path / "state")]
    assert main([*root, "--log", str(log), "--log-format", kind, "state", 'a"b']) == 1
    assert main([*root, "--log", str(log), "--log-format", kind, "state", "nothere"]) == 1
    first, second = log.read_text().splitlines()
    if kind == "json":
        entry = json.loads(second)
        assert (entry["level"], entry["msg"]) == ("error", "container does not exist")
        assert set(entry) == {"level", "msg", "time"}
    else:
        assert 'level=error msg="container does not exist"' in second
        assert first.startswith("time=")
    assert "container does not exist" in capsys.readouterr().err


def test_a_log_that_cannot_be_written_does_not_hide_the_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path), "--log", str(tmp_path / "no/log"), "state", "x"]) == 1
    captured = capsys.readouterr().err
    assert "container does not exist" in captured
    assert "cannot write to the log" in captured
