"""Attaching a client to a program's streams: a socket pair with one end at the shim, pumped to the client.

The shim writes Docker's own framing, so bytes pass through here untouched. A client may attach before the container
starts (`docker run` does): its socket waits and goes to the shim with the start itself, so that no byte is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, NamedTuple, Protocol

from carrack.errors import Conflict, InvalidArgument

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container

CHUNK = 64 << 10
DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q"


class Stream(Protocol):
    """The client's side: a hijacked connection."""

    closed: asyncio.Future[None]

    async def read(self) -> bytes:
        """More bytes; empty at the client's half-close."""

    def write(self, data: bytes) -> None:
        """Send; buffered."""

    async def drain(self) -> None:
        """Wait until the buffer is small again."""

    def close(self) -> None:
        """End the connection after what was written."""


class Wanted(NamedTuple):
    """The streams a client attaches to."""

    stdin: bool
    stdout: bool
    stderr: bool


class DetachKeys:
    """Finds the detach sequence in what a client types; ``sequence`` are its bytes. ``called``: as docker does. Pure.

    >>> keys = DetachKeys("ctrl-p,ctrl-q")
    >>> keys.feed(b"ls\\x10"), keys.feed(b"\\x11")
    ((b'ls', False), (b'', True))
    """

    def __init__(self, text: str, called: str = "detach") -> None:
        try:
            self.sequence = bytes(_key(word) for word in (text or DEFAULT_DETACH_KEYS).split(","))
        except ValueError:
            raise InvalidArgument(f"Invalid {called} keys ({text}) provided") from None
        self._matched = 0

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """What to pass on, and whether the sequence is complete; a part of it is held back until it breaks."""
        out = bytearray()
        for byte in data:
            held = self.sequence[: self._matched] + bytes([byte])
            if held == self.sequence:
                return bytes(out), True
            # The longest end of what is held that may still become the sequence.
            self._matched = next(n for n in range(len(held), -1, -1) if held.endswith(self.sequence[:n]))
            out += held[: len(held) - self._matched]
        return bytes(out), False


def _key(word: str) -> int:
    if len(word) == 1 and word.isascii():
        return ord(word)
    if word == "DEL":
        return 127
    letter = word.removeprefix("ctrl-")
    if word.startswith("ctrl-") and len(letter) == 1 and letter in "abcdefghijklmnopqrstuvwxyz@[\\]^_":
        return ord(letter.upper()) - 64
    raise ValueError(word)


class Attachments:
    """The sockets that wait for a container to start."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[tuple[socket.socket, Wanted]]] = {}
        self._clients: dict[socket.socket, socket.socket] = {}

    async def attach(self, c: Container, *, stdin: bool, stdout: bool, stderr: bool) -> socket.socket:
        """Our end of a new socket pair whose other end the shim gets, now or when the container starts.

        Raises Conflict while the container is paused or restarting.
        """
        if c.state.status == "paused":
            raise Conflict(f"container {c.id} is paused, unpause the container before attach")
        if c.state.status == "restarting":
            raise Conflict(f"container {c.id} is restarting, wait until the container is running")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        flags = Wanted(stdin and bool(c.config["OpenStdin"]), stdout, stderr)
        if c.shim is None:
            self._waiting.setdefault(c.id, []).append((theirs, flags))
            self._clients[ours] = theirs
            return ours
        try:
            await c.shim.attach(theirs, stdin=flags.stdin, stdout=stdout, stderr=stderr)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def pending(self, c: Container) -> list[tuple[socket.socket, Wanted]]:
        """The ends that wait for this container, to be sent with its start."""
        return self._waiting.get(c.id, [])

    def handed_over(self, c: Container) -> None:
        """The shim has them: drop ours. Also ends the wait of clients of a container that will not start."""
        ends = {sock for sock, _ in self._waiting.pop(c.id, ())}
        self._clients = {ours: theirs for ours, theirs in self._clients.items() if theirs not in ends}
        for sock in ends:
            sock.close()

    def gone(self, c: Container, ours: socket.socket) -> None:
        """The client of our end has gone: wait for the container no longer."""
        theirs = self._clients.get(ours)
        if theirs is None or c.lock.locked():  # a start may be sending it just now
            return
        del self._clients[ours]
        self._waiting[c.id] = [(sock, wanted) for sock, wanted in self._waiting[c.id] if sock is not theirs]
        theirs.close()


async def pump(stream: Stream, sock: socket.socket, keys: DetachKeys | None) -> bool:
    """Carry bytes both ways until the program's side ends or the client goes or detaches; True when it detached.

    Closes ``sock``; the stream is the caller's.
    """
    loop = asyncio.get_running_loop()
    incoming = loop.create_task(_to_program(stream, sock, keys))
    outgoing = loop.create_task(_to_client(stream, sock))
    try:
        await asyncio.wait({incoming, outgoing}, return_when=asyncio.FIRST_COMPLETED)
        if not outgoing.done() and incoming.result() == "detached":
            return True
        # The client's half-close ends the program's input only; the client itself may go at any time.
        await asyncio.wait({outgoing, stream.closed}, return_when=asyncio.FIRST_COMPLETED)
        return False
    finally:
        for task in (incoming, outgoing):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await task
        sock.close()


async def _to_program(stream: Stream, sock: socket.socket, keys: DetachKeys | None) -> str:
    loop = asyncio.get_running_loop()
    try:
        while data := await stream.read():
            if keys is not None:
                data, detached = keys.feed(data)
                if detached:
                    return "detached"
            if data:
                await loop.sock_sendall(sock, data)
    except ConnectionError:
        return "eof"
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_WR)
    return "eof"


async def _to_client(stream: Stream, sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(ConnectionError):
        while data := await loop.sock_recv(sock, CHUNK):
            stream.write(data)
            await stream.drain()
