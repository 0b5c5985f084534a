"""A whole tree as a tar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.storage import tarwriter
from carrack.storage.tarheader import BLOCK, DIRECTORY, HARDLINK, REGULAR, TarEntry
from carrack.storage.trees.base import walk

if TYPE_CHECKING:
    from carrack.storage.tarwriter import Write
    from carrack.storage.trees.base import Tree


def write_tree(tree: Tree, write: Write, newest: int | None = None) -> None:
    """All its files, parents first, in byte order; none of a time after ``newest`` (seconds since 1970)."""
    first: dict[int, bytes] = {}
    for entry in walk(tree, b""):
        several = entry.kind == REGULAR and entry.size and entry.offset > 0
        known = first.setdefault(entry.offset, entry.path) if several else entry.path
        if known == entry.path:
            write_entry(tree, entry, write, newest)
        else:
            write(tarwriter.header(entry.path, HARDLINK, entry.mode, link=known))
    tarwriter.finish(write)


def write_entry(tree: Tree, entry: TarEntry, write: Write, newest: int | None = None) -> None:
    """One of them, with its bytes."""
    name = entry.path + b"/" if entry.kind == DIRECTORY else entry.path
    mtime = entry.mtime if newest is None else min(entry.mtime, newest)
    head = tarwriter.header(
        name, entry.kind, entry.mode, uid=entry.uid, gid=entry.gid, size=entry.size, mtime=mtime, link=entry.link,
        major=entry.major, minor=entry.minor, xattrs=entry.xattrs,
    )  # fmt: skip
    write(head)
    if entry.kind == REGULAR and entry.size:
        for piece in tree.data(entry):
            write(piece)
        if entry.size % BLOCK:
            write(tarwriter.padding(entry.size))
