"""A layer made straight out of trees: what COPY, ADD and WORKDIR do, without ever unpacking anything.

``base`` is the tree that the layer will lie on: it says where a destination leads through links, and which folders are
there already. What is put is collected by path and written sorted, so that the same files give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from carrack.errors import InvalidArgument
from carrack.storage import tarwriter
from carrack.storage.tarheader import BLOCK, DIRECTORY, HARDLINK, REGULAR, TarEntry
from carrack.storage.tarwriter import SMALL, Write, small_file
from carrack.storage.trees.base import Tree, follow
from carrack.storage.trees.picking import Picked

#: the permissions that something gets: of those it has, and whether it is a folder
Mode = Callable[[int, bool], int]


@dataclass(frozen=True, slots=True)
class Looks:
    """How what is put looks: as whom (None: as in its source), with which permissions (None likewise; a function of the
    mode it has and whether it is a folder), and no newer than ``newest`` (seconds since 1970). ``made``: the
    permissions of folders that are made on the way."""

    owner: tuple[int, int] | None = (0, 0)
    mode: Mode | None = None
    newest: int | None = None
    made: int = 0o755


@dataclass(slots=True)
class _Item:
    """One entry of the layer: attributes, and where its bytes come from."""

    entry: TarEntry
    uid: int
    gid: int
    mode: int
    mtime: int
    tree: Tree | None = None
    content: bytes = b""
    put: int = 0

    def identity(self) -> tuple[int, ...] | None:
        """What two names of one file have in common when both were put at once and look the same; None: it has one."""
        entry = self.entry
        if entry.kind != REGULAR or not entry.size or entry.offset < 0 or not self.put:
            return None
        return (self.put, entry.offset, self.uid, self.gid, self.mode, self.mtime)


@dataclass(slots=True)
class LayerMaker:
    """Put things, then ``write`` once. ``now`` (seconds) is the time of folders made on the way."""

    base: Tree
    now: int
    _items: dict[bytes, _Item] = field(default_factory=dict)
    _puts: int = 0
    _fresh: set[bytes] = field(default_factory=set)  # folders that the base has not, and so nothing in them

    def destination(self, path: str) -> bytes:
        """Where an absolute path of the stage leads, links of the base followed."""
        return follow(self.base, os.fsencode(path))

    def is_folder(self, place: bytes) -> bool:
        """Whether there is a folder, in the base or among what was put."""
        entry = self._there(place)
        return entry is not None and entry.kind == DIRECTORY

    def folder(self, place: bytes, looks: Looks) -> None:
        """Make a folder with its parents; one that is there stays as it is."""
        parts = [part for part in place.split(b"/") if part]
        for count in range(len(parts) + 1):
            self._step(b"/".join(parts[:count]), looks)

    def put(self, tree: Tree, picked: Iterable[Picked], place: bytes, looks: Looks) -> None:
        """Put what was picked below ``place``, which is a folder or becomes one with the looks of those made for it.
        A folder that is put onto one takes its looks. Names of one file stay so among what is put at once. Raises
        InvalidArgument where a file and a folder meet."""
        self._puts += 1
        self.folder(place, looks)
        for each in picked:
            if each.name:
                self._put(tree, each.entry, posixpath.join(place, each.name), looks, several=True)

    def put_file(self, tree: Tree, entry: TarEntry, place: bytes, looks: Looks) -> None:
        """Put one file (or link, or device) at exactly ``place``."""
        self.folder(place.rpartition(b"/")[0], looks)
        self._put(tree, entry, place, looks)

    def put_bytes(
        self, content: bytes, place: bytes, looks: Looks, mode: int = 0o644, mtime: int | None = None
    ) -> None:
        """Put a file of the given bytes."""
        self.folder(place.rpartition(b"/")[0], looks)
        entry = TarEntry(place, REGULAR, mode)
        entry.size, entry.mtime = len(content), self.now if mtime is None else mtime
        self._put(None, entry, place, looks, content)

    def unpack(self, tree: Tree, entries: Iterable[TarEntry], place: bytes, looks: Looks) -> None:
        """Put the contents of an archive below ``place``; its entries' parents may be links of the base."""
        self._puts += 1
        self.folder(place, looks)
        leads: dict[bytes, bytes] = {}
        for entry in entries:
            above, _, name = posixpath.join(place, entry.path).rpartition(b"/")
            if above not in leads:
                leads[above] = follow(self.base, above)
            target = posixpath.join(leads[above], name)
            self.folder(leads[above], looks)
            self._put(tree, entry, target, looks, several=True)

    def write(self, write: Write) -> int:
        """Write the layer's tar; returns how many entries it has."""
        count = 0
        known: dict[tuple[int, ...], bytes] = {}
        for place in sorted(self._items, key=lambda path: path.split(b"/")):
            item = self._items[place]
            if not place and not self._rooted(item):
                continue
            identity = item.identity()
            first = place if identity is None else known.setdefault(identity, place)
            if first != place:
                write(tarwriter.header(place, HARDLINK, item.mode, uid=item.uid, gid=item.gid, link=first))
            else:
                self._write_item(write, place, item)
            count += 1
        tarwriter.finish(write)
        return count

    def _rooted(self, item: _Item) -> bool:
        """Whether the root's own looks were changed, and so belong into the layer."""
        return item.tree is not None

    def _write_item(self, write: Write, place: bytes, item: _Item) -> None:
        entry = item.entry
        if entry.kind == REGULAR and entry.size <= SMALL and not entry.xattrs and not entry.link:
            data = b"".join(item.tree.data(entry)) if item.tree is not None and entry.size else item.content
            write(small_file(place, item.mode, item.uid, item.gid, data, item.mtime))
            return
        name = place + b"/" if entry.kind == DIRECTORY else place
        head = tarwriter.header(
            name or b"./", entry.kind, item.mode, uid=item.uid, gid=item.gid, size=entry.size, mtime=item.mtime,
            link=entry.link, major=entry.major, minor=entry.minor, xattrs=entry.xattrs,
        )  # fmt: skip
        write(head)
        if entry.kind != REGULAR or not entry.size:
            return
        if item.tree is None:
            write(item.content)
        else:
            for piece in item.tree.data(entry):
                write(piece)
        if entry.size % BLOCK:
            write(tarwriter.padding(entry.size))

    def _step(self, place: bytes, looks: Looks) -> None:
        if place in self._items:
            if self._items[place].entry.kind != DIRECTORY:
                raise InvalidArgument(f"cannot copy to non-directory: /{os.fsdecode(place)}")
            return
        present = self.base.find(place)
        if present is not None and present.kind == DIRECTORY:
            item = _Item(present, present.uid, present.gid, present.mode, present.mtime)
        elif present is not None:
            raise InvalidArgument(f"cannot copy to non-directory: /{os.fsdecode(place)}")
        else:
            uid, gid = looks.owner or (0, 0)
            item = _Item(TarEntry(place, DIRECTORY, looks.made), uid, gid, looks.made, self.now)
            self._fresh.add(place)
        self._items[place] = item

    def _put(
        self,
        tree: Tree | None,
        entry: TarEntry,
        place: bytes,
        looks: Looks,
        content: bytes = b"",
        *,
        several: bool = False,
    ) -> None:
        folder = entry.kind == DIRECTORY
        there = self._there(place)
        if there is None and folder:
            self._fresh.add(place)
        if there is not None and folder != (there.kind == DIRECTORY):
            what = "directory with non-directory" if not folder else "non-directory with directory"
            raise InvalidArgument(f"cannot overwrite {what}: /{os.fsdecode(place)}")
        uid, gid = looks.owner or (entry.uid, entry.gid)
        mode = looks.mode(entry.mode, folder) if looks.mode else entry.mode
        mtime = entry.mtime if looks.newest is None else min(entry.mtime, looks.newest)
        self._items[place] = _Item(entry, uid, gid, mode, mtime, tree, content, self._puts if several else 0)

    def _there(self, place: bytes) -> TarEntry | None:
        """What is there, in the base or among what was put; the base is asked only where it may have something."""
        item = self._items.get(place)
        if item is not None:
            return item.entry
        return None if place.rpartition(b"/")[0] in self._fresh else self.base.find(place)


