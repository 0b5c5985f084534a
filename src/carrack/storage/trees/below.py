"""A folder of a tree as a tree of its own."""

from __future__ import annotations

import copy
import posixpath
from collections.abc import Iterator
from typing import TYPE_CHECKING

from carrack.storage.tarheader import TarEntry

if TYPE_CHECKING:
    from carrack.storage.trees.base import Tree


class TreeBelow:
    """See Tree: what is below ``top``, which is no link. The whole tree stays its maker's."""

    def __init__(self, tree: Tree, top: bytes) -> None:
        self._tree = tree
        self._top = top

    def find(self, path: bytes) -> TarEntry | None:
        """See Tree."""
        found = self._tree.find(posixpath.join(self._top, path).rstrip(b"/"))
        return self._called(found, path) if found is not None else None

    def names(self, path: bytes) -> list[bytes]:
        """See Tree."""
        return self._tree.names(posixpath.join(self._top, path).rstrip(b"/"))

    def data(self, entry: TarEntry) -> Iterator[bytes | memoryview]:
        """See Tree."""
        return self._tree.data(self._called(entry, posixpath.join(self._top, entry.path)))

    def digest(self, entry: TarEntry) -> bytes:
        """See Tree."""
        return self._tree.digest(self._called(entry, posixpath.join(self._top, entry.path)))

    def close(self) -> None:
        """See Tree."""

    def _called(self, entry: TarEntry, path: bytes) -> TarEntry:
        other = copy.copy(entry)
        other.path = path
        return other
