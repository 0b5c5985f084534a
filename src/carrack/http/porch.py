"""Where clients stand before the server is there.

A daemon that starts can tell some things long before all of its code is loaded. So connections are taken by a porch: it
answers what can be told from a request's head alone, and keeps all else for the `Server`, which takes the connections
over with every byte that came. Only requests without a body are answered here, one after another.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol, cast

from carrack.http.head import MAX_HEAD

_END = b"\r\n\r\n"
_BACKLOG = 4096
"""As the server's."""


class Successor(Protocol):
    """Who goes on with a connection: the `Server`."""

    def adopt(self, transport: asyncio.Transport, data: bytes, *, ended: bool) -> None:
        """Take it over with the bytes that nobody has answered; ``ended``: the client will send no more."""


class Porch:
    """``answer`` gives the whole answer to a request's head (with its empty line), or None to leave it to others."""

    def __init__(self, answer: Callable[[bytes], bytes | None]) -> None:
        self._answer = answer
        self._listeners: list[asyncio.Server] = []
        self._guests: set[_Guest] = set()

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections on a listening unix socket, which stays the caller's."""
        loop = asyncio.get_running_loop()
        self._listeners.append(await loop.create_unix_server(self._guest, sock=sock.dup(), backlog=_BACKLOG))

    def move(self, successor: Successor) -> None:
        """Accept no more, and hand all connections over."""
        for listener in self._listeners:
            listener.close()
        for guest in list(self._guests):
            guest.move(successor)

    def _guest(self) -> asyncio.Protocol:
        return _Guest(self._answer, self._guests)


class _Guest(asyncio.Protocol):
    def __init__(self, answer: Callable[[bytes], bytes | None], guests: set[_Guest]) -> None:
        self._answer = answer
        self._guests = guests
        self._data = b""
        self._ended = False

    def move(self, successor: Successor) -> None:
        self._guests.discard(self)
        if not self._transport.is_closing():
            self._transport.resume_reading()
            successor.adopt(self._transport, self._data, ended=self._ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio.Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._guests.add(self)

    def data_received(self, data: bytes) -> None:
        """asyncio.Protocol."""
        self._data += data
        while (end := self._data.find(_END) + len(_END)) >= len(_END):
            answer = self._answer(self._data[:end])
            if answer is None:
                break
            self._data = self._data[end:]
            self._transport.write(answer)
        if len(self._data) > MAX_HEAD:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """asyncio.Protocol: stay while an answer is owed."""
        self._ended = True
        return bool(self._data)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio.Protocol."""
        self._guests.discard(self)
