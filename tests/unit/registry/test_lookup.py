"""Lookups by threads of their own, which nobody else has to wait for."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import pytest

from carrack.registry import lookup
from carrack.registry.lookup import look_up


def test_addresses_are_taken_as_they_are() -> None:
    assert [found[4] for found in asyncio.run(look_up("127.0.0.1", 80))] == [("127.0.0.1", 80)]
    assert [found[4][:2] for found in asyncio.run(look_up("::1", 80))] == [("::1", 80)]


def test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def names(host: str, port: int, type: int = 0, flags: int = 0) -> list[Any]:
        if flags or host == "none.test":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real("127.0.0.2", port, type=type)

    monkeypatch.setattr(socket, "getaddrinfo", names)
    assert [found[4] for found in asyncio.run(look_up("a.test", 80))] == [("127.0.0.2", 80)]
    with pytest.raises(socket.gaierror, match="not known"):
        asyncio.run(look_up("none.test", 80))


def test_what_is_no_name() -> None:
    with pytest.raises((UnicodeError, OSError)):
        asyncio.run(look_up("a" * 70 + ".test", 80))


def test_silence_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the loop's own threads, nor its end; and there is a limit."""
    ended = threading.Event()

    def silent(host: str, port: int, type: int = 0, flags: int = 0) -> list[Any]:
        if not flags:
            ended.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", silent)

    async def main() -> int:
        tasks = [asyncio.get_running_loop().create_task(look_up("a.test", 80)) for _ in range(lookup.MOST)]
        await asyncio.sleep(0.05)
        with pytest.raises(BlockingIOError, match="too many"):
            await look_up("b.test", 80)
        number = await asyncio.wait_for(asyncio.to_thread(lambda: 7), 5)
        for task in tasks:
            task.cancel()
        return number

    begun = time.monotonic()
    assert asyncio.run(main()) == 7
    assert time.monotonic() - begun < 5
    ended.set()
    for thread in threading.enumerate():
        if thread.name == "lookup":
            thread.join(5)
    with pytest.raises(socket.gaierror):
        asyncio.run(look_up("a.test", 80))
