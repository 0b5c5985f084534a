"""A tree that came as a tar: the archive stays as it came, in one file (a small one in memory), and is read by offsets.
Nothing is unpacked.

What was sent is hashed file by file while it comes, so that asking whether something has changed costs no reading.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from carrack.storage import tarheader
from carrack.storage.tar import TarLimits, TarScanner
from carrack.storage.tarheader import DIRECTORY, HARDLINK, REGULAR, TarEntry, TarError

if TYPE_CHECKING:
    from carrack.storage.content import Ingest
    from carrack.storage.tar import ByteSource

_PIECE = 1 << 18
_LIMITS = TarLimits(entries=1_000_000)
_SHORT = TarLimits(path=128)


class _Archive(Protocol):
    """Where an archive lies, until it is closed."""

    def write(self, piece: memoryview) -> None:
        """Add what comes next."""

    def finish(self) -> None:
        """All has come."""

    def read(self, at: int, count: int) -> bytes | memoryview:
        """Some of its bytes; none behind its end."""

    def close(self) -> None: ...


class _OnDisk:
    """It owns the spool: closing removes it."""

    def __init__(self, spool: Ingest) -> None:
        self._spool = spool
        self._fd = os.open(spool.path, os.O_RDONLY | os.O_CLOEXEC)

    def write(self, piece: memoryview) -> None:
        self._spool.write(piece)

    def finish(self) -> None:
        self._spool.finish()

    def read(self, at: int, count: int) -> bytes:
        return os.pread(self._fd, count, self._spool.room + at)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._spool.discard()


class _InMemory:
    """All of it is there from the beginning, and goes with the last tree of it."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def write(self, piece: memoryview) -> None:
        pass

    def finish(self) -> None:
        pass

    def read(self, at: int, count: int) -> memoryview:
        return self._data[at : at + count]

    def close(self) -> None:
        pass


class TarTree:
    """See Tree."""

    def __init__(self, archive: _Archive) -> None:
        self._archive = archive
        self.entries: dict[bytes, TarEntry] = {b"": _folder(b"")}
        self._names: dict[bytes, list[bytes]] = {b"": []}
        self._digests: dict[bytes, bytes] = {}

    def finish(self) -> None:
        """All has come, and can be read."""
        for names in self._names.values():
            names.sort()  # once: kept in order, many names that come backwards would take minutes
        self._archive.finish()

    def find(self, path: bytes) -> TarEntry | None:
        """See Tree."""
        return self.entries.get(path)

    def names(self, path: bytes) -> list[bytes]:
        """See Tree."""
        return self._names.get(path, [])

    def data(self, entry: TarEntry) -> Iterator[bytes | memoryview]:
        """See Tree."""
        at, end = entry.offset, entry.offset + entry.size
        while at < end:
            piece = self._archive.read(at, min(_PIECE, end - at))
            if not piece:
                raise TarError(f"the archive of {os.fsdecode(entry.path)!r} was cut short while it was being read")
            at += len(piece)
            yield piece

    def digest(self, entry: TarEntry) -> bytes:
        """See Tree."""
        return self._digests[entry.path]

    def close(self) -> None:
        """See Tree."""
        self._archive.close()

    def put(self, entry: TarEntry) -> None:
        """Add an entry as the archive has it; a later one of the same name takes its place, and all below it."""
        path = tarheader.normalise(entry.path)
        if entry.kind == HARDLINK:
            entry = self._linked(entry)
        entry.path = path
        before = self.entries.get(path)
        if before is not None and before.kind == DIRECTORY and entry.kind != DIRECTORY:
            self._forget_below(path)
        self._make_parents(path)
        if entry.kind == DIRECTORY:
            self._names.setdefault(path, [])
        self._enter(path)
        self.entries[path] = entry

    def know(self, entry: TarEntry, digest: bytes) -> None:
        """Note the sha256 of a file's bytes."""
        self._digests[entry.path] = digest

    def _linked(self, entry: TarEntry) -> TarEntry:
        target = self.entries.get(tarheader.normalise(entry.link))
        if target is None or target.kind != REGULAR:
            raise TarError(f"{entry.path!r} is a link to {entry.link!r}, which is no file before it in the archive")
        made = TarEntry(entry.path, REGULAR, target.mode)
        for name in ("uid", "gid", "size", "mtime", "mtime_ns", "offset", "xattrs"):
            setattr(made, name, getattr(target, name))
        self._digests[tarheader.normalise(entry.path)] = self._digests[target.path]
        return made

    def _make_parents(self, path: bytes) -> None:
        """The folders that the archive does not mention: root's, 0755. What was no folder gives way to one."""
        missing = []
        while path:
            path = path.rpartition(b"/")[0]
            present = self.entries.get(path)
            if present is not None and present.kind == DIRECTORY:
                break
            missing.append(path)
        for each in reversed(missing):
            self._enter(each)
            self.entries[each] = _folder(each)
            self._names.setdefault(each, [])

    def _enter(self, path: bytes) -> None:
        if not path or path in self.entries:
            return
        parent, _, name = path.rpartition(b"/")
        self._names[parent].append(name)

    def _forget_below(self, path: bytes) -> None:
        todo = [path]
        while todo:
            above = todo.pop()
            for name in self._names.pop(above, []):
                below = above + b"/" + name
                self.entries.pop(below, None)
                todo.append(below)


def receive(source: ByteSource, spool: Ingest, limits: TarLimits = _LIMITS) -> TarTree:
    """Take in a whole tar (plain: decompressed by the caller). The tree owns the spool from then on.

    Raises TarError for a damaged archive, OSError for a full disk; then the spool is gone.
    """
    try:
        archive = _OnDisk(spool)
    except BaseException:
        spool.discard()
        raise
    try:
        receiver = _Receiver(archive, limits)
        buffer = memoryview(bytearray(_PIECE))
        while count := source.readinto(buffer) or 0:
            receiver.write(buffer[:count])
        return receiver.finish()
    except BaseException:
        archive.close()  # a spool that is open somewhere keeps its place on the disk
        raise


@lru_cache(maxsize=8)
def in_memory(data: bytes) -> TarTree:
    """The tree of a plain tar that stays in memory; of the same bytes again it is the same tree, for builds come with
    what they came with before. Raises TarError for a damaged one, and for long names, which could make a small archive
    take as long as a large one."""
    receiver = _Receiver(_InMemory(data), _SHORT)
    receiver.write(memoryview(data))
    return receiver.finish()


class _Receiver:
    def __init__(self, archive: _Archive, limits: TarLimits) -> None:
        self._archive = archive
        self._scanner = TarScanner(limits)
        self._tree = TarTree(archive)
        self._file: TarEntry | None = None
        self._hash = hashlib.sha256()

    def write(self, piece: memoryview) -> None:
        self._archive.write(piece)
        for event in self._scanner.scan(piece):
            if isinstance(event, TarEntry):
                self._done()
                self._tree.put(event)
                if event.kind == REGULAR:
                    self._file, self._hash = event, hashlib.sha256()
            else:
                self._hash.update(event)

    def finish(self) -> TarTree:
        self._scanner.finish()
        self._done()
        self._tree.finish()
        return self._tree

    def _done(self) -> None:
        if self._file is not None:
            self._tree.know(self._file, self._hash.digest())
            self._file = None


def _folder(path: bytes) -> TarEntry:
    return TarEntry(path, DIRECTORY, 0o755)
