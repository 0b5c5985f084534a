"""A tree of one file, which lies in a spool: what was fetched from a URL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from carrack.storage.tarheader import DIRECTORY, TarEntry

if TYPE_CHECKING:
    from carrack.storage.content import Ingest

_PIECE = 1 << 18


class SingleTree:
    """See Tree. The spool stays its maker's; ``digest`` is the sha256 of the file."""

    def __init__(self, entry: TarEntry, spool: Ingest, digest: bytes) -> None:
        self._entry = entry
        self._digest = digest
        self._room = spool.room
        self._fd = os.open(spool.path, os.O_RDONLY | os.O_CLOEXEC)

    def find(self, path: bytes) -> TarEntry | None:
        """See Tree."""
        if not path:
            return TarEntry(b"", DIRECTORY, 0o755)
        return self._entry if path == self._entry.path else None

    def names(self, path: bytes) -> list[bytes]:
        """See Tree."""
        return [] if path else [self._entry.path]

    def data(self, entry: TarEntry) -> Iterator[bytes | memoryview]:
        """See Tree."""
        at, end = self._room, self._room + entry.size
        while at < end:
            piece = os.pread(self._fd, min(_PIECE, end - at), at)
            if not piece:
                raise OSError(0, "a fetched file was cut short", os.fsdecode(entry.path))
            at += len(piece)
            yield piece

    def digest(self, entry: TarEntry) -> bytes:
        """See Tree."""
        return self._digest

    def close(self) -> None:
        """See Tree."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
