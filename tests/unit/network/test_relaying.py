import asyncio
import os
import socket

import pytest

from carrack.network import relaying
from carrack.network.bindings import Binding, Way
from carrack.network.relaying import Relays

ROWS = [("tcp", "::", 8080, "172.30.0.2", 80, 1)]


def test_which_ports_the_relay_serves() -> None:
    made = [
        Binding("tcp", ("0.0.0.0", "::"), 8000, 80, 10),
        Binding("tcp", ("fd00::1",), 443, 443),
        Binding("tcp", ("::1",), 53, 53),
    ]
    assert relaying.rows(made, Way("172.30.0.2", "")) == [
        ("tcp", "::", 8000, "172.30.0.2", 80, 10),
        ("tcp", "fd00::1", 443, "172.30.0.2", 443, 1),
        ("tcp", "::1", 53, "172.30.0.2", 53, 1),
    ]
    assert relaying.rows(made, Way("172.30.0.2", "fd00::2")) == [
        ("tcp", "::1", 8000, "fd00::2", 80, 10),
        ("tcp", "::1", 53, "fd00::2", 53, 1),
    ]
    assert relaying.rows(made, Way("", "")) == []


async def until_started(relays: Relays) -> None:
    for _ in range(2000):
        if relays.pid:
            return
        await asyncio.sleep(0.01)
    pytest.fail("no relay was started")


def test_the_process_comes_with_the_first_client_and_goes_with_the_ports() -> None:
    async def play() -> None:
        relays = Relays("crk-test-none")
        relays.change(ROWS)
        await asyncio.sleep(0.05)
        assert relays.pid == 0
        client = socket.create_connection(("::1", relays.port))
        await until_started(relays)
        pidfd = os.pidfd_open(relays.pid)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(pidfd, ended.set)
        client.close()
        relays.change([])
        await asyncio.wait_for(ended.wait(), 10)
        asyncio.get_running_loop().remove_reader(pidfd)
        os.close(pidfd)
        await asyncio.sleep(0.05)
        relays.close()

    asyncio.run(play())


def test_a_relay_that_dies_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        relays = Relays("crk-test-none")
        relays.change(ROWS)
        socket.create_connection(("::1", relays.port)).close()
        await until_started(relays)
        first = relays.pid
        os.kill(first, 9)
        for _ in range(2000):
            if not relays.pid:
                break
            await asyncio.sleep(0.01)
        socket.create_connection(("::1", relays.port)).close()
        await until_started(relays)
        assert relays.pid != first
        relays.close(for_good=True)
        await asyncio.sleep(0.3)

    asyncio.run(play())
    assert "comes back" in caplog.text


def test_an_interpreter_that_is_not_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        relays = Relays("crk-test-none", python="/nonexistent")
        relays.change(ROWS)
        with socket.create_connection(("::1", relays.port)):
            async with asyncio.timeout(20):
                while "cannot be started" not in caplog.text:  # noqa: ASYNC110 - it is only written
                    await asyncio.sleep(0.01)
        relays.close()

    asyncio.run(play())
    assert "cannot be started" in caplog.text
