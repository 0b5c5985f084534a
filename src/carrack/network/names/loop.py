"""What the resolver waits for: descriptors with a handler each, and times."""

from __future__ import annotations

import heapq
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IN, OUT = int(select.EPOLLIN), int(select.EPOLLOUT)
_EVENTS = 64


class Loop:
    """Level-triggered epoll: who is ready gets one turn, then the next, so that nobody is starved by a flood."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._handlers: dict[int, Callable[[], None]] = {}
        self._times: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self.first = -1  # a descriptor whose turn comes before all others'

    def watch(self, fd: int, handler: Callable[[], None], events: int = IN) -> None:
        """Call the handler when the descriptor is ready; another one replaces it."""
        if fd in self._handlers:
            self._poll.modify(fd, events)
        else:
            self._poll.register(fd, events)
        self._handlers[fd] = handler

    def forget(self, fd: int) -> None:
        """Before it is closed; one that is not watched is no error."""
        if self._handlers.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call it after that time. There is no taking back: a call that came too late finds nothing to do."""
        self._number += 1
        heapq.heappush(self._times, (time.monotonic() + seconds, self._number, call))

    def turn(self) -> None:
        """Wait, and serve everyone who is ready once."""
        handlers = self._handlers
        ready = self._poll.poll(self._patience(), _EVENTS)
        if len(ready) > 1 and any(fd == self.first for fd, _ in ready):
            handlers[self.first]()
        for fd, _ in ready:
            handler = handlers.get(fd)
            if handler is not None:  # else it was closed in this turn
                handler()
        while self._times and self._times[0][0] <= time.monotonic():
            heapq.heappop(self._times)[2]()

    def _patience(self) -> float | None:
        return max(0.0, self._times[0][0] - time.monotonic()) if self._times else None
