"""What a tree is: read-only files by their paths, nothing ever resolved through links by the kernel.

Paths are bytes relative to the root (``b""``), without ``.``, ``..`` and doubled slashes. An entry is a ``TarEntry``
whose ``path`` is so and whose hard links have become files: those of one file, and no others of the tree, have the same
``offset``, where they have a size; -1 is of files with one name. All methods block.
"""

from __future__ import annotations

import errno
import os
import posixpath
from collections.abc import Iterator
from typing import Protocol

from carrack.storage.tarheader import DIRECTORY, SYMLINK, TarEntry

LINK_LIMIT = 40


class Tree(Protocol):
    """One tree. ``close`` lets go of what it holds; nothing else may be called then."""

    def find(self, path: bytes) -> TarEntry | None:
        """What is there, a link itself; None for nothing."""
        ...

    def names(self, path: bytes) -> list[bytes]:
        """The names in a folder, in byte order; none for what is no folder."""
        ...

    def data(self, entry: TarEntry) -> Iterator[bytes | memoryview]:
        """The bytes of a regular file: exactly ``entry.size`` of them, in pieces valid until the next. OSError."""
        ...

    def digest(self, entry: TarEntry) -> bytes:
        """The sha256 of these bytes."""
        ...

    def close(self) -> None: ...


def follow(tree: Tree, path: bytes) -> bytes:
    """Where a path leads with all links followed inside the tree, the last one too; names that are not there stay.

    Raises OSError (ELOOP) after LINK_LIMIT links.
    """
    done: list[bytes] = []
    todo = [part for part in reversed(path.split(b"/")) if part]
    hops = 0
    while todo:
        part = todo.pop()
        if part in (b".", b".."):
            del done[len(done) - 1 if part == b".." and done else len(done) :]
            continue
        entry = tree.find(b"/".join((*done, part)))
        if entry is None or entry.kind != SYMLINK:
            done.append(part)
            continue
        hops += 1
        if hops > LINK_LIMIT:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), os.fsdecode(path))
        if entry.link.startswith(b"/"):
            done = []
        todo += [piece for piece in reversed(entry.link.split(b"/")) if piece]
    return b"/".join(done)


def walk(tree: Tree, top: bytes) -> Iterator[TarEntry]:
    """All below a folder, parents first, in byte order of each folder; without the folder itself."""
    waiting = [iter(tree.names(top))]
    above = [top]
    while waiting:
        name = next(waiting[-1], None)
        if name is None:
            waiting.pop()
            above.pop()
            continue
        path = posixpath.join(above[-1], name)
        entry = tree.find(path)
        if entry is None:
            continue
        yield entry
        if entry.kind == DIRECTORY:
            waiting.append(iter(tree.names(path)))
            above.append(path)
