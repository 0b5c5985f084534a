import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from carrack.errors import NotFound, Unavailable
from carrack.runtime import channel
from carrack.shim import knock, running
from carrack.shim.running import Exit, Shim

STATE = {"event": "state", "container": "c", "pid": 7, "cgroup": "/no/such", "paused": True, "exit": None}


def play(directory: Path, scene: Callable[[Shim, socket.socket], Awaitable[None]], **state: Any) -> None:
    """A scene between a reconnected Shim and an imagined one behind the socket."""

    async def run() -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(str(directory / "shim.sock"))
        listener.listen()
        connecting = asyncio.gather(Shim.reconnect(str(directory)))
        await asyncio.sleep(0)
        theirs, _ = await asyncio.get_running_loop().run_in_executor(None, listener.accept)
        pidfd = os.pidfd_open(os.getpid())
        channel.send(theirs, {**STATE, "execs": {}, **state}, [pidfd])
        os.close(pidfd)
        (shim,) = await connecting
        try:
            await asyncio.wait_for(scene(shim, theirs), 10)
        finally:
            await shim.close()
            theirs.close()
            listener.close()

    asyncio.run(run())


def test_a_connection_that_breaks_may_hold_the_exit(tmp_path: Path) -> None:
    async def scene(shim: Shim, theirs: socket.socket) -> None:
        channel.send(theirs, {"event": "exit", "code": 6, "at": 7.5, "oom_killed": False})
        theirs.close()
        with pytest.raises(NotFound, match="has ended"):
            await shim.signal(9)

    play(tmp_path, scene)


def test_a_reconnected_shim_knows_its_state_and_hears_the_exit(tmp_path: Path) -> None:
    async def scene(shim: Shim, theirs: socket.socket) -> None:
        assert (shim.container_id, shim.pid, shim.state["paused"]) == ("c", 7, True)
        assert shim.pidfd >= 0
        assert await shim.exec_exited("done") == Exit(3, 2.0)
        going = shim.exec_exited("going")
        channel.send(theirs, {"event": "exec_exit", "exec": "going", "code": 4, "at": 5.0})
        assert await going == Exit(4, 5.0)
        channel.send(theirs, {"event": "exit", "code": 6, "at": 7.5, "oom_killed": True})
        channel.send(theirs, {"event": "released"})
        assert await shim.exited == Exit(6, 7.5, True)
        await shim.released
        assert shim.pidfd == -1
        with pytest.raises(NotFound, match="has ended"):
            await shim.signal(9)
        with pytest.raises(NotFound, match="no exec"):
            shim.exec_exited("never")

    execs = {"done": {"pid": 1, "exit": {"code": 3, "at": 2.0}}, "going": {"pid": 2, "exit": None}}
    play(tmp_path, scene, execs=execs)


def test_another_runtimes_process_takes_the_place_of_the_first(tmp_path: Path) -> None:
    async def scene(shim: Shim, theirs: socket.socket) -> None:
        before = shim.pidfd
        own = os.pidfd_open(os.getpid())
        channel.send(theirs, {"event": "process", "pid": 8}, [own])
        channel.send(theirs, {"event": "exec_exit", "exec": "going", "code": 4, "at": 5.0})
        await shim.exec_exited("going")
        assert shim.pid == 8
        assert shim.pidfd not in (-1, before)
        os.close(own)
        os.close(before)

    play(tmp_path, scene, execs={"going": {"pid": 2, "exit": None}})


def test_an_exit_already_known_comes_with_the_state(tmp_path: Path) -> None:
    async def scene(shim: Shim, theirs: socket.socket) -> None:
        assert await shim.exited == Exit(1, 2.0, False)

    play(tmp_path, scene, exit={"code": 1, "at": 2.0, "oom_killed": False})


def test_requests_travel_with_their_arguments(tmp_path: Path) -> None:
    async def scene(shim: Shim, theirs: socket.socket) -> None:
        async def answer(ok: Any) -> dict[str, Any]:
            message, fds = await asyncio.get_running_loop().run_in_executor(None, channel.receive, theirs)
            assert message is not None
            channel.send(theirs, {"id": message["id"], "ok": ok})
            for fd in fds:
                os.close(fd)
            return {key: message[key] for key in message if key != "id"} | {"fds": len(fds)}

        async def both(call: Awaitable[Any], ok: Any) -> tuple[Any, dict[str, Any]]:
            asked, result = await asyncio.gather(answer(ok), call)
            return result, asked

        ours, handed = socket.socketpair()
        with ours:
            _, asked = await both(shim.attach(handed, stdin=True, stdout=False, stderr=True, exec_id="e"), None)
        assert asked == {"op": "attach", "exec": "e", "stdin": True, "stdout": False, "stderr": True, "fds": 1}
        assert handed.fileno() == -1
        assert await both(shim.pids(), [1]) == ([1], {"op": "pids", "fds": 0})
        assert (await both(shim.resize(2, 3), None))[1] == {
            "op": "resize",
            "height": 2,
            "width": 3,
            "exec": None,
            "fds": 0,
        }
        result, _ = await both(shim.exec("x", {"plan": {}}, []), {"pid": 99})
        assert result == 99
        assert not shim.exec_exited("x").done()

    play(tmp_path, scene)


