"""Trees that are kept when a build is over, so that the next one is sent only what has changed.

A tree is made from a list of all its files, in which each has a mark: bytes that are the same as long as the file is.
What the tree before it has with the same mark is taken over, and only the bytes of the others have to come. They are
hashed as they come, so that what a file holds is always known by its contents, never by what a client says of it.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument
from carrack.storage.tarheader import DIRECTORY, REGULAR, TarEntry
from carrack.storage.trees.segments import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRIES_LIMIT = 1_000_000
_SEGMENTS = 64
_SMALL = 64 << 10  # bytes of a whole context that need no file: most of a build's Dockerfiles, and many of its contexts
_SLACK = 16 << 20
_EMPTY = hashlib.sha256().digest()


class KeptEntry(TarEntry):
    """A file with the sha256 of its bytes, and its mark: "" is of one that must come again."""

    __slots__ = ("digest", "mark")

    def __init__(self, path: bytes, kind: bytes, mode: int, mark: bytes = b"") -> None:
        super().__init__(path, kind, mode)
        self.digest = _EMPTY
        self.mark = mark


class KeptTree:
    """See Tree. ``close`` is for each ``hold``, and once for who made it."""

    def __init__(
        self, entries: dict[bytes, KeptEntry], names: dict[bytes, list[bytes]], segments: list[Segment]
    ) -> None:
        self.entries = entries
        self._names = names
        self.segments = segments
        self._holders = 1
        self._lock = threading.Lock()

    def find(self, path: bytes) -> TarEntry | None:
        """See Tree."""
        return self.entries.get(path)

    def names(self, path: bytes) -> list[bytes]:
        """See Tree."""
        return self._names.get(path, [])

    def data(self, entry: TarEntry) -> Iterator[bytes | memoryview]:
        """See Tree."""
        for segment in reversed(self.segments):
            if not entry.size:
                return iter(())
            if segment.base <= entry.offset:
                return segment.read(entry.offset, entry.size)
        raise FileNotFoundError(entry.path)

    def digest(self, entry: TarEntry) -> bytes:
        """See Tree."""
        return self.entries[entry.path].digest

    def hold(self) -> KeptTree:
        """The same tree for one more user."""
        with self._lock:
            self._holders += 1
        return self

    def close(self) -> None:
        """See Tree."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            for segment in self.segments:
                segment.release()

    @property
    def in_use(self) -> bool:
        """Whether somebody has it besides the one who keeps it."""
        return self._holders > 1

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self.segments)

    def worn(self) -> bool:
        """Whether more of its bytes are of files that are gone than not: then all had better come anew."""
        if len(self.segments) < 2:
            return False
        alive = {entry.offset: entry.size for entry in self.entries.values() if entry.kind == REGULAR}
        return len(self.segments) > _SEGMENTS or self.size > 2 * sum(alive.values()) + _SLACK


