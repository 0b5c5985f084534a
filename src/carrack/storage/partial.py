"""A blob on its way from a registry: kept from one try to the next, by this daemon or the one after it.

    <root>/partial/<hex>    the first bytes of the blob of that digest, as many as have come; one writer at a time

What lies there is not to be trusted before the whole has been hashed: whoever takes it up reads it from its begin.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from carrack.errors import Conflict
from carrack.oci import digest as digests
from carrack.storage.durable import FLUSH, start_writeback, write_all

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

FOLDER = "partial"
_PAUSE = 0.05  # seconds
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class Partial:
    """The file, locked against other writers. Leaving the `with` block keeps it as it is, unless it was discarded or
    became the blob. Raises Conflict when another has it for longer than `patience` seconds."""

    def __init__(self, path: Path, patience: float = 0.0) -> None:
        self.path = path
        self._fd = _locked(path, time.monotonic() + patience)
        self.size = self._flushed = os.fstat(self._fd).st_size
        os.lseek(self._fd, 0, os.SEEK_END)

    def __enter__(self) -> Partial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def write(self, data: bytes | memoryview) -> None:
        """Append all of `data`. OSError (ENOSPC) carries the path."""
        try:
            write_all(self._fd, data)
        except OSError as error:
            error.filename = str(self.path)
            raise
        self.size += len(data)
        if self.size - self._flushed >= FLUSH:
            start_writeback(self._fd, self._flushed, self.size - self._flushed)
            self._flushed = self.size

    def read(self, buffer: memoryview, offset: int) -> int:
        """Fill some of the buffer with what lies at `offset`; 0 at the end."""
        return os.preadv(self._fd, [buffer], offset)

    def cut(self, size: int) -> None:
        """Forget what lies beyond `size` bytes."""
        os.ftruncate(self._fd, size)
        os.lseek(self._fd, size, os.SEEK_SET)
        self.size = min(self.size, size)
        self._flushed = min(self._flushed, size)

    def sync(self) -> None:
        """What was written is on disk."""
        os.fsync(self._fd)

    def discard(self) -> None:
        """Remove it: it is not what it should be, or nobody wants it any more."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of it; an empty one is not kept."""
        if self._fd < 0:
            return
        with contextlib.suppress(FileNotFoundError):  # became the blob, or was discarded
            if not self.size and os.path.samestat(self.path.lstat(), os.fstat(self._fd)):
                self.path.unlink()
        os.close(self._fd)
        self._fd = -1


def present(root: Path) -> dict[str, os.stat_result]:
    """The blobs below a content store's root of which some bytes are here, by their digests."""
    with os.scandir(root / FOLDER) as entries:
        return {"sha256:" + entry.name: entry.stat(follow_symlinks=False) for entry in entries}


def received(root: Path, digest: str) -> int:
    """How many bytes of a blob are here, below a content store's root."""
    try:
        return (root / FOLDER / digests.encoded(digest)).stat().st_size
    except FileNotFoundError:
        return 0


def sweep(root: Path, age: float) -> int:
    """Remove what lies below a content store's root and has not been gone on with for `age` seconds; returns how many
    files."""
    removed = 0
    for digest, status in present(root).items():
        if time.time() - status.st_mtime >= age:
            with contextlib.suppress(Conflict), Partial(root / FOLDER / digests.encoded(digest)) as partial:
                partial.discard()
                removed += 1
    return removed


def _locked(path: Path, until: float) -> int:
    """The file at `path`, made if need be; it is still there once it is locked."""
    while True:
        fd = os.open(path, _OPEN, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(path.lstat(), os.fstat(fd)):
                return fd
        except BlockingIOError:
            os.close(fd)
            if time.monotonic() >= until:
                raise Conflict(f"another process is writing {path}") from None
            time.sleep(_PAUSE)
            continue
        except FileNotFoundError:
            pass
        os.close(fd)
