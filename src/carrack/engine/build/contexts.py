"""Contexts that are kept for the next build: by their clients' names for them, in memory, their bytes in files.

::

    <root>/<random>        a segment of some tree: see carrack.storage.trees.segments

Nothing outlives the daemon, for after a crash nobody knows whether a file has the bytes that were hashed. A client that
finds its context gone sends it whole. How many are kept is bounded here, how long by the rules of the build cache.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine import pump
from carrack.engine.build import listing
from carrack.errors import InvalidArgument, NotFound
from carrack.model import times
from carrack.storage.compression import Decompressed
from carrack.storage.tar import TarLimits, TarScanner
from carrack.storage.tarheader import HARDLINK, REGULAR, TarEntry, normalise
from carrack.storage.trees.kept import ENTRIES_LIMIT, TreeMaker

if TYPE_CHECKING:
    from collections.abc import AsyncIterable
    from pathlib import Path

    from carrack.storage.tar import ByteSource
    from carrack.storage.trees.kept import KeptEntry, KeptTree

#: seconds that a list of files waits for its bytes, and how many lists may
PATIENCE = 60.0
_WAITING = 16
_LIST_LIMIT = 512 << 20
_LIMITS = TarLimits(entries=ENTRIES_LIMIT)
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Bounds:
    """``trees`` are kept at the most, with ``entries`` files in all of them; ``least`` bytes or ``files`` and more are
    worth keeping."""

    trees: int = 16
    entries: int = 400_000
    least: int = 1 << 18
    files: int = 32


@dataclass(slots=True)
class KeptContext:
    """One that is kept, when it was first, and when it was last used (nanoseconds since 1970), and how often."""

    key: str
    description: str
    tree: KeptTree
    created: int
    last_used: int
    uses: int = 1

    @property
    def id(self) -> str:
        """What it is called where caches are shown."""
        return hashlib.sha256(self.key.encode("utf-8", "surrogateescape")).hexdigest()[:25]


class Contexts:
    """All of one daemon."""

    def __init__(self, root: Path, bounds: Bounds = Bounds()) -> None:
        self._root = root
        self._bounds = bounds
        self._kept: dict[str, KeptContext] = {}
        self._waiting: dict[str, Incoming] = {}

    def sweep(self) -> None:
        """Remove what an earlier daemon has left."""
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._root.iterdir():
            path.unlink()

    def maker(self, key: str) -> TreeMaker:
        """Begin a tree on what is kept under a key, which may be nothing."""
        kept = self._kept.get(key)
        return TreeMaker(self._root, kept.tree if kept is not None and not kept.tree.worn() else None)

    def keep(self, key: str, description: str, tree: KeptTree) -> None:
        """Keep a tree in place of what was kept under its key. It stays its user's too."""
        if not key or (tree.size < self._bounds.least and len(tree.entries) < self._bounds.files):
            return
        before = self._kept.pop(key, None)
        now = times.now()
        made = KeptContext(key, description, tree.hold(), now, now)
        if before is not None:
            made.created, made.uses = before.created, before.uses + 1
            before.tree.close()
        self._kept[key] = made
        self._bound()

    def kept(self) -> list[KeptContext]:
        """All that there are."""
        return list(self._kept.values())

    def remove(self, kept: KeptContext) -> bool:
        """Forget one that no build has just now; whether it is gone."""
        if kept.tree.in_use or self._kept.get(kept.key) is not kept:
            return False
        del self._kept[kept.key]
        kept.tree.close()
        return True

    async def announce(self, key: str, chunks: AsyncIterable[bytes]) -> Incoming:
        """Take in a list of files (see listing); what it ``wanted`` is to come within PATIENCE. Raises
        InvalidArgument."""
        if not key:
            raise InvalidArgument("a list of files needs a key for its context")
        maker = self.maker(key)
        try:
            incoming = await pump.consume(chunks, lambda source: _listed(Incoming(key, maker), source))
        except BaseException:
            maker.discard()
            raise
        while len(self._waiting) >= _WAITING:
            self._forget(next(iter(self._waiting)))
        self._waiting[incoming.id] = incoming
        asyncio.get_running_loop().call_later(PATIENCE, self._forget, incoming.id)
        return incoming

    async def receive(self, identity: str, chunks: AsyncIterable[bytes]) -> KeptTree:
        """The tree of a list, whose bytes are these. Raises NotFound for a list that is not here (any more)."""
        incoming = self._waiting.pop(identity, None)
        if incoming is None:
            raise NotFound(f"no list of files {identity} waits for its files: send the context whole")
        try:
            tree = await pump.consume(chunks, lambda source: incoming.receive(Decompressed(source)))
        except BaseException:
            incoming.maker.discard()
            raise
        self.keep(incoming.key, "local source for context", tree)
        return tree

    def close(self) -> None:
        """Let go of everything."""
        for identity in list(self._waiting):
            self._forget(identity)
        for kept in self.kept():
            del self._kept[kept.key]
            kept.tree.close()

    def _forget(self, identity: str) -> None:
        incoming = self._waiting.pop(identity, None)
        if incoming is not None:
            incoming.maker.discard()

    def _bound(self) -> None:
        """Forget the longest unused of too many; a build that has one goes on with it."""
        while len(self._kept) > 1 and (
            len(self._kept) > self._bounds.trees
            or sum(len(kept.tree.entries) for kept in self._kept.values()) > self._bounds.entries
        ):
            oldest = min(self._kept.values(), key=lambda kept: kept.last_used)
            del self._kept[oldest.key]
            oldest.tree.close()


