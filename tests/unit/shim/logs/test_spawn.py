from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from carrack.shim.logs.spawn import Logger, LoggerError
from carrack.shim.loop import Loop

FILE = {"kind": "json-file", "name": "l", "max_size": 0, "max_file": 1}


@pytest.fixture
def fds(tmp_path: Path) -> Iterator[list[int]]:
    found = [os.open(tmp_path, os.O_PATH), os.open("/dev/null", os.O_RDWR)]
    yield found
    for fd in found:
        os.close(fd)


def texts(path: Path) -> list[str]:
    return [json.loads(line)["log"] for line in path.read_text().splitlines()] if path.exists() else []


def child() -> int:
    """The logger that was started last."""
    (text,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1:]
    return int(text)


def test_output_is_on_file_when_it_is_closed(tmp_path: Path, fds: list[int]) -> None:
    loop = Loop()
    logger = Logger(loop, {"file": FILE, "blocking": True}, fds[:1], fds[1], lambda: None)
    pid = child()
    for number in range(50):
        logger.write("stdout", b"%d " % number + b"x" * 50_000 + b"\n")
        while logger.blocked:
            loop.turn()
    logger.close()
    loop.close()
    os.waitpid(pid, 0)
    found = "".join(texts(tmp_path / "l")).splitlines()
    assert [line.split()[0] for line in found] == [str(n) for n in range(50)]


def test_a_driver_that_cannot_begin_fails_the_start(fds: list[int]) -> None:
    task = {"driver": "fluentd", "options": {"fluentd-address": "unix:///no/such"}}
    with pytest.raises(
        LoggerError, match=r"^failed to initialize logging driver: dial unix /no/such: connect: no such"
    ):
        Logger(Loop(), {"task": task, "blocking": True}, fds[:1], fds[1], lambda: None)
    os.waitpid(child(), 0)


def test_another_one_follows_a_dead_one(tmp_path: Path, fds: list[int]) -> None:
    loop, resumed = Loop(), []
    logger = Logger(loop, {"file": FILE, "blocking": True}, fds[:1], fds[1], lambda: resumed.append(1))
    logger.write("stdout", b"before\n")
    while not texts(tmp_path / "l"):
        time.sleep(0.01)
    pid = child()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    logger.write("stdout", b"while it is dead\n")
    assert logger.blocked
    while logger.blocked:
        loop.turn()
    assert resumed
    pid = child()
    logger.close()
    os.waitpid(pid, 0)
    assert texts(tmp_path / "l") == ["before\n", "while it is dead\n"]


def test_what_a_stopped_one_does_not_take_is_dropped_and_counted(tmp_path: Path, fds: list[int]) -> None:
    loop = Loop()
    logger = Logger(loop, {"file": FILE, "blocking": False, "max_buffer": 50_000}, fds[:1], fds[1], lambda: None)
    pid = child()
    os.kill(pid, signal.SIGSTOP)
    for number in range(200):
        logger.write("stdout", b"%d " % number + b"x" * 9000 + b"\nrest ")
    assert not logger.blocked
    os.kill(pid, signal.SIGCONT)
    while logger._pending:
        loop.turn()
    logger.write("stdout", b"of a line\nlast\n")
    logger.close()
    os.waitpid(pid, 0)
    dropped = json.loads((tmp_path / "log-status").read_text())["dropped"]
    lines = "".join(texts(tmp_path / "l")).splitlines()
    assert len(lines) + dropped == 202
    assert dropped > 30
    assert lines[-1] == "last"
    assert all(re.fullmatch(r"(rest )?\d+ x{9000}", line) for line in lines[:-1])
