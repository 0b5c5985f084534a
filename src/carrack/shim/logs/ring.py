"""Messages on their way from the program to a log server: bounded, between the thread that reads and the one that
sends. When it is full, the reader waits (blocking) or the newest message is dropped and counted (non-blocking)."""

from __future__ import annotations

import threading
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from carrack.shim.logs.lines import Message

_LOOK_SECONDS = 0.5
_BATCH = 256


class Ring:
    """``max_bytes`` of lines, or ``max_messages``; one message is always taken, however long."""

    def __init__(
        self, max_bytes: int, *, blocking: bool, max_messages: int = 1 << 30, over: Callable[[], bool] = lambda: False
    ) -> None:
        """over: whether the program has ended, asked now and then while the reader waits: then what is left of its
        output, which is not much, is taken beyond the bound."""
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._blocking = blocking
        self._over = over
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._ended = False
        self._changed = threading.Condition()
        self.dropped = 0

    def put(self, messages: list[Message]) -> None:
        """Take messages; waits for room when blocking."""
        with self._changed:
            for message in messages:
                if self._blocking:
                    self._wait(len(message.line))
                elif self._full(len(message.line)):
                    self.dropped += 1
                    continue
                self._queue.append(message)
                self._bytes += len(message.line)
            self._changed.notify_all()

    def take(self, timeout: float | None) -> list[Message]:
        """The oldest messages; none after ``timeout`` seconds, or when all is over (then ``ended``)."""
        with self._changed:
            if not self._queue and not self._ended:
                self._changed.wait(timeout)
            taken = [self._queue.popleft() for _ in range(min(_BATCH, len(self._queue)))]
            self._bytes -= sum(len(message.line) for message in taken)
            self._changed.notify_all()
            return taken

    @property
    def ended(self) -> bool:
        """Whether nothing is left and nothing more will come."""
        with self._changed:
            return self._ended and not self._queue

    @property
    def waiting(self) -> int:
        return len(self._queue)

    def end(self) -> None:
        """No more messages."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _full(self, size: int) -> bool:
        if not self._queue:
            return False
        return self._bytes + size > self._max_bytes or len(self._queue) >= self._max_messages

    def _wait(self, size: int) -> None:
        self._changed.notify_all()
        while self._full(size) and not self._over():
            self._changed.wait(_LOOK_SECONDS)