class Incoming:
    """A list whose files' bytes are still to come. ``wanted``: the numbers, in the list, of those that must."""

    def __init__(self, key: str, maker: TreeMaker) -> None:
        self.id = secrets.token_hex(16)
        self.key = key
        self.maker = maker
        self.wanted: list[int] = []
        self._missing: dict[bytes, KeptEntry] = {}

    def list(self, data: bytes) -> None:
        """Take in the list. Raises InvalidArgument."""
        for number, (path, mark, target) in enumerate(listing.rows(data)):
            if mark.startswith(HARDLINK):
                self.maker.link(_as_file(listing.entry(path, mark, b"")), target)
            elif not self.maker.taken(path, mark):
                entry = listing.entry(path, mark, target)
                self.maker.add(entry)
                if entry.kind == REGULAR and entry.size:
                    self.wanted.append(number)
                    self._missing[path] = entry

    def receive(self, source: ByteSource) -> KeptTree:
        """The tree, with the files of a tar. Raises InvalidArgument for files that were not wanted, or did not come."""
        scanner = TarScanner(_LIMITS)
        buffer = memoryview(bytearray(_PIECE))
        open_one = False
        while count := source.readinto(buffer) or 0:
            for event in scanner.scan(buffer[:count]):
                if not isinstance(event, TarEntry):
                    self.maker.more(event)
                    continue
                if open_one:
                    self.maker.end()
                self.maker.begin(self._take(event))
                open_one = True
        scanner.finish()
        if open_one:
            self.maker.end()
        if self._missing:
            raise InvalidArgument(f"{next(iter(self._missing))!r} was listed, and did not come with the context")
        return self.maker.finish()

    def _take(self, came: TarEntry) -> KeptEntry:
        entry = self._missing.pop(normalise(came.path), None)
        if entry is None or came.kind != REGULAR:
            raise InvalidArgument(f"{came.path!r} came with the context, and was not wanted")
        entry.mark = entry.mark if entry.size == came.size else b""
        return entry


def _listed(incoming: Incoming, source: ByteSource) -> Incoming:
    data = bytearray()
    buffer = memoryview(bytearray(_PIECE))
    while count := source.readinto(buffer) or 0:
        data += buffer[:count]
        if len(data) > _LIST_LIMIT:
            raise InvalidArgument(f"the list of files is larger than {_LIST_LIMIT} bytes")
    incoming.list(bytes(data))
    return incoming


def _as_file(entry: KeptEntry) -> KeptEntry:
    entry.kind = REGULAR
    return entry
