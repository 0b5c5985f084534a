"""The difference of two trees as a layer: put onto the files of the one, it gives those of the other."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from carrack.storage import tarwriter
from carrack.storage.tarheader import DIRECTORY, REGULAR, TarEntry
from carrack.storage.trees.archive import write_entry

if TYPE_CHECKING:
    from carrack.storage.tarwriter import Write
    from carrack.storage.trees.base import Tree

_GONE = b".wh."


def write_changes(below: Tree, tree: Tree, write: Write) -> None:
    """Write what lies in ``tree`` and not so in ``below``, and what is gone from there; parents first."""
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        inner = []
        for name in sorted({*below.names(folder), *tree.names(folder)}):
            path = posixpath.join(folder, name)
            old, new = below.find(path), tree.find(path)
            if new is None:
                if old is not None:
                    gone = TarEntry(posixpath.join(folder, _GONE + name), REGULAR, 0o600)
                    write_entry(tree, gone, write)
                continue
            if old is None or not _same(below, old, tree, new):
                write_entry(tree, new, write)
            if new.kind == DIRECTORY:
                inner.append(path)
        waiting += reversed(inner)
    tarwriter.finish(write)


def _same(below: Tree, old: TarEntry, tree: Tree, new: TarEntry) -> bool:
    return _looks(old) == _looks(new) and (new.kind != REGULAR or below.digest(old) == tree.digest(new))


def _looks(entry: TarEntry) -> tuple[object, ...]:
    return (
        entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, entry.size, entry.link, entry.major, entry.minor,
        entry.xattrs,
    )  # fmt: skip
