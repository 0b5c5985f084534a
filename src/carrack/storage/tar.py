"""Reading a tar archive as a stream, in constant memory, from bytes that may be hostile.

Two forms of one reader: :class:`TarScanner` is fed whatever bytes arrive and answers with entries and pieces of data
(a layer writer is pushed to), and :class:`TarReader` pulls from a source with ``readinto`` (an unpacker wants a
loop). Neither looks at the file system.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from carrack.storage import tarheader
from carrack.storage.tarheader import BLOCK, EXTENSIONS, REGULAR, SPARSE, TarEntry, TarError
from carrack.storage.tarsparse import PREFIX as SPARSE_PREFIX
from carrack.storage.tarsparse import SparseMap, is_sparse

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["LAYER", "ByteSource", "TarEntry", "TarError", "TarLimits", "TarReader", "TarScanner"]

_BUFFER = 256 * 1024
_ZEROS = bytes(BLOCK)
_GLOBALS = 64  # global PAX records that say something: each of them is looked at again with each member
_SAYING = frozenset((b"path", b"linkpath", b"size", b"uid", b"gid", b"mtime"))
_ATTRIBUTE, _STRETCH = 64, 128  # bytes of memory that each costs beside its own


class ByteSource(Protocol):
    """What a stream of bytes looks like to storage: binary files, sockets' files and decompressors are ones."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill some of the buffer and return how many bytes; 0 at the end."""


@dataclass(frozen=True, slots=True)
class TarLimits:
    """How much of a foreign archive is believed. ``extension``: bytes of one PAX or long-name record, and of all
    global PAX records together; ``path``: bytes of a path or link; ``entries``: members; ``size``: bytes in all, and of
    a file with its holes; ``kept``: bytes of names, links, attributes and holes of all members, which most readers keep
    in memory. ``sparse``: whether members with holes are read; who reads them looks at their ``sparse``."""

    entries: int = 2_000_000
    extension: int = 1 << 20
    path: int = 4096
    size: int = 1 << 40
    kept: int = 512 << 20
    sparse: bool = False


#: of what becomes a layer
LAYER = TarLimits(sparse=True)


