"""Uploads on their way: bytes appended to a file while their digest is taken, over one request or many.

An upload's file outlives the process. The state of its hash does not, so an upload that is gone on with after a restart
is hashed again from its file first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import re
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from carrack.errors import FULL
from carrack.registry_server.message import Body, Problem
from carrack.registry_server.repositories import UPLOADS, Repositories, Repository
from carrack.storage.content import Blob
from carrack.storage.durable import FLUSH, start_writeback, write_all

_ID = re.compile(r"[0-9a-f]{32}")
_TURN = 5.0
"""Seconds that a request waits for an earlier one on the same upload to end."""

OPEN = 256
"""Uploads that are kept open while no request is about them."""

_STEP = 1 << 20
_LARGE = 256 << 10


class Hash(Protocol):
    """What hashlib makes."""

    def update(self, data: memoryview, /) -> None:
        """Go on with these bytes."""


class Hashing:
    """A digest taken by a thread of its own, so that the next bytes come and are written meanwhile. Large pieces only:
    handing a small one over costs more than its digest."""

    def __init__(self, state: Hash) -> None:
        self._state = state
        self._work: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._free = threading.Semaphore()
        self._thread: threading.Thread | None = None

    def update(self, piece: memoryview) -> None:
        """Take a piece, which must stay as it is until the next but one of these calls, or `end`, returns."""
        if len(piece) < _LARGE:
            with self._free:
                self._state.update(piece)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hash", daemon=True)
            self._thread.start()
        self._free.acquire()
        self._work.put(piece)

    def end(self) -> None:
        """The digest is of all that was given."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._work.put(None)
            thread.join()

    def _run(self) -> None:
        while (piece := self._work.get()) is not None:
            self._state.update(piece)
            self._free.release()


class Upload:
    """One upload; used by one request at a time, which holds `lock`."""

    def __init__(self, path: Path, *, new: bool) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.ended = False
        flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | (os.O_CREAT | os.O_EXCL if new else 0)
        self._fd = os.open(path, flags, 0o600)
        self._hash = hashlib.sha256()
        self.size = 0
        self._flushed = 0
        self._read_up = new

    @property
    def id(self) -> str:
        """Its name in URLs."""
        return self.path.name

    def restore(self) -> None:
        """Take the digest of what an earlier process has received."""
        if self._read_up:
            return
        buffer = memoryview(bytearray(_STEP))
        while size := os.readv(self._fd, (buffer,)):
            self._hash.update(buffer[:size])
            self.size += size
        self._read_up = True

    def take(self, body: Body) -> None:
        """Append what comes, as far as it comes; OSError with the path when it cannot be written.

        Of a body that the disk is too small for nothing stays: others need the room.
        """
        begun, state, hashing = self.size, self._hash.copy(), Hashing(self._hash)
        try:
            self._take(body, hashing)
        except OSError as error:
            hashing.end()
            if error.errno in FULL:
                self.size, self._hash = begun, state
                self._cut()
            raise
        finally:
            hashing.end()

    def _take(self, body: Body, hashing: Hashing) -> None:
        for piece in body.pieces():
            try:
                write_all(self._fd, piece)
            except OSError as error:
                self._cut()
                error.filename = str(self.path)
                raise
            hashing.update(piece)
            self.size += len(piece)
            if self.size - self._flushed >= FLUSH:
                start_writeback(self._fd, self._flushed, self.size - self._flushed)
                self._flushed = self.size

    def _cut(self) -> None:
        """Take away what is written beyond what counts."""
        os.ftruncate(self._fd, self.size)
        os.lseek(self._fd, self.size, os.SEEK_SET)
        self._flushed = min(self._flushed, self.size)

    def blob(self) -> Blob:
        """What it is so far."""
        return Blob("sha256:" + self._hash.hexdigest(), self.size)

    def close(self) -> None:
        """Give the descriptor back; the file stays."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Uploads:
    """All uploads of all repositories."""

    def __init__(self, repositories: Repositories) -> None:
        self._repositories = repositories
        self._open: dict[Path, Upload] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def begin(self, repository: Repository) -> Iterator[Upload]:
        """A new upload."""
        folder = repository.path / UPLOADS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        upload = Upload(folder / secrets.token_hex(16), new=True)
        with self._lock:
            self._trim()
            self._open[upload.path] = upload
        with self._holding(upload):
            yield upload

    @contextlib.contextmanager
    def hold(self, repository: Repository, id_: str) -> Iterator[Upload]:
        """An upload that was begun. Raises Problem when it is unknown, or another request has it."""
        path = self._path(repository, id_)
        with self._lock:
            upload = self._open.get(path)
            if upload is None:
                try:
                    upload = Upload(path, new=False)
                except FileNotFoundError:
                    raise _unknown(id_) from None
                self._trim()
                self._open[path] = upload
        with self._holding(upload):
            yield upload

    def size(self, repository: Repository, id_: str) -> int:
        """How many bytes have come, also while a request brings more."""
        path = self._path(repository, id_)
        try:
            return path.stat().st_size
        except FileNotFoundError:
            raise _unknown(id_) from None

    def finish(self, repository: Repository, upload: Upload, digest: str) -> None:
        """Make it a blob of the repository, or nothing when it has another digest (Problem DIGEST_INVALID)."""
        blob = upload.blob()
        try:
            if blob.digest != digest:
                raise Problem("DIGEST_INVALID", f"what came is {blob.digest}, not {digest}")
            upload.close()
            with repository.guard.using(digest, repository.key(digest)):
                self._repositories.content.publish(upload.path, blob)
                repository.link(digest)
        finally:
            self.cancel(upload)

    def cancel(self, upload: Upload) -> None:
        """Forget it and what has come."""
        upload.ended = True
        upload.close()
        upload.path.unlink(missing_ok=True)
        with self._lock:
            self._open.pop(upload.path, None)

    def sweep(self, age: float) -> int:
        """Remove the uploads that nothing has come for during `age` seconds; returns how many."""
        swept = 0
        for repository in self._repositories.everywhere():
            folder = repository.path / UPLOADS
            for name in os.listdir(folder) if folder.is_dir() else ():
                with contextlib.suppress(OSError, Problem):
                    if time.time() - (folder / name).stat().st_mtime > age:
                        with self.hold(repository, name) as upload:
                            self.cancel(upload)
                            swept += 1
        return swept

    @contextlib.contextmanager
    def _holding(self, upload: Upload) -> Iterator[None]:
        if not upload.lock.acquire(timeout=_TURN):
            raise Problem("BLOB_UPLOAD_INVALID", f"another request is writing to upload {upload.id}", status=409)
        try:
            if upload.ended:
                raise _unknown(upload.id)
            upload.restore()
            yield
        finally:
            upload.lock.release()

    def _path(self, repository: Repository, id_: str) -> Path:
        if not _ID.fullmatch(id_):
            raise _unknown(id_)
        return repository.path / UPLOADS / id_

    def _trim(self) -> None:
        """Close the oldest when there are too many; with the lock held."""
        for path, upload in list(self._open.items()):
            if len(self._open) < OPEN:
                return
            if upload.lock.acquire(blocking=False):
                upload.close()
                upload.ended = True
                del self._open[path]
                upload.lock.release()


def _unknown(id_: str) -> Problem:
    return Problem("BLOB_UPLOAD_UNKNOWN", f"there is no upload {id_[:64]} in this repository")
