import json
import os
import socket
from pathlib import Path
from typing import Any

from tests.fakes.kernel import FakeKernel

from carrack.runtime import channel
from carrack.runtime.spawn import Child
from carrack.shim import start
from carrack.shim.loop import Loop
from carrack.shim.main import Shim
from carrack.shim.stdio import Stdio


class FakeCgroup:
    path = "/p/c"
    gone = False

    def oom_kills(self) -> int:
        if self.gone:
            raise FileNotFoundError(2, "No such file or directory", "memory.oom_control")
        return 1

    def kill(self) -> None:
        pass


class FakeReaper:
    fd = -1

    def __init__(self) -> None:
        self.ended: list[tuple[int, int]] = []

    def reap(self) -> list[tuple[int, int]]:
        ended, self.ended = self.ended, []
        return ended


class FakeSandbox:
    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.cgroup = FakeCgroup()
        self.child = Child(42, os.open("/dev/null", os.O_RDONLY))
        self.released = False

    def release_namespaces(self) -> None:
        self.released = True

    def remove_cgroup(self) -> None:
        assert self.released  # what the kernel tears down with them first


def test_the_exit_is_on_file_before_it_is_told_and_told_to_all(tmp_path: Path) -> None:
    loop, sandbox, reaper = Loop(), FakeSandbox(), FakeReaper()
    directory_fd = os.open(tmp_path, os.O_PATH)
    listener = start.listen(directory_fd)
    held = os.open("/dev/null", os.O_RDONLY)
    running = start.Running({"container": "c"}, directory_fd, listener, Stdio(loop))
    running.held_fds = [held]
    running.stdio.start(None)
    shim = Shim(sandbox, running, loop, reaper)  # type: ignore[arg-type]
    loop.watch(listener.fileno(), 1, shim._connect)
    daemons = []
    for _ in range(2):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sock.connect(str(tmp_path / "shim.sock"))
        loop.turn()
        message, fds = channel.receive(sock)
        assert message is not None
        assert (message["event"], message["container"], message["pid"], len(fds)) == ("state", "c", 42, 1)
        os.close(fds[0])
        daemons.append(sock)
    channel.send(daemons[0], {"id": 1, "op": "held"})
    loop.turn()
    answer, fds = channel.receive(daemons[0])
    assert (answer, len(fds)) == ({"id": 1, "ok": 1}, 1)
    os.close(fds[0])
    assert shim._used is None  # nothing of all this wakes the service
    daemons.pop().close()  # one daemon was killed
    loop.turn()
    reaper.ended = [(7, 0), (42, 5 << 8)]
    shim._reap(0)
    notice: Any = channel.receive(daemons[0])[0]
    assert (notice["event"], notice["code"], notice["oom_killed"]) == ("exit", 5, True)
    assert json.loads((tmp_path / "exit").read_text()) == {key: notice[key] for key in ("code", "at", "oom_killed")}
    assert os.listdir(tmp_path) == ["exit"]
    shim._release()
    assert channel.receive(daemons[0])[0] == {"event": "released"}
    assert sandbox.released
    daemons[0].close()
    loop.turn()
    assert shim._connections == []
    os.close(sandbox.child.pidfd)
    loop.close()


def test_an_exit_is_told_even_if_the_cgroup_was_taken_away(tmp_path: Path) -> None:
    loop, sandbox, reaper = Loop(), FakeSandbox(), FakeReaper()
    sandbox.cgroup.gone = True
    directory_fd = os.open(tmp_path, os.O_PATH)
    running = start.Running({"container": "c"}, directory_fd, start.listen(directory_fd), Stdio(loop))
    running.stdio.start(None)
    shim = Shim(sandbox, running, loop, reaper)  # type: ignore[arg-type]
    reaper.ended = [(42, 9)]
    shim._reap(0)
    shim._release()
    assert json.loads((tmp_path / "exit").read_text())["code"] == 137
    os.close(sandbox.child.pidfd)
    loop.close()
