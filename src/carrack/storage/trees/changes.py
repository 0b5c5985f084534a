"""The difference of two trees as a layer: put onto the files of the one, it gives those of the other."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from carrack.storage import tarwriter
from carrack.storage.tarheader import DIRECTORY, REGULAR, TarEntry
from carrack.storage.trees.archive import write_entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carrack.storage.tarwriter import Write
    from carrack.storage.trees.base import Tree

_GONE = b".wh."


def write_changes(below: Tree, tree: Tree, write: Write) -> None:
    """Write what lies in ``tree`` and not so in ``below``, and what is gone from there; parents first."""
    for path, old, new in _pairs(below, tree):
        if new is None:
            folder, name = posixpath.split(path)
            write_entry(tree, TarEntry(posixpath.join(folder, _GONE + name), REGULAR, 0o600), write)
        elif old is None or not _same(below, old, tree, new):
            write_entry(tree, new, write)
    tarwriter.finish(write)


def first_change(old: Tree, new: Tree) -> tuple[bytes, str] | None:
    """The first path in which two trees differ in more than times, and how; None when they do in nothing."""
    for path, before, after in _pairs(old, new):
        if how := _change(old, before, new, after):
            return path, how
    return None


def _pairs(old: Tree, new: Tree) -> Iterator[tuple[bytes, TarEntry | None, TarEntry | None]]:
    """What either has by each path, not below folders that are gone; all names of a folder before what is in them."""
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        inner = []
        for name in sorted({*old.names(folder), *new.names(folder)}):
            path = posixpath.join(folder, name)
            before, after = old.find(path), new.find(path)
            if before is not None or after is not None:
                yield path, before, after
            if after is not None and after.kind == DIRECTORY:
                inner.append(path)
        waiting += reversed(inner)


def _change(old: Tree, before: TarEntry | None, new: Tree, after: TarEntry | None) -> str:
    if before is None or after is None:
        return "is new" if before is None else "is gone"
    if before.kind != after.kind:
        return "is of another kind"
    if after.kind == REGULAR and (before.size != after.size or old.digest(before) != new.digest(after)):
        return "has other contents"
    if before.link != after.link:
        return "leads elsewhere"
    if before.mode != after.mode:
        return f"had the mode {before.mode:o}, has {after.mode:o}"
    if (before.uid, before.gid) != (after.uid, after.gid):
        return f"was owned by {before.uid}:{before.gid}, is by {after.uid}:{after.gid}"
    same = (before.xattrs, before.major, before.minor) == (after.xattrs, after.major, after.minor)
    return "" if same else "has other attributes"


def _same(below: Tree, old: TarEntry, tree: Tree, new: TarEntry) -> bool:
    return _looks(old) == _looks(new) and (new.kind != REGULAR or below.digest(old) == tree.digest(new))


def _looks(entry: TarEntry) -> tuple[object, ...]:
    return (
        entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, entry.size, entry.link, entry.major, entry.minor,
        entry.xattrs,
    )  # fmt: skip
