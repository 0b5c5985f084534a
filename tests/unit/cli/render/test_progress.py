from __future__ import annotations

from typing import Any

import pytest

from carrack.cli.exit import Exit
from carrack.cli.render import progress

MESSAGES: list[dict[str, Any]] = [
    {"status": "Loading layer", "id": "abc", "progressDetail": {"current": 5, "total": 10}},
    {"status": "Loading layer", "id": "abc", "progressDetail": {"current": 10, "total": 10}},
    {"status": "Pulling", "id": "x", "progressDetail": {}},
    {"stream": "Loaded image: x\n"},
]


def test_without_a_terminal_there_are_no_bars(capsys: pytest.CaptureFixture[str]) -> None:
    progress.show_messages(MESSAGES)
    progress.show_messages(MESSAGES, quiet=True)
    assert capsys.readouterr().out == "x: Pulling\nLoaded image: x\nLoaded image: x\n"


def test_on_a_terminal_lines_are_rewritten(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("posix.isatty", lambda fd: True)
    progress.show_messages(MESSAGES[:2])
    assert capsys.readouterr().out == (
        "abc: Loading layer [==========          ] 5B/10B\n"
        "\x1b[1A\r\x1b[2Kabc: Loading layer [====================] 10B/10B\r\x1b[1B"
    )


@pytest.mark.parametrize("message", [{"error": "broken"}, {"errorDetail": {"message": "broken"}}])
def test_errors(message: dict[str, Any]) -> None:
    with pytest.raises(Exit, match="broken"):
        progress.show_messages([message])


def test_meter(capsys: pytest.CaptureFixture[str]) -> None:
    meter = progress.Meter("Saving", shown=True)
    assert list(meter.watch([b"abc", b"de"])) == [b"abc", b"de"]
    assert meter.count == 5
    assert capsys.readouterr().err == "\r\x1b[2KSaving 3B\r\x1b[2K"
    silent = progress.Meter("Saving", shown=False)
    assert list(silent.watch([b"abc"])) == [b"abc"]
    assert capsys.readouterr().err == ""
