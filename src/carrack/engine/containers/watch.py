"""Waits for changes in a directory (inotify(7)) on the event loop.

A user may have only so many inotify instances, 128 by default, and all daemons of a machine share them: where no more
is to be had, the caller is told to look again after a short time instead.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Collection
from typing import Any, Self

from carrack.linux import inotify
from carrack.linux.syscalls import LINUX

POLL_S = 0.2
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOSPC)


class Watch:
    """Tells that something below one directory was written, made or renamed. Use as a context manager."""

    def __init__(self, directory: str) -> None:
        self._fd = -1
        try:
            self._fd = LINUX.inotify_init()
            LINUX.inotify_add_watch(self._fd, directory, inotify.IN_MODIFY | inotify.IN_CREATE | inotify.IN_MOVED_TO)
        except OSError as error:
            self.__exit__()
            self._fd = -1
            if error.errno not in _EXHAUSTED:
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)

    async def changed(self, *others: asyncio.Future[Any], timeout: float | None = None) -> None:
        """Return at the next change (perhaps sooner), when one of ``others`` is done, or after ``timeout`` seconds."""
        if self._fd < 0:
            await _within(POLL_S if timeout is None else min(timeout, POLL_S), others)
            return
        loop = asyncio.get_running_loop()
        readable: asyncio.Future[Any] = loop.create_future()
        loop.add_reader(self._fd, _set, readable)
        try:
            await asyncio.wait({readable, *others}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            loop.remove_reader(self._fd)
        inotify.read_events(self._fd)


async def _within(seconds: float, others: Collection[asyncio.Future[Any]]) -> None:
    if others:
        await asyncio.wait(others, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    else:
        await asyncio.sleep(seconds)


def _set(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)
