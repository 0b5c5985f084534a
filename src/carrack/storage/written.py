"""What a tar that is being written says, known without reading it again: see Tree.

The bytes are followed by the reader of tars, as those of a tar from elsewhere are, so that both come to the same; only
small files, which are most, are put in their place at once.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from carrack.storage.tar import LAYER, TarLimits, TarScanner
from carrack.storage.tarheader import BLOCK
from carrack.storage.tree import Node, Tree

if TYPE_CHECKING:
    import os

    from carrack.storage.tarwriter import Write


class Written:
    """Tell it of all bytes in their order, by ``before`` or ``small_file``; at the end call ``finish``."""

    def __init__(self, limits: TarLimits = LAYER) -> None:
        self._scanner = TarScanner(limits)
        self._tree = Tree()
        self._prefix: bytes | None = None
        self._folder: dict[bytes, Node] = {}

    def before(self, write: Write) -> Write:
        """A ``write`` that tells of what it is given."""

        def both(data: bytes | memoryview) -> None:
            write(data)
            for entry in self._scanner.entries(data):
                self._tree.add(entry)

        return both

    def small_file(self, prefix: bytes, name: bytes, found: os.stat_result, mtime: int, length: int) -> None:
        """``length`` bytes have been written of a regular file without links and attributes, whose name means nothing
        else in a layer. ``prefix``: the path of its directory, which has been written before, and a slash. TarError."""
        if prefix is not self._prefix:
            self._prefix, self._folder = prefix, self._tree.folder(prefix[:-1])
        size = found.st_size
        node = Node(stat.S_IFREG | found.st_mode & 0o7777)
        node.uid, node.gid, node.size, node.mtime = found.st_uid, found.st_gid, size, mtime
        node.offset = self._scanner.member(len(prefix) + len(name), length) - size - (-size % BLOCK)
        self._folder[name] = node

    def finish(self) -> Tree:
        """What the tar says. TarError."""
        self._scanner.finish()
        return self._tree
