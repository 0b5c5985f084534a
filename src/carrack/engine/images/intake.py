"""An archive of images, read once as a stream: every file in it becomes a spool, found again by its name.

Names in the archive are only ever compared, never used as paths. Nothing is parsed before all of it has arrived,
because the document that says what the files are stands last in most archives.
"""

from __future__ import annotations

import posixpath
from contextlib import ExitStack
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument
from carrack.storage import tarheader
from carrack.storage.compression import Decompressed
from carrack.storage.content import ContentStore, Ingest
from carrack.storage.tar import TarLimits, TarReader

if TYPE_CHECKING:
    from types import TracebackType

    from carrack.storage.tar import ByteSource, TarEntry

ENTRY_LIMIT = 20_000
DOCUMENTS_LIMIT = 20_000
"""How often documents are read; indexes may name each other over and over again."""
BYTES_LIMIT = 512 << 20
"""Of all documents together, each as often as it is read: the same config may be that of very many images."""
_LINK_LIMIT = 8


class Intake:
    """The files of one archive. Use as a context manager: leaving it removes every spool not committed.

    ``room``: what the spool of a plain tar leaves free in front (``LayerStore.room``).
    """

    def __init__(self, content: ContentStore, room: int = 0) -> None:
        self._content = content
        self._room = room
        self._files: dict[str, Ingest] = {}
        self._links: dict[str, str] = {}
        self._held = ExitStack()
        self._asked = self._read = 0

    def __enter__(self) -> Intake:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def read(self, source: ByteSource) -> None:
        """Take in the whole stream, decompressed as its first bytes say. Blocks; InvalidArgument when it is damaged."""
        reader = TarReader(Decompressed(source), TarLimits(entries=ENTRY_LIMIT))
        for entry in reader:
            name = tarheader.normalise(entry.path).decode("utf-8", "surrogateescape")
            if entry.kind == tarheader.REGULAR:
                self._store(name, reader)
            elif entry.kind in (tarheader.SYMLINK, tarheader.HARDLINK):
                self._links[name] = _target(name, entry)
        reader.drain()

    def has(self, name: str) -> bool:
        """Whether the archive has a file of this name, through links."""
        return self._find(name) is not None

    def spool(self, name: str) -> Ingest:
        """The file `name`, finished. InvalidArgument when the archive has none."""
        found = self._find(name)
        if found is None:
            raise InvalidArgument(f"invalid archive: it has no file {name!r}")
        return found

    def document(self, name: str, limit: int) -> bytes:
        """The bytes of a small file. InvalidArgument when it is absent or larger than `limit`, and when too much was
        read of the archive."""
        spool = self.spool(name)
        size = spool.finish().size
        if size > limit:
            raise InvalidArgument(f"invalid archive: {name} has {size} bytes, the limit is {limit}")
        self._asked, self._read = self._asked + 1, self._read + size
        if self._asked > DOCUMENTS_LIMIT or self._read > BYTES_LIMIT:
            raise InvalidArgument("invalid archive: its documents name each other too often, or are too large together")
        with spool.open() as file:
            return file.read()

    def _store(self, name: str, reader: TarReader) -> None:
        pieces = reader.data()
        first = next(pieces, memoryview(b""))
        spool = self._held.enter_context(self._content.ingest(self._room if _is_tar(first) else 0))
        spool.write(first)
        for piece in pieces:
            spool.write(piece)
        spool.finish()
        self._files[name] = spool
        self._links.pop(name, None)

    def _find(self, name: str) -> Ingest | None:
        name = posixpath.normpath(name).lstrip("/")
        for _ in range(_LINK_LIMIT):
            if name in self._files:
                return self._files[name]
            if name not in self._links:
                return None
            name = self._links[name]
        return None


def _is_tar(head: memoryview) -> bool:
    """Whether a file that begins so is most likely a plain tar. To be wrong costs time and nothing else."""
    if len(head) < tarheader.BLOCK:
        return False
    try:
        tarheader.parse_header(bytes(head[: tarheader.BLOCK]))
    except InvalidArgument:
        return False
    return True


def _target(name: str, entry: TarEntry) -> str:
    """Where a link leads, by its letters; hard links count from the archive's top."""
    link = entry.link.decode("utf-8", "surrogateescape")
    base = posixpath.dirname(name) if entry.kind == tarheader.SYMLINK else ""
    return posixpath.normpath(posixpath.join(base, link))
