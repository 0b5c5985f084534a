"""What a file tree looks like, as a comparable value, whoever made it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from carrack.storage.tree import Node, Tree


@dataclass(frozen=True)
class Found:
    """One path: ``content`` is a file's digest, a link's target or a device number; ``links`` the other names."""

    mode: int
    uid: int
    gid: int
    mtime: int
    content: str
    links: frozenset[str]
    xattrs: tuple[tuple[str, bytes], ...]


def on_disk(root: str, *, opaque: bool = True) -> dict[str, Found]:
    """The tree below a directory, its root left out; implicit directories' times (0 in layers) must not be compared."""
    inodes: dict[tuple[int, int], list[str]] = {}
    stats: dict[str, os.stat_result] = {}
    for path in _walk(root, ""):
        status = os.lstat(os.path.join(root, path))
        stats[path] = status
        if not stat.S_ISDIR(status.st_mode):
            inodes.setdefault((status.st_dev, status.st_ino), []).append(path)
    found = {}
    for path, status in stats.items():
        full = os.path.join(root, path)
        same = inodes.get((status.st_dev, status.st_ino), [path])
        if stat.S_ISREG(status.st_mode):
            with open(full, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
        elif stat.S_ISLNK(status.st_mode):
            content = os.readlink(full)
        else:
            content = str(status.st_rdev)
        names = os.listxattr(full, follow_symlinks=False)
        xattrs = [(name, os.getxattr(full, name, follow_symlinks=False)) for name in sorted(names)]
        if not opaque:
            xattrs = [item for item in xattrs if not item[0].startswith("trusted.overlay.")]
        found[path] = Found(
            status.st_mode,
            status.st_uid,
            status.st_gid,
            int(status.st_mtime_ns // 10**9),
            "" if stat.S_ISDIR(status.st_mode) else content,
            frozenset(same),
            tuple(xattrs),
        )
    return found


def _walk(root: str, below: str) -> Iterator[str]:
    for name in sorted(os.listdir(os.path.join(root, below))):
        path = f"{below}/{name}" if below else name
        yield path
        if stat.S_ISDIR(os.lstat(os.path.join(root, path)).st_mode):
            yield from _walk(root, path)


def in_memory(tree: Tree, archive: bytes) -> dict[str, Found]:
    """The same of a Tree, with file data taken from its archive."""
    nodes: dict[str, Node] = {}

    def visit(node: Node, below: str) -> None:
        for name, child in (node.children or {}).items():
            path = f"{below}/{os.fsdecode(name)}" if below else os.fsdecode(name)
            nodes[path] = child
            visit(child, path)

    visit(tree.root, "")
    found = {}
    for path, node in nodes.items():
        if stat.S_ISREG(node.mode):
            content = hashlib.sha256(archive[node.offset : node.offset + node.size]).hexdigest()
        elif stat.S_ISLNK(node.mode):
            content = os.fsdecode(node.link)
        else:
            content = str(os.makedev(node.major, node.minor))
        xattrs = {os.fsdecode(name): value for name, value in (node.xattrs or {}).items()}
        if node.opaque:
            xattrs["trusted.overlay.opaque"] = b"y"
        directory = stat.S_ISDIR(node.mode)
        found[path] = Found(
            node.mode,
            node.uid,
            node.gid,
            node.mtime,
            "" if directory else content,
            frozenset([path] if directory else (other for other, same in nodes.items() if same is node)),
            tuple(sorted(xattrs.items())),
        )
    return found
