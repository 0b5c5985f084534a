"""Further processes of a running container: streams, terminals, exit codes, failures."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.root.shim_harness import Client, Harness, play

from carrack.errors import NotFound
from carrack.shim.client import Shim, StartFailed

pytestmark = pytest.mark.root


def in_container(directory: Path, scene: Callable[[Harness, Shim], Awaitable[None]]) -> None:
    """Play a scene beside a sleeping container."""

    async def whole(harness: Harness) -> None:
        shim = await harness.start(harness.request("/bin/sleep", "1000"))
        await scene(harness, shim)
        await shim.signal(signal.SIGKILL)
        await shim.released

    play(directory, whole)


async def execute(harness: Harness, shim: Shim, name: str, *arguments: str, **more: Any) -> Client:
    """Start an exec with an attached client."""
    ours, theirs = socket.socketpair()
    attach = {"fd": 0, "stdin": bool(more.get("stdin")), "stdout": True, "stderr": True}
    with theirs:
        await shim.exec(name, harness.exec_request(*arguments, attach=[attach], **more), [theirs.fileno()])
    return await Client.open(ours)


def test_streams_and_exit_codes(tmp_path: Path) -> None:
    async def scene(harness: Harness, shim: Shim) -> None:
        client = await execute(harness, shim, "a", "/bin/sh", "-c", "cat; echo err >&2; exit 5", stdin=True)
        client.writer.write(b"through")
        client.writer.write_eof()
        assert await client.frames() == {1: b"through", 2: b"err\n"}
        assert (await shim.exec_exited("a")).code == 5
        client = await execute(harness, shim, "b", "/bin/sh", "-c", "readlink /proc/self/ns/pid; ps | wc -l")
        output = (await client.frames())[1].decode().split()
        assert output[0] == os.readlink(f"/proc/{shim.pid}/ns/pid")
        with pytest.raises(NotFound):
            shim.exec_exited("never")

    in_container(tmp_path, scene)


def test_a_terminal_of_its_own(tmp_path: Path) -> None:
    async def scene(harness: Harness, shim: Shim) -> None:
        client = await execute(harness, shim, "t", "/bin/sh", terminal=True, size=[20, 70], stdin=True)
        client.writer.write(b"stty size\n")
        await client.until(b"20 70\r\n")
        await shim.resize(25, 75, "t")
        client.writer.write(b"stty size; exit 4\n")
        await client.until(b"25 75\r\n")
        assert (await shim.exec_exited("t")).code == 4
        await client.reader.read()
        client.writer.close()
        with pytest.raises(OSError, match="no terminal"):
            await shim.resize(1, 1)

    in_container(tmp_path, scene)


def test_failures_are_worded_and_leave_the_container_alone(tmp_path: Path) -> None:
    async def scene(harness: Harness, shim: Shim) -> None:
        for arguments, code, text in ((["none"], 127, "not found"), (["/etc/passwd"], 126, "permission denied")):
            with pytest.raises(StartFailed, match=text) as failure:
                await shim.exec("f", harness.exec_request(*arguments), [])
            assert failure.value.exit_code == code
        assert await (await execute(harness, shim, "f", "/bin/true")).frames() == {}
        assert (await shim.exec_exited("f")).code == 0
        with pytest.raises(StartFailed, match="exists already"):
            await shim.exec("f", harness.exec_request("/bin/true"), [])

    in_container(tmp_path, scene)


def test_signals_reach_one_exec_and_the_containers_end_reaches_all(tmp_path: Path) -> None:
    async def scene(harness: Harness, shim: Shim) -> None:
        await shim.exec("one", harness.exec_request("/bin/sleep", "1000"), [])
        await shim.exec("two", harness.exec_request("/bin/sleep", "1000"), [])
        await shim.signal(signal.SIGTERM, "one")
        assert (await shim.exec_exited("one")).code == 143
        with pytest.raises(NotFound):
            await shim.signal(signal.SIGTERM, "one")
        await shim.signal(signal.SIGKILL)
        assert (await shim.exec_exited("two")).code == 137
        assert (await shim.exited).code == 137

    async def whole(harness: Harness) -> None:
        shim = await harness.start(harness.request("/bin/sleep", "1000"))
        await scene(harness, shim)
        await shim.released

    play(tmp_path, whole)


def test_output_of_what_an_exec_left_behind_is_awaited_a_little(tmp_path: Path) -> None:
    async def scene(harness: Harness, shim: Shim) -> None:
        client = await execute(harness, shim, "bg", "/bin/sh", "-c", "(sleep 0.2; echo late) & echo early")
        assert (await shim.exec_exited("bg")).code == 0
        assert (await client.frames())[1] == b"early\nlate\n"

    in_container(tmp_path, scene)


def test_many_at_once(tmp_path: Path) -> None:
    async def scene(harness: Harness, shim: Shim) -> None:
        async def one(number: int) -> tuple[int, bytes]:
            client = await execute(harness, shim, f"n{number}", "/bin/sh", "-c", f"echo {number}; exit {number}")
            return (await shim.exec_exited(f"n{number}")).code, (await client.frames())[1]

        results = await asyncio.gather(*(one(number) for number in range(20)))
        assert results == [(number, b"%d\n" % number) for number in range(20)]

    in_container(tmp_path, scene)
