"""Between the event loop and blocking code that reads or writes a stream: the slower side holds back the faster one,
and neither side ever has the whole in memory."""

from __future__ import annotations

import _thread
import asyncio
import errno
import io
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from carrack.engine.whole import ended
from carrack.http.lent import Lendable, LentBody

T = TypeVar("T")

_PIECE = 96 * 1024  # up to which small pieces are put together; malloc(3) maps fresh pages for much larger ones
_HELD = 512 * 1024  # bytes that may wait for the other side
_MEAL = 256 * 1024  # bytes that a reader waits for: each turn of the two threads may cost a switch interval


async def consume(chunks: AsyncIterable[bytes], reader: Callable[[io.RawIOBase], T]) -> T:
    """Run `reader` in a thread on a file whose bytes are `chunks`; returns what it returns.

    A failure of `chunks` (a client that went away) goes before the one that the reader then has of its short file. A
    reader may stop early; what is left of `chunks` is not taken.
    """
    if isinstance(chunks, Lendable) and (lent := chunks.lend()) is not None:
        return await _directly(lent, reader)
    pipe = _Pipe(asyncio.get_running_loop())
    work = in_own_thread(lambda: _read(pipe, reader))
    try:
        try:
            async for chunk in chunks:
                if not await pipe.put(chunk):
                    break  # the reader is done, one way or the other
        finally:
            pipe.end()
        return await asyncio.shield(work)
    except BaseException:
        # The thread sees the end of its file and finishes; whatever it holds must not outlive this call.
        await ended(work)
        if not work.cancelled():
            work.exception()  # looked at, for the failure at hand goes before it
        raise


async def _directly(body: LentBody, reader: Callable[[io.RawIOBase], T]) -> T:
    work = in_own_thread(lambda: reader(body))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        body.stop()
        await ended(work)
        if not work.cancelled():
            work.exception()
        raise
    except Exception:
        if body.failure is not None:
            raise body.failure from None
        raise
    finally:
        body.give_back()


class _Pipe(io.RawIOBase):
    """Bytes from the event loop to one thread, handed over as they are; a full one holds back the loop's side."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()
        self._pieces: deque[memoryview] = deque()
        self._size = 0
        self._ended = False
        self._left = False
        self._waiting: asyncio.Future[None] | None = None

    async def put(self, data: bytes) -> bool:
        """For the event loop: add some bytes, and wait while there are many. False when nobody reads any more."""
        with self._changed:
            if self._left:
                return False
            if data:
                self._pieces.append(memoryview(data))
                self._size += len(data)
                if self._size >= _MEAL:
                    self._changed.notify()
            if self._size <= _HELD:
                return True
            waiting = self._waiting = self._loop.create_future()
        await waiting
        return not self._left

    def end(self) -> None:
        """For the event loop: no more bytes come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def leave(self) -> None:
        """For the thread: it reads no more."""
        with self._changed:
            self._left = True
            self._pieces.clear()
            self._wake()

    def readable(self) -> bool:
        """io.RawIOBase."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """For the thread: io.RawIOBase; waits for as much as fits, for some time's worth of bytes, or for the end."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), _MEAL)
        with self._changed:
            while self._size < wanted and not self._ended:
                self._changed.wait()
            taken = self._take(len(view))
            if self._size <= _HELD // 2:
                self._wake()
        place = 0
        for piece in taken:
            view[place : place + len(piece)] = piece
            place += len(piece)
        return place

    def _take(self, most: int) -> list[memoryview]:
        taken = []
        while most and self._pieces:
            piece = self._pieces.popleft()
            if len(piece) > most:
                self._pieces.appendleft(piece[most:])
                piece = piece[:most]
            taken.append(piece)
            most -= len(piece)
            self._size -= len(piece)
        return taken

    def _wake(self) -> None:
        waiting = self._waiting
        if waiting is not None:
            self._waiting = None
            self._loop.call_soon_threadsafe(_set, waiting)


def _set(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


async def produce(writer: Callable[[Callable[[bytes | memoryview], object]], None]) -> AsyncGenerator[bytes, None]:
    """Run `writer` in a thread with a `write` function; yields what it writes. Closing the generator stops it.

    A failure of `writer` is raised after what it had written.
    """
    outlet = _Outlet(asyncio.get_running_loop())
    work = in_own_thread(lambda: _write(outlet, writer))
    try:
        while chunk := await outlet.get():
            yield chunk
        await asyncio.shield(work)
    finally:
        outlet.close()
        cancelled = await ended(work)
        if not work.cancelled():
            work.exception()
        if cancelled is not None:
            raise cancelled


class _Outlet:
    """Bytes from one thread to the event loop; a full one holds back the thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._ended = False
        self._closed = False
        self._waiting: asyncio.Future[None] | None = None

    def write(self, data: bytes | memoryview) -> None:
        """For the thread: add some bytes, and wait while there are many. BrokenPipeError when nobody takes any more."""
        piece = bytes(data)  # what is bytes already is not copied
        with self._changed:
            while self._size > _HELD and not self._closed:
                self._changed.wait()
            if self._closed:
                raise BrokenPipeError(errno.EPIPE, "nobody reads what is written here any more")
            if piece:
                self._pieces.append(piece)
                self._size += len(piece)
                self._wake()

    def end(self) -> None:
        """For the thread: no more bytes come."""
        with self._changed:
            self._ended = True
            self._wake()

    async def get(self) -> bytes:
        """For the event loop: the next bytes, small pieces put together; ``b""`` at the end."""
        while True:
            with self._changed:
                if self._pieces:
                    taken = self._take()
                    self._changed.notify()
                    return taken
                if self._ended:
                    return b""
                waiting = self._waiting = self._loop.create_future()
            await waiting

    def close(self) -> None:
        """For the event loop: it takes no more."""
        with self._changed:
            self._closed = True
            self._pieces.clear()
            self._changed.notify()

    def _take(self) -> bytes:
        taken = [self._pieces.popleft()]
        size = len(taken[0])
        while self._pieces and size + len(self._pieces[0]) <= _PIECE:
            taken.append(self._pieces.popleft())
            size += len(taken[-1])
        self._size -= size
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._loop.call_soon_threadsafe(_set, waiting)


def in_own_thread(work: Callable[[], T]) -> asyncio.Future[T]:
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
    _thread.start_new_thread(run, ())  # threading's would wait until it runs
    return asyncio.wrap_future(future)


def _read(pipe: _Pipe, reader: Callable[[io.RawIOBase], T]) -> T:
    try:
        return reader(pipe)
    finally:
        pipe.leave()


def _write(outlet: _Outlet, writer: Callable[[Callable[[bytes | memoryview], object]], None]) -> None:
    """Small pieces are put together before they are handed over: a tar has three of each small file, and each would
    cost two threads a turn."""
    pieces: list[bytes] = []
    size = 0

    def write(data: bytes | memoryview) -> None:
        nonlocal size
        if not pieces and len(data) >= _PIECE:
            outlet.write(data)
            return
        pieces.append(bytes(data))
        size += len(data)
        if size >= _PIECE:
            flush()

    def flush() -> None:
        nonlocal size
        together = b"".join(pieces)
        pieces.clear()
        size = 0
        outlet.write(together)

    try:
        try:
            writer(write)
        finally:
            if pieces:
                flush()
    finally:
        outlet.end()
