"""The content store: blobs named by their digest, never changed, whole or absent.

    <root>/blobs/sha256/<hex>    a finished blob, mode 0600
    <root>/ingest/<name>         one being written; garbage after a crash
    <root>/partial/<hex>         what has come of one from a registry, for the next try: see carrack.storage.partial

A blob gets its name only after its digest was checked and its bytes are on disk: temporary file, fsync, rename,
fsync of the directory.
"""

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from carrack.errors import Internal, InvalidArgument
from carrack.oci import digest as digests
from carrack.storage.durable import FLUSH, start_writeback, write_all
from carrack.storage.partial import FOLDER, Partial

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


@dataclass(frozen=True, slots=True)
class Blob:
    """A finished piece of content: its digest and its size in bytes."""

    digest: str
    size: int


class Appender:
    """Writes to the end of a file and computes the digest. `room`: as for Ingest; `name`: as failures call the file."""

    def __init__(self, fd: int, room: int, name: str) -> None:
        self._fd = fd
        self._room = room
        self._name = name
        self._hash = hashlib.sha256()
        self._size = self._flushed = 0
        os.lseek(fd, room, os.SEEK_SET)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append all of `data`. OSError (ENOSPC) carries the name."""
        self._hash.update(data)
        self._size += len(data)
        try:
            write_all(self._fd, data)
        except OSError as error:
            error.filename = self._name
            raise
        if self._room and self._size - self._flushed >= FLUSH:  # such a file is kept: begin to write it to disk now
            start_writeback(self._fd, self._room + self._flushed, self._size - self._flushed)
            self._flushed = self._size

    def blob(self) -> Blob:
        """What has been written so far."""
        return Blob("sha256:" + self._hash.hexdigest(), self._size)


class Ingest:
    """Content on its way in. Leaving the `with` block without commit() removes it.

    `room`: bytes left free in front of it, for one who makes something else of the file; it is not published so.
    """

    def __init__(self, store: "ContentStore", path: Path, room: int = 0) -> None:
        self.path = path
        self.room = room
        self._store = store
        self._fd = os.open(path, _NEW, 0o600)
        self._end = Appender(self._fd, room, str(path))
        self._filled: Blob | None = None

    def __enter__(self) -> "Ingest":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append all of `data`. OSError (ENOSPC) carries the path."""
        self._end.write(data)

    def filled(self, blob: Blob) -> None:
        """Somebody else has written this to the file, `room` bytes from its begin, and computed its digest."""
        self._filled = blob

    def open(self) -> BinaryIO:
        """What was written, for reading from its begin; after finish()."""
        file = open(self.path, "rb", buffering=0)
        file.seek(self.room)
        return file

    def finish(self) -> Blob:
        """Close the file without publishing it; it can be read until discard(). May be called again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        return self._filled or self._end.blob()

    def commit(self, expected_digest: str | None = None, expected_size: int | None = None) -> Blob:
        """Check, make durable and publish. Raises InvalidArgument when size or digest are not the expected ones."""
        blob = self.finish()
        if expected_size is not None and blob.size != expected_size:
            raise InvalidArgument(f"content has {blob.size} bytes, expected {expected_size}")
        if expected_digest is not None and blob.digest != expected_digest:
            raise InvalidArgument(f"content digest is {blob.digest}, expected {expected_digest}")
        if self.room:
            self._close_room(blob.size)
        self._store.publish(self.path, blob)
        return blob

    def discard(self) -> None:
        """Remove what was written; nothing happens after a commit."""
        self.finish()
        self.path.unlink(missing_ok=True)

    def _close_room(self, size: int) -> None:
        """Put the content at the begin of its file."""
        with self._store.ingest() as moved, self.open() as source:
            left = size
            while left:
                piece = source.read(min(left, FLUSH))
                if not piece:
                    raise Internal(f"{self.path} was cut short while it was being stored")
                moved.write(piece)
                left -= len(piece)
            moved.finish()
            os.replace(moved.path, self.path)
        self.room = 0


class ContentStore:
    """Blobs below `root`, which must lie on one file system."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self._blobs = self.root / "blobs" / "sha256"
        self._ingest = self.root / "ingest"
        self._partial = self.root / FOLDER
        for directory in (self._blobs, self._ingest, self._partial):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, digest: str) -> Path:
        """Where the blob lies, or would lie. Raises InvalidArgument for what is not a sha256 digest."""
        digests.validate(digest)
        if digests.algorithm(digest) != "sha256":
            raise InvalidArgument(f"digest {digest}: only sha256 content is stored")
        return self._blobs / digests.encoded(digest)

    def has(self, digest: str) -> bool:
        """Whether the blob is here."""
        return self.path(digest).is_file()

    def size(self, digest: str) -> int:
        """The blob's size in bytes; FileNotFoundError when absent."""
        return self.path(digest).stat().st_size

    def open(self, digest: str) -> BinaryIO:
        """The blob for reading, unbuffered; FileNotFoundError when absent. The bytes are not checked again."""
        return open(self.path(digest), "rb", buffering=0)

    def read(self, digest: str, limit: int) -> bytes:
        """The whole of a small blob, its digest checked again.

        Raises FileNotFoundError, InvalidArgument above `limit` bytes, Internal when the bytes on disk have changed.
        """
        with self.open(digest) as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise InvalidArgument(f"{digest}: {size} bytes are more than the limit of {limit}")
            data = file.readall()  # type: ignore[attr-defined]
        if digests.of(data) != digest:
            raise Internal(f"the stored content {self.path(digest)} is damaged: its digest does not match its name")
        assert isinstance(data, bytes)
        return data

    def put(self, data: bytes) -> str:
        """Store `data`; returns its digest."""
        digest = digests.of(data)
        if not self.has(digest):
            with self.ingest() as ingest:
                ingest.write(data)
                ingest.commit(digest)
        return digest

    def ingest(self, room: int = 0) -> Ingest:
        """Begin to store content of unknown digest."""
        return Ingest(self, self._ingest / secrets.token_hex(16), room)

    def partial(self, digest: str, patience: float = 0.0) -> Partial:
        """What has come of a blob so far, to be gone on with. See Partial."""
        return Partial(self._partial / self.path(digest).name, patience)

    def publish(self, path: Path, blob: Blob) -> None:
        """Give a finished file its name (for Ingest.commit), which is the digest of what is in it."""
        target = self.path(blob.digest)
        if target.is_file():
            path.unlink(missing_ok=True)
            return
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(path, target)
        _sync_directory(self._blobs)

    def delete(self, digest: str) -> None:
        """Remove the blob; absent is fine."""
        self.path(digest).unlink(missing_ok=True)

    def digests(self) -> Iterator[str]:
        """All blobs here, in no order."""
        with os.scandir(self._blobs) as entries:
            for entry in entries:
                digest = "sha256:" + entry.name
                if digests.is_digest(digest):
                    yield digest

    def sweep(self, max_age_s: float = 0.0) -> int:
        """Remove unfinished content last written at least `max_age_s` seconds ago; returns how many files."""
        limit = time.time() - max_age_s
        removed = 0
        with os.scandir(self._ingest) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # it was finished, or given up, just now
                    if entry.stat(follow_symlinks=False).st_mtime <= limit:
                        os.unlink(entry.path)
                        removed += 1
        return removed


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
