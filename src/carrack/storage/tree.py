"""The file tree that a layer's tar describes, kept in memory.

A layer that is not unpacked still needs the outcome that unpacking would have: the last entry of a name wins, a
directory over a directory keeps its children, a parent that is a symbolic link is followed inside the root, hard
links share one inode, whiteouts hide what lower layers have. This module computes that outcome; it touches no disk.

Whiteouts (OCI image-spec, "Representing Changes") speak of *lower* layers only: ``.wh.x`` never removes an ``x`` of
its own layer, wherever in the archive it stands.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from carrack.storage.tarheader import (
    BLOCK_DEVICE,
    CHARACTER,
    DIRECTORY,
    FIFO,
    HARDLINK,
    REGULAR,
    SYMLINK,
    TarEntry,
    TarError,
    normalise,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carrack.storage.tarsparse import Sparse

_FORMATS: Final = {
    REGULAR: stat.S_IFREG,
    SYMLINK: stat.S_IFLNK,
    CHARACTER: stat.S_IFCHR,
    BLOCK_DEVICE: stat.S_IFBLK,
    DIRECTORY: stat.S_IFDIR,
    FIFO: stat.S_IFIFO,
}
_IMPLICIT_MODE = stat.S_IFDIR | 0o755
_MAX_HOPS = 40  # as the kernel follows symbolic links, path_resolution(7)
_MAX_DEPTH = 2048  # a path of PATH_MAX bytes cannot be deeper
WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
_RESERVED = b".wh..wh."  # AUFS's own files: of no meaning outside AUFS


class Node:
    """One inode. ``children`` is None unless a directory; ``offset`` is where a regular file's data starts in the tar,
    ``sparse`` where in the file it belongs (None: it is the file); ``link`` a symbolic link's target. ``implicit``
    marks a directory that no entry describes; ``opaque`` one that hides what lower layers have in it. ``nid`` and
    ``links`` belong to the image writer."""

    __slots__ = (
        "children",
        "gid",
        "implicit",
        "link",
        "links",
        "major",
        "minor",
        "mode",
        "mtime",
        "mtime_ns",
        "nid",
        "offset",
        "opaque",
        "size",
        "sparse",
        "uid",
        "xattrs",
    )

    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.uid = self.gid = self.size = self.mtime = self.mtime_ns = self.major = self.minor = self.offset = 0
        self.link = b""
        self.xattrs: dict[bytes, bytes] | None = None
        self.sparse: Sparse | None = None
        self.children: dict[bytes, Node] | None = {} if stat.S_ISDIR(mode) else None
        self.implicit = self.opaque = False
        self.nid = -1
        self.links = 0

    @property
    def is_whiteout(self) -> bool:
        """Whether it is what overlayfs takes for a whiteout: a character device 0:0."""
        return stat.S_ISCHR(self.mode) and not self.major and not self.minor


class Tree:
    """Add the entries in the archive's order; then read ``root``, ``opaque_root`` and ``implicit_paths``. ``sparse``:
    the files with holes that it has, or had."""

    def __init__(self) -> None:
        self.root = _implicit_directory()
        self.sparse: list[Node] = []
        # path → directory; whole-sale forgotten when a directory or link is replaced, which keeps it honest and is
        # paid for by the entries that filled it
        self._resolved: dict[bytes, Node] = {b"": self.root}
        self._any_implicit = False
        self._any_whiteout = False

    def add(self, entry: TarEntry) -> bool:
        """Apply one entry; False when it describes no file of this layer (a whiteout, AUFS's own files).

        TarError when it cannot be: a parent is a file, a hard link leads nowhere, bad whiteouts.
        """
        path = normalise(entry.path)
        if not path:
            self._describe_root(entry)
            return True
        parent_path, _, name = path.rpartition(b"/")
        if WHITEOUT in path and self._is_whiteout(parent_path, name):
            return False
        parent = self._resolved.get(parent_path) or self._directory(parent_path)
        if entry.kind == HARDLINK:
            node = self._link_target(entry)
            if _children(parent).get(name) is not node:
                self._place(parent, name, node)
            return True
        children = _children(parent)
        node = _node(entry)
        if node.sparse is not None:
            self.sparse.append(node)
        if node.is_whiteout:  # written in overlayfs's own way
            self._any_whiteout = True
        if name in children:
            self._place(parent, name, node)
        else:
            children[name] = node
        return True

    def folder(self, path: bytes) -> dict[bytes, Node]:
        """What is in a directory, to put plain files there; of what it has, only a whiteout may go for one."""
        return _children(self._directory(path))

    def implicit_paths(self) -> list[bytes]:
        """Directories that exist only because something in them does (not the root), parents first."""
        if not self._any_implicit:
            return []
        return [path for path, node in self.directories() if node.implicit and path]

    def settle_whiteouts(self) -> list[bytes]:
        """Once all entries are there: drop whiteouts in opaque directories, where nothing is left to hide (overlayfs
        would list their names), and return the directories that still have some (not the root)."""
        found: list[bytes] = []
        todo = [(b"", self.root, self.root.opaque)] if self._any_whiteout else []
        while todo:
            path, node, covered = todo.pop()
            children = _children(node)
            whiteouts = [name for name, child in children.items() if child.is_whiteout]
            if covered:
                for name in whiteouts:
                    del children[name]
            elif whiteouts and path:
                found.append(path)
            prefix = path + b"/" if path else b""
            for name, child in children.items():
                if child.children is not None:
                    todo.append((prefix + name, child, covered or child.opaque))
        return sorted(found)

    def real_path(self, path: bytes) -> bytes:
        """Where the directory at a path is once its symbolic links are followed; it is made when missing."""
        found = self._walk(path, create=True)
        assert found is not None
        return b"/".join(found[1])

    def directories(self) -> Iterator[tuple[bytes, Node]]:
        """Every directory with its path (the root is ``b""``), parents first."""
        todo = [(b"", self.root)]
        while todo:
            path, node = todo.pop()
            yield path, node
            prefix = path + b"/" if path else b""
            todo += [(prefix + name, child) for name, child in _children(node).items() if child.children is not None]

    def _describe_root(self, entry: TarEntry) -> None:
        if entry.kind != DIRECTORY:
            raise TarError("the root of the archive is not a directory")
        _describe(self.root, _node(entry))

    def _is_whiteout(self, parent_path: bytes, name: bytes) -> bool:
        """Handle the entry if its name is a whiteout's or reserved."""
        for part in parent_path.split(b"/"):
            if part.startswith(_RESERVED):
                return True
            if part.startswith(WHITEOUT):
                raise TarError(f"entry below a whiteout: {parent_path + b'/' + name!r}")
        if not name.startswith(WHITEOUT):
            return False
        if name == OPAQUE:
            self._directory(parent_path).opaque = True
        elif not name.startswith(_RESERVED):
            self._hide(self._directory(parent_path), name[len(WHITEOUT) :])
        return True

    def _hide(self, parent: Node, name: bytes) -> None:
        if name in (b"", b".", b".."):
            raise TarError(f"whiteout of {name!r}")
        children = _children(parent)
        present = children.get(name)
        if present is None:
            children[name] = Node(stat.S_IFCHR)
            self._any_whiteout = True
        elif present.children is not None:
            present.opaque = True  # the lower one goes, with its attributes
            present.implicit = False

    def _place(self, parent: Node, name: bytes, node: Node) -> None:
        """Put a node where another one may be."""
        children = _children(parent)
        old = children.get(name)
        if old is None:
            children[name] = node
        elif old.children is not None and node.children is not None:
            _describe(old, node)
        else:
            if stat.S_ISDIR(old.mode) or stat.S_ISLNK(old.mode):
                self._resolved = {b"": self.root}
            if node.children is not None:
                node.opaque = True  # what was there, here or below, has been replaced once
            children[name] = node

    def _link_target(self, entry: TarEntry) -> Node:
        path = normalise(entry.link)
        parent_path, _, name = path.rpartition(b"/")
        parent = self._resolved.get(parent_path)
        if parent is None and (found := self._walk(parent_path, create=False)):
            parent = found[0]
        node = _children(parent).get(name) if parent else None
        if node is None or node.is_whiteout:
            told = "which this layer does not contain: put both names into one layer"
            raise TarError(f"hard link {entry.path!r} to {entry.link!r}, {told}")
        if node.children is not None:
            raise TarError(f"hard link {entry.path!r} to a directory: {entry.link!r}")
        return node

    def _directory(self, path: bytes) -> Node:
        node = self._resolved.get(path)
        if node is None:
            found = self._walk(path, create=True)
            assert found is not None
            node = self._resolved[path] = found[0]
        return node

    def _walk(self, path: bytes, *, create: bool) -> tuple[Node, list[bytes]] | None:
        """The directory at a path, symbolic links followed inside the root, and its real path.

        None if it is missing and not to be made.
        """
        stack, names = [self.root], list[bytes]()
        todo = path.split(b"/")[::-1]
        hops = 0
        while todo:
            name = todo.pop()
            if name in (b"", b"."):
                continue
            if name == b"..":
                if names:
                    stack.pop()
                    names.pop()
                continue
            child = self._step(stack[-1], name, create)
            if child is None:
                return None
            if stat.S_ISLNK(child.mode):
                hops += 1
                if hops > _MAX_HOPS:
                    raise TarError(f"too many symbolic links in {path!r}")
                if child.link[:1] == b"/":
                    del stack[1:], names[:]
                todo += child.link.split(b"/")[::-1]
            elif child.children is None:
                raise TarError(f"{name!r} in {path!r} is not a directory")
            else:
                stack.append(child)
                names.append(name)
                if len(names) > _MAX_DEPTH:
                    raise TarError(f"directories nested deeper than {_MAX_DEPTH}: {path[:60]!r}…")
        return stack[-1], names

    def _step(self, directory: Node, name: bytes, create: bool) -> Node | None:
        children = _children(directory)
        child = children.get(name)
        if child is not None and not child.is_whiteout:
            return child
        if not create:
            return None
        if len(name) > 255:  # only a link's target can bring one here
            raise TarError(f"name with a component over 255 bytes: {name[:60]!r}…")
        made = _implicit_directory()
        if child is not None:
            made.opaque, made.implicit = True, False
        self._any_implicit = True
        children[name] = made
        return made


def is_whiteout_device(entry: TarEntry) -> bool:
    """Whether an entry is a whiteout as overlayfs has them, and not by its name."""
    return entry.kind == CHARACTER and not entry.major and not entry.minor


def _implicit_directory() -> Node:
    node = Node(_IMPLICIT_MODE)
    node.implicit = True
    return node


def _children(node: Node) -> dict[bytes, Node]:
    assert node.children is not None
    return node.children


def _describe(directory: Node, wanted: Node) -> None:
    """Give a directory that exists the attributes of a later entry."""
    directory.mode, directory.uid, directory.gid = wanted.mode, wanted.uid, wanted.gid
    directory.mtime, directory.mtime_ns, directory.xattrs = wanted.mtime, wanted.mtime_ns, wanted.xattrs
    directory.implicit = False


def _node(entry: TarEntry) -> Node:
    kind = entry.kind
    node = Node(_FORMATS[kind] | entry.mode)
    node.uid, node.gid = entry.uid, entry.gid
    node.mtime, node.mtime_ns, node.xattrs = entry.mtime, entry.mtime_ns, entry.xattrs
    if kind == REGULAR:
        node.size, node.offset, node.sparse = entry.size, entry.offset, entry.sparse
    elif kind == SYMLINK:
        if not entry.link:
            raise TarError(f"symbolic link {entry.path!r} without a target")
        node.mode = stat.S_IFLNK | 0o777
        node.link, node.size = entry.link, len(entry.link)
    elif kind in (CHARACTER, BLOCK_DEVICE):
        node.major, node.minor = entry.major, entry.minor
    return node
