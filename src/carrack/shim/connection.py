"""The daemon's end of a conversation with a shim: asyncio over a SOCK_SEQPACKET socket."""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import Any

from carrack.errors import CarrackError, NotFound, Unavailable
from carrack.runtime import channel
from carrack.shim.protocol import MAX_FDS

Notice = Callable[[dict[str, Any], list[int]], None]


class StartFailed(CarrackError):
    """A program could not be started: at which step, why, and the exit code ``docker run`` would give (125-127)."""

    def __init__(self, stage: str, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.stage = stage
        self.exit_code = exit_code


class Connection:
    """Requests by number, notices as they come. ``notice(message, fds)`` owns the descriptors; ``lost()`` is called
    once when the other end has closed, not when we close."""

    def __init__(self, sock: socket.socket, notice: Notice, lost: Callable[[], None]) -> None:
        self.notice = notice
        self.lost = lost
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[tuple[Any, list[int]]]] = {}
        self._number = 0
        self._sending = asyncio.Lock()
        self._paused = False
        sock.setblocking(False)
        self._loop.add_reader(sock.fileno(), self._readable)

    @property
    def closed(self) -> bool:
        return self._sock.fileno() < 0

    async def request(self, operation: str, fds: Sequence[int] = (), **arguments: Any) -> Any:
        """Ask and await the answer. Raises StartFailed, NotFound, OSError as the shim reports, Unavailable when the
        connection is lost."""
        answer, given = await self.exchange(operation, fds, **arguments)
        for fd in given:
            os.close(fd)
        return answer

    async def exchange(self, operation: str, fds: Sequence[int] = (), **arguments: Any) -> tuple[Any, list[int]]:
        """The same for an answer with descriptors, which are the caller's."""
        self._number += 1
        number = self._number
        answer: asyncio.Future[tuple[Any, list[int]]] = self._loop.create_future()
        self._waiting[number] = answer
        try:
            await self._send({"id": number, "op": operation, **arguments}, fds)
            return await answer
        finally:
            self._waiting.pop(number, None)

    def pause(self) -> None:
        """Read no more until resume(): the one who shall hear what follows is still in the making."""
        self._paused = True
        self._loop.remove_reader(self._sock.fileno())

    def resume(self) -> None:
        """Read on; ``notice`` and ``lost`` may be others now."""
        self._paused = False
        if not self.closed:
            self._loop.add_reader(self._sock.fileno(), self._readable)

    def finish(self) -> None:
        """Say that no more requests come; the other end's closing is still awaited."""
        if not self.closed:
            self._sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close our end; pending requests raise Unavailable."""
        if self.closed:
            return
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(Unavailable("the shim of the container has gone"))

    async def _send(self, message: dict[str, Any], fds: Sequence[int]) -> None:
        async with self._sending:
            while True:
                if self.closed:
                    raise Unavailable("the shim of the container has gone")
                try:
                    channel.send(self._sock, message, fds)
                    return
                except BlockingIOError:
                    await self._writable()
                except ConnectionError as error:
                    raise Unavailable(f"the shim of the container has gone: {error.strerror}") from error

    async def _writable(self) -> None:
        ready = self._loop.create_future()
        fd = self._sock.fileno()
        self._loop.add_writer(fd, _set, ready)
        try:
            await ready
        finally:
            self._loop.remove_writer(fd)

    def _readable(self) -> None:
        while not self.closed and not self._paused:
            try:
                message, fds = channel.receive(self._sock, MAX_FDS)
            except BlockingIOError:
                return
            except (OSError, ValueError):
                message, fds = None, []
            if message is None:
                self.close()
                self.lost()
            elif "id" in message:
                self._answered(message, fds)
            else:
                self.notice(message, fds)

    def _answered(self, message: dict[str, Any], fds: list[int]) -> None:
        answer = self._waiting.get(message["id"])
        if answer is not None and not answer.done() and "error" not in message:
            answer.set_result((message.get("ok"), fds))
            return
        for fd in fds:
            os.close(fd)
        if answer is not None and not answer.done():  # else its caller was cancelled
            answer.set_exception(failure(message["error"]))


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def failure(report: dict[str, Any]) -> Exception:
    """The exception for an error as it travels."""
    if "stage" in report:
        return StartFailed(report["stage"], report["message"], report["exit_code"])
    if report.get("kind") == "missing":
        return NotFound(report["message"])
    return OSError(report.get("errno") or 0, report["message"], report.get("op"))
