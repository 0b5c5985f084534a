"""Addresses of names, looked up by threads of their own.

The C library may sit on a name for a minute when no server answers. The event loop's own threads are few and the whole
daemon's, for its files: as many lookups as there are of them would stop it, and its end would wait for each.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

Found = list[tuple[Any, ...]]
"""As socket.getaddrinfo gives it."""

MOST = 64
"""Lookups at a time."""

_turns = threading.BoundedSemaphore(MOST)


async def look_up(host: str, port: int) -> Found:
    """The stream addresses of a host. OSError (gaierror) or UnicodeError when there are none; BlockingIOError when
    too many lookups are under way. A cancelled one ends by itself, unheard."""
    with contextlib.suppress(OSError):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    if not _turns.acquire(blocking=False):
        raise BlockingIOError(None, "too many lookups are under way")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Found] = loop.create_future()
    threading.Thread(target=_look, args=(host, port, loop, answer), name="lookup", daemon=True).start()
    return await answer


def _look(host: str, port: int, loop: asyncio.AbstractEventLoop, answer: asyncio.Future[Found]) -> None:
    tell: Callable[[], None]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        failure = error
        tell = lambda: None if answer.done() else answer.set_exception(failure)  # noqa: E731
    else:
        tell = lambda: None if answer.done() else answer.set_result(found)  # noqa: E731
    finally:
        _turns.release()
    with contextlib.suppress(RuntimeError):  # the loop is no more
        loop.call_soon_threadsafe(tell)
