from __future__ import annotations

import pytest

from carrack.cli import exit as leaving
from carrack.client.transport import Refused, Unreachable
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (leaving.Exit(3, "done"), 3, "done\n"),
        (leaving.Exit(0), 0, ""),
        (Refused(409, "in use"), 1, "Error response from daemon: in use\n"),
        (InvalidArgument("odd"), 1, "odd\n"),
        (FileNotFoundError(2, "No such file or directory", "/x"), 1, "/x: No such file or directory\n"),
    ],
)
def test_failures(capsys: pytest.CaptureFixture[str], error: Exception, code: int, words: str) -> None:
    assert leaving.failure_code(error) == code
    assert capsys.readouterr().err == words


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(KeyError):
        leaving.failure_code(KeyError("x"))


def test_no_daemon_says_how_to_start_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert leaving.failure_code(Unreachable("unix:///x", FileNotFoundError(2, "No such file"))) == 1
    told = capsys.readouterr().err
    assert "Cannot connect to the Carrack daemon at unix:///x" in told
    assert "carrack system start" in told
    assert "systemctl start carrack" in told
    assert "group" in leaving.unreachable("unix:///x", PermissionError(13, "Permission denied"))
    assert "No route" in leaving.unreachable("tcp://x:1", OSError(113, "No route to host"))


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ('exec: "x": executable file not found in $PATH', 127),
        ('exec: "/x": stat /x: no such file or directory', 127),
        ('exec: "/etc": permission denied', 126),
        ('exec: "/etc": is a directory: permission denied', 126),
        ("port is already allocated", 125),
    ],
)
def test_codes_of_start_failures(message: str, code: int) -> None:
    assert leaving.start_failure_code(message) == code