class TreeMaker:
    """A tree in the making. Its files are listed folder by folder, in byte order, parents first; then the bytes of
    those come that were not ``taken`` over, in any order; then ``finish`` it, or ``discard`` it."""

    def __init__(self, folder: Path, before: KeptTree | None) -> None:
        """``before``: what to take over from; it is held until the end."""
        self._before = before.hold() if before is not None else None
        self._known = before.entries if before is not None else {}
        base = before.segments[-1].end + 1 if before is not None else 1
        self._segment = Segment(folder, base, _SMALL if before is None else 0)
        self._entries: dict[bytes, KeptEntry] = {b"": KeptEntry(b"", DIRECTORY, 0o755)}
        self._names: dict[bytes, list[bytes]] = {b"": []}
        self._links: dict[bytes, KeptEntry] = {}
        self._last: list[bytes] = []
        self._open: KeptEntry | None = None
        self._hash = hashlib.sha256()

    def taken(self, path: bytes, mark: bytes) -> bool:
        """Take a file over if the tree before has it with this mark, which is not empty. Raises InvalidArgument."""
        known = self._known.get(path)
        if known is None or known.mark != mark or not mark:
            return False
        self.add(known)
        return True

    def add(self, entry: KeptEntry) -> None:
        """Add the next file; the bytes of a regular one with a size come later. Raises InvalidArgument for a path that
        cannot be next."""
        path = entry.path
        parts = path.split(b"/")
        bad = b"" in parts or b"." in parts or b".." in parts or b"\0" in path
        if bad or parts <= self._last or len(path) > 4096 or max(map(len, parts)) > 255:
            raise InvalidArgument(f"a list of files has {_shown(path)} where it cannot be")
        if len(self._entries) > ENTRIES_LIMIT:
            raise InvalidArgument(f"a list of files is longer than {ENTRIES_LIMIT}")
        self._last = parts
        self._put(entry)

    def link(self, entry: KeptEntry, target: bytes) -> None:
        """Add the next file as another name of one that is listed too, before it or after it."""
        entry.link = target
        self.add(entry)
        self._links[entry.path] = entry

    def has(self, path: bytes) -> TarEntry | None:
        """What was listed at a path."""
        return self._entries.get(path)

    def fill(self, entry: KeptEntry, data: bytes | bytearray) -> None:
        """All the bytes of a file at once."""
        entry.offset, entry.size = self._segment.end, len(data)
        entry.digest = hashlib.sha256(data).digest()
        self._segment.write(data)

    def begin(self, entry: KeptEntry) -> None:
        """The bytes of a file come now, by ``more``, until ``end``; one file at a time."""
        self._open, self._hash = entry, hashlib.sha256()
        entry.offset, entry.size = self._segment.end, 0

    def more(self, data: bytes | bytearray | memoryview) -> None:
        """Some bytes of the file that was begun."""
        assert self._open is not None
        self._segment.write(data)
        self._hash.update(data)
        self._open.size += len(data)

    def end(self) -> None:
        """The file that was begun is complete."""
        assert self._open is not None
        self._open.digest, self._open = self._hash.digest(), None

    def finish(self) -> KeptTree:
        """The tree. Raises InvalidArgument for a link to what is no file."""
        for entry in self._links.values():
            self._resolve(entry)
        segments = [segment.hold() for segment in self._before.segments] if self._before is not None else []
        if self._segment.size or not segments:
            segments.append(self._segment)
        else:
            self._segment.release()
        tree = KeptTree(self._entries, self._names, segments)
        if self._before is not None:
            self._before.close()
        return tree

    def discard(self) -> None:
        """There will be no tree."""
        self._segment.release()
        if self._before is not None:
            self._before.close()

    def _resolve(self, entry: KeptEntry) -> None:
        target = self._entries.get(entry.link)
        if target is None or target.kind != REGULAR or entry.link in self._links:
            raise InvalidArgument(f"{_shown(entry.path)} is a link to {_shown(entry.link)}, which is no file")
        for name in ("uid", "gid", "mode", "size", "mtime", "mtime_ns", "offset", "xattrs", "digest"):
            setattr(entry, name, getattr(target, name))
        entry.link = b""

    def _put(self, entry: KeptEntry) -> None:
        path = entry.path
        parent, _, name = path.rpartition(b"/")
        names = self._names.get(parent)
        if names is None:
            names = self._parents(parent, path)
        names.append(name)
        self._entries[path] = entry
        if entry.kind == DIRECTORY:
            self._names[path] = []

    def _parents(self, parent: bytes, path: bytes) -> list[bytes]:
        """The names in a folder that was not listed itself, nor perhaps those that it is in: it is root's, 0755."""
        missing = []
        while parent not in self._names:
            if parent in self._entries:
                raise InvalidArgument(f"a list of files has {_shown(path)} in what is no folder")
            missing.append(parent)
            parent = parent.rpartition(b"/")[0]
        for each in reversed(missing):
            self._put(KeptEntry(each, DIRECTORY, 0o755))
        return self._names[missing[0]]


def _shown(path: bytes) -> str:
    return repr(path[:200].decode(errors="replace"))
