"""Several trees as one: each in a folder of its own at the top, or one at the top itself; and small files beside."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from carrack.storage.tarheader import DIRECTORY, REGULAR, TarEntry

if TYPE_CHECKING:
    from carrack.storage.trees.base import Tree


class JoinedTree:
    """See Tree. ``trees`` by folder ("" for the top, if it is the only one) stay their maker's; ``files`` by path, of
    which the folder is a tree's, go before those of the trees. ``moment``: seconds since 1970, of what is made here."""

    def __init__(self, trees: Mapping[bytes, Tree], files: Mapping[bytes, bytes], moment: int) -> None:
        self._trees = dict(trees)
        self._order = list(trees)
        self._files = dict(files)
        self._moment = moment

    def find(self, path: bytes) -> TarEntry | None:
        """See Tree."""
        if path in self._files:
            return self._made(path, REGULAR, 0o644, len(self._files[path]))
        if not path or path in self._trees:
            return self._made(path, DIRECTORY, 0o755, 0)
        folder, inside = self._place(path)
        tree = self._trees.get(folder)
        found = tree.find(inside) if tree is not None else None
        if found is None:
            return None
        entry = copy.copy(found)
        entry.path = path
        if entry.offset > 0:  # what tells hard links of one tree must not be another's
            entry.offset = entry.offset * len(self._order) + self._order.index(folder)
        return entry

    def names(self, path: bytes) -> list[bytes]:
        """See Tree."""
        found = {name for name in (self._below(path, each) for each in (*self._files, *self._trees)) if name}
        folder, inside = self._place(path)
        if folder in self._trees:
            found |= set(self._trees[folder].names(inside))
        return sorted(found)

    def data(self, entry: TarEntry) -> Iterator[bytes | memoryview]:
        """See Tree."""
        if entry.path in self._files:
            yield self._files[entry.path]
            return
        tree, inner = self._inner(entry)
        yield from tree.data(inner)

    def digest(self, entry: TarEntry) -> bytes:
        """See Tree."""
        if entry.path in self._files:
            return hashlib.sha256(self._files[entry.path]).digest()
        tree, inner = self._inner(entry)
        return tree.digest(inner)

    def close(self) -> None:
        """See Tree."""

    def _inner(self, entry: TarEntry) -> tuple[Tree, TarEntry]:
        folder, inside = self._place(entry.path)
        inner = copy.copy(entry)
        inner.path = inside
        if inner.offset > 0:
            inner.offset //= len(self._order)
        return self._trees[folder], inner

    def _place(self, path: bytes) -> tuple[bytes, bytes]:
        """The folder of a path, and the path inside it."""
        if b"" in self._trees:
            return b"", path
        folder, _, inside = path.partition(b"/")
        return folder, inside

    def _made(self, path: bytes, kind: bytes, mode: int, size: int) -> TarEntry:
        entry = TarEntry(path, kind, mode)
        entry.size, entry.mtime, entry.offset = size, self._moment, -1
        return entry

    @staticmethod
    def _below(path: bytes, other: bytes) -> bytes:
        """The name directly below a folder that leads to another path; nothing for one elsewhere."""
        top = path + b"/" if path else b""
        return other.removeprefix(top).partition(b"/")[0] if other.startswith(top) and other != path else b""
