"""The name servers of the host: what its /etc/resolv.conf names, followed as it changes (resolv.conf(5))."""

from __future__ import annotations

import os
import time

from carrack.network import resolv

PATH = "/etc/resolv.conf"
#: as resolv.conf(5) has it: the most that are asked, and who is when none is named
_MOST = 3
_DEFAULT = ("127.0.0.1",)
_LIMIT = 64 * 1024
_PAUSE = 1.0  # seconds


def servers(text: str) -> tuple[str, ...]:
    """Those that are asked."""
    return tuple(resolv.servers(text)[:_MOST]) or _DEFAULT


class HostServers:
    """Looked at when somebody is to be asked, at most once in a second."""

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._next = 0.0
        self._servers: tuple[str, ...] = _DEFAULT

    def current(self) -> tuple[str, ...]:
        """As the file has them now; a file that cannot be read just now changes nothing."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PAUSE
            try:
                self._look()
            except OSError:
                pass
        return self._servers

    def _look(self) -> None:
        info = os.stat(self._path)
        seen = (info.st_mtime_ns, info.st_ino, info.st_size)
        if seen != self._seen:
            with open(self._path, "rb") as file:
                self._servers = servers(file.read(_LIMIT).decode("utf-8", "replace"))
            self._seen = seen
