import errno
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from carrack.errors import InvalidArgument
from carrack.runtime import channel
from carrack.shim import start
from carrack.shim.loop import Loop
from carrack.shim.protocol import StartError
from carrack.shim.stdio import Stdio


def test_the_socket_is_private_and_its_path_may_be_long(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 200)
    directory.mkdir()
    fd = os.open(directory, os.O_PATH)
    listener = start.listen(fd)
    mode = (directory / "shim.sock").stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
    start.listen(fd).close()  # over the socket of a shim that was killed
    start.write_file(fd, "shim.json", {"a": 1})
    start.retire_socket(fd, listener)
    start.retire_socket(fd, listener)
    assert os.listdir(directory) == []
    os.close(fd)


def test_the_exit_is_kept_where_there_is_no_room_for_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    start.write_state(fd, "c" * 64, "/carrack/" + "c" * 64, 42)
    really = os.write

    def full(file: int, data: bytes) -> int:
        if "exit.tmp" in os.readlink(f"/proc/self/fd/{file}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(file, data)

    monkeypatch.setattr(os, "write", full)
    start.write_exit(fd, {"code": 7, "at": 1.5, "oom_killed": False})
    assert os.listdir(tmp_path) == ["exit"]
    assert json.loads((tmp_path / "exit").read_text()) == {"code": 7, "at": 1.5, "oom_killed": False}
    os.close(fd)


def test_a_failure_is_told_though_our_word_was_never_read() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        channel.send(ours, {"exec": True})
        channel.send(theirs, {"error": {"stage": "exec", "message": "not found", "exit_code": 127}})
        theirs.close()
        with pytest.raises(StartError, match="not found") as caught:
            start.follow(ours, Stdio(Loop()), opened=True)
    assert caught.value.exit_code == 127


def test_files_appear_whole(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH)
    start.write_file(fd, "exit", {"code": 1})
    start.write_file(fd, "exit", {"code": 2})
    assert json.loads((tmp_path / "exit").read_text()) == {"code": 2}
    assert os.listdir(tmp_path) == ["exit"]
    os.close(fd)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(2, "No such file or directory", "/x"), "No such file or directory: /x"),
        (OSError(2, "No such file or directory"), "No such file or directory"),
        (KeyError("cgroup"), "the request lacks 'cgroup'"),
        (InvalidArgument("no"), "no"),
    ],
)
def test_errors_are_worded_without_numbers(error: Exception, text: str) -> None:
    assert start.describe(error) == text


def test_streams_are_added_to_a_plan() -> None:
    loop = Loop()
    stdio = Stdio(loop)
    null = os.open("/dev/null", os.O_RDONLY)
    plan: dict[str, Any] = {}
    packed = [77]
    ends = start.hand_streams(plan, packed, stdio, {}, null)
    assert plan["stdio"] == [1, 2, 3]
    assert packed == [77, *ends]
    assert os.fstat(ends[0]).st_rdev == os.makedev(1, 3)
    for fd in (*ends, null):
        os.close(fd)
    stdio.ended()
    plan = {"spec": {"process": {}}}
    assert start.hand_streams(plan, [], stdio, {"terminal": True, "size": [5, 6]}, -1) == []
    assert plan["spec"]["process"] == {"consoleSize": {"height": 5, "width": 6}}
    loop.close()


def test_an_open_gate_is_not_opened_again() -> None:
    ours, theirs = channel.pair()
    with ours, theirs:
        channel.send(theirs, {"prepared": True})
        assert start.follow(ours, Stdio(Loop()), opened=True)
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            channel.receive(theirs)


def test_reports_of_the_stub_are_obeyed() -> None:
    ours, theirs = channel.pair()
    loop = Loop()
    stdio = Stdio(loop)
    with ours, theirs:
        channel.send(theirs, {"prepared": True})
        assert start.follow(ours, stdio)
        assert channel.receive(theirs)[0] == {"exec": True}
        channel.send(theirs, {"error": {"stage": "mount", "message": "no", "errno": 2, "exit_code": 1}})
        with pytest.raises(StartError) as failure:
            start.follow(ours, stdio)
        assert failure.value.document() == {"stage": "mount", "message": "no", "exit_code": 1}
        channel.send(theirs, {"hooks": "createRuntime"})
        with pytest.raises(StartError, match="hooks"):
            start.follow(ours, stdio)
        theirs.close()
        assert not start.follow(ours, stdio)
    stdio.ended()
    loop.close()


def test_clients_of_the_request_are_attached_before_anything_runs() -> None:
    loop = Loop()
    stdio = Stdio(loop)
    client, ours = socket.socketpair()
    fds = [ours.detach()]
    start.attach_all(stdio, {"attach": [{"fd": 0, "stdout": True}]}, fds.__getitem__)
    stdio.start(None)
    stdio.ended()
    assert client.recv(1) == b""
    client.close()
    loop.close()