class EmptyTree:
    """See Tree: nothing, not even a root; what ``scratch`` and linked copies lie on."""

    def find(self, path: bytes) -> TarEntry | None:
        """See Tree."""
        return None if path else TarEntry(b"", DIRECTORY, 0o755)

    def names(self, path: bytes) -> list[bytes]:
        """See Tree."""
        return []

    def data(self, entry: TarEntry) -> Iterator[bytes | memoryview]:
        """See Tree."""
        return iter(())

    def digest(self, entry: TarEntry) -> bytes:
        """See Tree."""
        raise FileNotFoundError(os.fsdecode(entry.path))

    def close(self) -> None:
        """See Tree."""


def content_digest(groups: Iterable[tuple[Tree, Iterable[Picked]]], extra: Mapping[str, bytes] | None = None) -> str:
    """One digest of all that was picked: names, kinds, permissions, owners, links, attributes and contents, not times.

    ``extra`` are files by name that are in no tree. The order of ``groups`` counts.
    """
    total = hashlib.sha256()
    for tree, picked in groups:
        total.update(b"group\0")
        for each in picked:
            entry = each.entry
            words = (entry.kind, b"%o" % entry.mode, b"%d:%d" % (entry.uid, entry.gid), entry.link)
            total.update(b"\0".join((each.name, *words, b"%d:%d" % (entry.major, entry.minor))))
            for key, value in sorted((entry.xattrs or {}).items()):
                total.update(b"\0%b=%d:%b" % (key, len(value), value))
            total.update(b"\0" + (tree.digest(entry) if entry.kind == REGULAR else b"") + b"\n")
    for name, data in sorted((extra or {}).items()):
        total.update(b"inline\0%b\0%b\n" % (os.fsencode(name), hashlib.sha256(data).digest()))
    return f"sha256:{total.hexdigest()}"
