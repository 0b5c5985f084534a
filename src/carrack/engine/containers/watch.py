"""Waits for changes in a directory (inotify(7)) on the event loop."""

from __future__ import annotations

import asyncio
import os
from typing import Any, Self

from carrack.linux import inotify
from carrack.linux.syscalls import LINUX


class Watch:
    """Tells that something below one directory was written, made or renamed. Use as a context manager."""

    def __init__(self, directory: str) -> None:
        self._fd = LINUX.inotify_init()
        try:
            LINUX.inotify_add_watch(self._fd, directory, inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_MOVED_TO)
        except BaseException:
            os.close(self._fd)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    async def changed(self, *others: asyncio.Future[Any], timeout: float | None = None) -> None:
        """Return at the next change, when one of ``others`` is done, or after ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[Any] = loop.create_future()
        loop.add_reader(self._fd, _set, readable)
        try:
            await asyncio.wait({readable, *others}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(self._fd)
        inotify.read_events(self._fd)


def _set(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)
