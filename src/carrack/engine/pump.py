"""Between the event loop and blocking code that reads or writes a stream: a socket pair, so that the slower side
holds back the faster one and neither side ever has the whole in memory."""

from __future__ import annotations

import asyncio
import io
import os
import socket
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from concurrent.futures import Future
from typing import TypeVar

from carrack.engine.whole import ended

T = TypeVar("T")

_PIECE = 256 * 1024


async def consume(chunks: AsyncIterable[bytes], reader: Callable[[io.RawIOBase], T]) -> T:
    """Run `reader` in a thread on a file whose bytes are `chunks`; returns what it returns.

    A failure of `chunks` (a client that went away) goes before the one that the reader then has of its short file. A
    reader may stop early; what is left of `chunks` is not taken.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(True)
    loop = asyncio.get_running_loop()
    work = _in_thread(lambda: _read(theirs, reader))
    try:
        try:
            async for chunk in chunks:
                try:
                    await loop.sock_sendall(ours, chunk)
                except (BrokenPipeError, ConnectionResetError):
                    break  # the reader is done, one way or the other
        finally:
            ours.close()
        return await asyncio.shield(work)
    except BaseException:
        # The thread sees the end of its file and finishes; whatever it holds must not outlive this call.
        await ended(work)
        if not work.cancelled():
            work.exception()  # looked at, for the failure at hand goes before it
        raise


async def produce(writer: Callable[[Callable[[bytes | memoryview], object]], None]) -> AsyncGenerator[bytes, None]:
    """Run `writer` in a thread with a `write` function; yields what it writes. Closing the generator stops it.

    A failure of `writer` is raised after what it had written.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(True)
    loop = asyncio.get_running_loop()
    work = _in_thread(lambda: _write(theirs, writer))
    try:
        while chunk := await loop.sock_recv(ours, _PIECE):
            yield chunk
        await asyncio.shield(work)
    finally:
        ours.close()  # a writer that is not done gets EPIPE
        cancelled = await ended(work)
        if not work.cancelled():
            work.exception()
        if cancelled is not None:
            raise cancelled


def _in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """In a thread of its own: it may wait for a client as long as that likes, and a few slow ones on the loop's shared
    threads would keep everybody else from them."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except BaseException as failure:
            future.set_exception(failure)
        else:
            future.set_result(result)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="stream", daemon=True).start()
    return asyncio.wrap_future(future)


def _read(sock: socket.socket, reader: Callable[[io.RawIOBase], T]) -> T:
    with sock, io.FileIO(os.dup(sock.fileno()), "rb") as file:
        return reader(file)


def _write(sock: socket.socket, writer: Callable[[Callable[[bytes | memoryview], object]], None]) -> None:
    with sock:
        writer(sock.sendall)