class TarScanner:
    """The state between two pieces of an archive. Feed every byte; what follows the end mark is passed over."""

    def __init__(self, limits: TarLimits | None = None) -> None:
        self._limits = limits or TarLimits()
        self._offset = 0
        self._entries = 0
        self._data = 0  # bytes of the present member still to come
        self._padding = 0
        self._partial = bytearray()  # a header or extension payload that is not complete
        self._extension: TarEntry | None = None
        self._sparse: tuple[TarEntry, SparseMap] | None = None  # a member whose map is not complete
        self._global: dict[bytes, bytes] = {}
        self._global_size = self._local_size = self._kept = 0
        self._local: dict[bytes, bytes] = {}
        self._zero_blocks = 0

    @property
    def offset(self) -> int:
        """Bytes seen so far."""
        return self._offset

    @property
    def ended(self) -> bool:
        """Whether the end mark (two zero blocks) has been seen."""
        return self._zero_blocks >= 2

    def scan(self, piece: bytes | memoryview) -> Iterator[TarEntry | memoryview]:
        """The entries that become known with this piece, each followed by its data (views into ``piece``).

        Must be exhausted before the next call. TarError as soon as something is wrong.
        """
        view = memoryview(piece)
        start, position, end = self._offset, 0, len(view)
        if start + end > self._limits.size:
            raise TarError(f"archive over the limit of {self._limits.size} bytes")
        while position < end and not self.ended:
            if self._data:
                taken = min(self._data, end - position)
                self._data -= taken
                yield view[position : position + taken]
            elif self._padding:
                taken = min(self._padding, end - position)
                self._padding -= taken
            else:
                taken, block = self._gather(view, position)
                self._offset = start + position + taken
                entry = self._block(block) if block is not None else None
                if entry is not None:
                    yield entry
            position += taken
        self._offset = start + end

    def entries(self, piece: bytes | memoryview) -> Iterator[TarEntry]:
        """The same without the data, which is passed over at once."""
        view = memoryview(piece)
        start, position, end = self._offset, 0, len(view)
        if start + end > self._limits.size:
            raise TarError(f"archive over the limit of {self._limits.size} bytes")
        while position < end and self._zero_blocks < 2:
            if owed := self._data + self._padding:
                taken = min(owed, end - position)
                data = min(taken, self._data)
                self._data -= data
                self._padding -= taken - data
            else:
                block: bytes | None
                if end - position >= BLOCK and not self._partial and self._extension is None:  # as mostly
                    taken, block = BLOCK, bytes(view[position : position + BLOCK])
                else:
                    taken, block = self._gather(view, position)
                self._offset = start + position + taken
                entry = self._block(block) if block is not None else None
                if entry is not None:
                    yield entry
            position += taken
        self._offset = start + end

    def member(self, path: int, length: int) -> int:
        """Go on as if the whole of a plain file's member had come, whose path has that many bytes, in so many, and none
        were owed before; returns the bytes seen then. For who knows what is in it."""
        limits = self._limits
        self._entries += 1
        self._offset += length
        self._kept += path
        if self._entries > limits.entries or self._offset > limits.size or self._kept > limits.kept:
            raise TarError(f"archive over the limits: {self._entries} members, {self._offset} bytes")
        return self._offset

    def pass_over(self, most: int) -> int:
        """Go on as if the bytes had come that are still owed of the present member, ``most`` of them at the most; all
        of ``most`` after the end mark. Returns how many."""
        taken = most if self.ended else min(most, self._data + self._padding)
        data = min(taken, self._data)
        self._data -= data
        self._padding -= min(taken - data, self._padding)
        self._offset += taken
        if self._offset > self._limits.size:
            raise TarError(f"archive over the limit of {self._limits.size} bytes")
        return taken

    def finish(self) -> None:
        """Say that no more bytes come: TarError when the archive stops in the middle of something.

        A missing end mark is accepted, as other readers do.
        """
        if self._data or self._padding or self._partial or self._extension or self._local or self._sparse:
            raise TarError(f"truncated archive: it ends in the middle of a member, after {self._offset} bytes")

    def _gather(self, view: memoryview, position: int) -> tuple[int, bytes | None]:
        """Collect the bytes of a header, or of an extension's payload; None until they are complete."""
        need = self._extension.size if self._extension else BLOCK
        taken = min(need - len(self._partial), len(view) - position)
        if taken == need:
            return taken, bytes(view[position : position + taken])
        self._partial += view[position : position + taken]
        if len(self._partial) < need:
            return taken, None
        block = bytes(self._partial)
        self._partial.clear()
        return taken, block

    def _block(self, block: bytes) -> TarEntry | None:
        if self._extension is not None:
            self._padding = -len(block) % BLOCK
            extension, self._extension = self._extension, None
            self._extend(extension.kind, block)
            return None
        if self._sparse is not None:
            return self._mapped(*self._sparse, block)
        if block == _ZEROS:
            self._zero_blocks += 1
            return None
        if self._zero_blocks:
            raise TarError("archive goes on after a single zero block: it is damaged")
        entry = tarheader.parse_header(block)
        if entry.kind in EXTENSIONS:
            if not 0 < entry.size <= self._limits.extension:
                raise TarError(f"extension record of {entry.size} bytes: the limit is {self._limits.extension}")
            self._extension = entry
            return None
        return self._member(entry, block)

    def _extend(self, kind: bytes, payload: bytes) -> None:
        if kind == b"L":
            self._local.setdefault(b"path", payload.partition(b"\0")[0])
        elif kind == b"K":
            self._local.setdefault(b"linkpath", payload.partition(b"\0")[0])
        elif kind == b"x":
            self._local_size += len(payload)
            if self._local_size > self._limits.extension:
                raise TarError(f"PAX records of one member over the limit of {self._limits.extension} bytes")
            self._local.update(tarheader.parse_pax(payload))
        else:
            self._global_size += len(payload)
            if self._global_size > self._limits.extension:
                raise TarError(f"global PAX records over the limit of {self._limits.extension} bytes")
            records = tarheader.parse_pax(payload)
            self._global.update((key, value) for key, value in records.items() if _says_something(key))
            if len(self._global) > _GLOBALS:
                raise TarError(f"more than {_GLOBALS} global PAX records")

    def _member(self, entry: TarEntry, block: bytes) -> TarEntry | None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise TarError(f"archive with more than {self._limits.entries} members")
        found = None
        if entry.kind == SPARSE:
            found, entry.kind = SparseMap.of_header(entry.path, block), REGULAR
        if self._local or self._global:
            records = self._global | self._local
            tarheader.apply_pax(entry, records)
            self._local, self._local_size = {}, 0
            if is_sparse(records):
                found = SparseMap.of_records(entry.path, records)
                entry.path = found.path
        tarheader.check_entry(entry, self._limits.path)
        if found is not None:
            return self._with_holes(entry, found)
        return self._begin(entry)

    def _with_holes(self, entry: TarEntry, found: SparseMap) -> TarEntry | None:
        if not self._limits.sparse or entry.kind != REGULAR:
            raise TarError(f"{entry.path!r} is a GNU sparse file, which is not supported: archive it without --sparse")
        if found.wanted:
            self._sparse = entry, found
            return None
        entry.sparse = found.judged(entry.size, self._limits.size)
        return self._begin(entry)

    def _mapped(self, entry: TarEntry, found: SparseMap, block: bytes) -> TarEntry | None:
        """The next block of a map."""
        if found.inside:
            if entry.size < BLOCK:
                raise TarError(f"sparse file {entry.path!r} whose map does not end")
            entry.size -= BLOCK
        found.feed(block)
        if found.wanted:
            return None
        self._sparse = None
        entry.sparse = found.judged(entry.size, self._limits.size)
        return self._begin(entry)

    def _begin(self, entry: TarEntry) -> TarEntry:
        """A member's data comes next."""
        self._kept += _kept(entry)
        if self._kept > self._limits.kept:
            raise TarError(f"names and attributes of all members are over the limit of {self._limits.kept} bytes")
        entry.offset = self._offset
        self._data = entry.size
        self._padding = -entry.size % BLOCK
        return entry


