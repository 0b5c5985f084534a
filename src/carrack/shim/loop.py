"""A small event loop over epoll: a shim has few descriptors and must cost little memory, so no asyncio here."""

from __future__ import annotations

import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

IN = select.EPOLLIN
OUT = select.EPOLLOUT
PEER_CLOSED = select.EPOLLRDHUP
HANGUP = select.EPOLLHUP | select.EPOLLERR


class Loop:
    """Descriptors with handlers, and timers. Level-triggered: a handler need not take everything at once."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._fresh: set[int] = set()
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def watch(self, fd: int, events: int, handler: Callable[[int], None]) -> None:
        """Call handler(events) when one of the events, an error or a hang-up is there; replaces an earlier watch."""
        known = self._handlers.get(fd)
        self._handlers[fd] = (events, handler)
        if known is None:
            self._epoll.register(fd, events)
            self._fresh.add(fd)
        elif known[0] != events:
            self._epoll.modify(fd, events)

    def forget(self, fd: int) -> None:
        """Watch no longer; before the descriptor is closed. Unknown ones are ignored."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back once, not before that many seconds."""
        self._timers.append((time.monotonic() + seconds, callback))

    def turn(self) -> None:
        """Wait for something, and handle all that is there."""
        ready = self._epoll.poll(self._timeout() if self._timers else None)
        # A number that was closed and opened again while this batch is handled must not get the old one's events.
        self._fresh.clear()
        for fd, events in ready:
            entry = self._handlers.get(fd)
            if entry is not None and fd not in self._fresh:
                entry[1](events)
        if self._timers:
            self._call_timers()

    def close(self) -> None:
        self._epoll.close()

    def _timeout(self) -> float:
        return max(0.0, min(when for when, _ in self._timers) - time.monotonic())

    def _call_timers(self) -> None:
        now = time.monotonic()
        due = [callback for when, callback in self._timers if when <= now]
        self._timers = [timer for timer in self._timers if timer[0] > now]
        for callback in due:
            callback()