def test_a_closed_connection_refuses_without_losing_the_container(tmp_path: Path) -> None:
    async def scene(shim: Shim, theirs: socket.socket) -> None:
        await shim.close()
        with pytest.raises(Unavailable):
            await shim.pids()
        assert not shim.exited.done()

    play(tmp_path, scene)


def test_the_run_directory_speaks_for_a_shim_that_has_gone(tmp_path: Path) -> None:
    async def scene() -> None:
        for directory in (tmp_path, tmp_path / "none"):
            with pytest.raises(NotFound):
                await Shim.reconnect(str(directory))
        (tmp_path / "exit").write_text("{torn")
        with pytest.raises(NotFound):
            await Shim.reconnect(str(tmp_path))
        (tmp_path / "exit").write_text(json.dumps({"code": 4, "at": 1.5, "oom_killed": True}))
        shim = await Shim.reconnect(str(tmp_path))
        assert (await shim.exited, shim.released.done()) == (Exit(4, 1.5, True), True)
        with pytest.raises(NotFound, match="has ended"):
            await shim.pause()

    asyncio.run(scene())


class Silence:
    """A stopped shim: it accepts in the kernel, and its file names a process of its cgroup."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(str(directory / "shim.sock"))
        self.listener.listen()
        self.pid = os.getpid()
        document = {"container": "c", "cgroup": "/no/such", "pid": self.pid}
        (directory / "shim.json").write_text(json.dumps(document))
        monkeypatch.setattr(running, "_PROMPT_SECONDS", 0.01)
        monkeypatch.setattr(running, "_hierarchy", lambda: self)
        monkeypatch.setattr(running, "sweep_cgroup", lambda path: None)

    def open(self, path: str) -> "Silence":
        return self

    def processes(self) -> list[int]:
        return [self.pid]

    def frozen(self) -> bool:
        return True


def test_a_shim_that_answers_late_is_taken_at_its_file_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        silence = Silence(tmp_path, monkeypatch)
        shim = await Shim.reconnect(str(tmp_path))
        assert (shim.container_id, shim.pid, shim.state) == ("c", os.getpid(), {"paused": True})
        theirs, _ = silence.listener.accept()
        execs = {"e": {"pid": 9, "exit": {"code": 3, "at": 2.5}}}
        channel.send(theirs, {**STATE, "execs": execs}, [shim.pidfd])
        channel.send(theirs, {"event": "exit", "code": 5, "at": 1.5, "oom_killed": False})
        assert await asyncio.wait_for(shim.exited, 5) == Exit(5, 1.5)
        assert await shim.exec_exited("e") == Exit(3, 2.5)
        await shim.close()
        theirs.close()
        silence.listener.close()

    asyncio.run(scene())


def test_a_shim_that_stays_silent_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        silence = Silence(tmp_path, monkeypatch)
        monkeypatch.setattr(running, "_ANSWER_SECONDS", 0.05)
        monkeypatch.setattr(running, "_SILENT_SECONDS", 0.05)
        shim = await Shim.reconnect(str(tmp_path))
        assert not shim.exited.done()
        assert (await asyncio.wait_for(shim.exited, 5)).lost
        silence.pid = 1  # the file names a stranger: nothing to go on with
        with pytest.raises(Unavailable):
            await Shim.reconnect(str(tmp_path))
        silence.listener.close()

    asyncio.run(scene())


def test_the_age_of_a_process_needs_no_wall_clock() -> None:
    assert 0 < running.process_age(os.getpid()) < running.process_age(1) + 1
    assert running.process_age(2**30) == 0


def test_a_shim_that_has_answered_already_is_taken_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        directory = tmp_path / "containers" / "c"
        directory.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(directory / "shim.sock"))
            listener.listen()
            assert Shim.at_once(str(directory)) is None  # nobody has knocked
            knock.knock(str(tmp_path))
            assert Shim.at_once(str(directory)) is None  # it has said nothing yet
            theirs, _ = listener.accept()
            pidfd = os.pidfd_open(os.getpid())
            channel.send(theirs, {**STATE, "execs": {}}, [pidfd])
            os.close(pidfd)
            shim = Shim.at_once(str(directory))
            assert shim is not None
            assert (shim.container_id, shim.pid, shim.state["paused"]) == ("c", 7, True)
            channel.send(theirs, {"event": "exit", "code": 6, "at": 7.5, "oom_killed": False})
            assert await shim.exited == Exit(6, 7.5, False)
            await shim.close()
            theirs.close()

    asyncio.run(run())


def test_words_that_are_no_state_leave_it_to_the_slower_way(tmp_path: Path) -> None:
    directory = tmp_path / "containers" / "c"
    directory.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(directory / "shim.sock"))
        listener.listen()
        for said in (b"", b"no document", b'{"event": "state"}'):
            knock.knock(str(tmp_path))
            theirs, _ = listener.accept()
            if said:
                theirs.send(said)
            theirs.close()
            assert Shim.at_once(str(directory)) is None
            assert knock.answered(str(directory)) is None