def _says_something(key: bytes) -> bool:
    return key in _SAYING or key.startswith((tarheader.XATTR_PREFIX, SPARSE_PREFIX))


def _kept(entry: TarEntry) -> int:
    """Bytes of memory that a member costs who keeps it, beside those that every member does."""
    size = len(entry.path) + len(entry.link)
    if entry.xattrs:
        size += sum(len(name) + len(value) + _ATTRIBUTE for name, value in entry.xattrs.items())
    return size if entry.sparse is None else size + _STRETCH * len(entry.sparse.stretches)


class TarReader:
    """Iterate over the entries of a source; between two steps, ``data`` gives the bytes of the present one.

    Data that is not asked for is passed over. After the last entry ``drain`` reads on to the end of the source, so
    that a digest over all its bytes is complete.
    """

    def __init__(self, source: ByteSource, limits: TarLimits | None = None) -> None:
        self._source = source
        self._scanner = TarScanner(limits)
        self._buffer = memoryview(bytearray(_BUFFER))
        self._events = self._read()
        self._next: TarEntry | None = None

    def __iter__(self) -> Iterator[TarEntry]:
        while True:
            for _ in self.data():
                pass
            entry, self._next = self._next, None
            if entry is None:
                return
            yield entry

    def data(self) -> Iterator[memoryview]:
        """The present entry's data, in order; each piece is valid until the next one is asked for."""
        while self._next is None:
            event = next(self._events, None)
            if event is None:
                return
            if isinstance(event, TarEntry):
                self._next = event
            else:
                yield event

    def drain(self) -> int:
        """Read what follows the end mark; returns the number of bytes of the whole source."""
        for _ in self:
            pass
        while self._fill():
            pass
        return self._scanner.offset

    def _fill(self) -> int:
        count = self._source.readinto(self._buffer) or 0
        if count and self._scanner.ended:
            for _ in self._scanner.scan(self._buffer[:count]):
                pass
        return count

    def _read(self) -> Iterator[TarEntry | memoryview]:
        while not self._scanner.ended:
            count = self._fill()
            if not count:
                self._scanner.finish()
                return
            yield from self._scanner.scan(self._buffer[:count])
