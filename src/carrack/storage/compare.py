"""How the files of two images differ: what was added, removed and changed, and what of it changed.

Times alone make no difference: two builds of one source differ in all of them. Values in, a document out.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from carrack.storage.explain import Digests, text
from carrack.storage.merged import Merged, Seen

if TYPE_CHECKING:
    from carrack.storage.tree import Node

ADDED, REMOVED, CHANGED = "added", "removed", "changed"
Document = dict[str, Any]
_Pair = tuple[bytes, Seen | None, Seen | None]


def compare(old: Merged, new: Merged, digests: Digests, *, full: bool, most: int) -> Document:
    """The differences by path, at the most so many, and their sums.

    A directory that is wholly new or gone is one line with the number and bytes of its files, unless ``full``. Layers
    of ``new`` count on from those of ``old`` for ``digests``.
    """
    pairs = list(_pairs(old.root, new.root))
    known = digests(_doubtful(pairs))
    lines: list[Document] = []
    sums = {kind: {"Files": 0, "Bytes": 0} for kind in (ADDED, REMOVED, CHANGED)}
    for path, was, now in pairs:
        line = _line(path, was, now, known)
        if line is None:
            continue
        sums[line["Kind"]]["Files"] += line.get("Files", 1)
        sums[line["Kind"]]["Bytes"] += line["Size"]
        lines.extend(_one_by_one(path, was, now) if full and line.get("Files", 0) else [line])
    lines.sort(key=lambda line: line["Path"])
    return {
        "Added": sums[ADDED],
        "Removed": sums[REMOVED],
        "Changed": sums[CHANGED],
        "Changes": lines[:most],
        "Truncated": len(lines) > most,
    }


def _pairs(old: Seen, new: Seen) -> Iterator[_Pair]:
    """What is not the very same file in both; a directory that only one has comes alone, without what is in it."""
    todo = [(b"", old, new)]
    while todo:
        prefix, was, now = todo.pop()
        before, after = was.children or {}, now.children or {}
        for name in before.keys() | after.keys():
            a, b = before.get(name), after.get(name)
            if a is not None and b is not None:
                if a.children is not None and b.children is not None:
                    todo.append((prefix + name + b"/", a, b))
                elif a.children is not None or b.children is not None:
                    yield prefix + name, a, None
                    yield prefix + name, None, b
                    continue
                if a.node is b.node:
                    continue
            yield prefix + name, a, b


def _doubtful(pairs: list[_Pair]) -> Iterable[tuple[int, Node]]:
    for _, was, now in pairs:
        if was and now and _data_may_be_same(was.node, now.node):
            yield was.layer, was.node
            yield now.layer, now.node


def _data_may_be_same(a: Node, b: Node) -> bool:
    return bool(stat.S_ISREG(a.mode) and stat.S_ISREG(b.mode) and a.size == b.size and a.size)


def _line(path: bytes, was: Seen | None, now: Seen | None, known: dict[int, str]) -> Document | None:
    if was is None or now is None:
        only = was or now
        assert only is not None
        line: Document = {"Path": text(path), "Kind": ADDED if was is None else REMOVED, "Size": only.node.size}
        if only.children is not None:
            files = [node for _, node in _below(only) if node.children is None]
            line |= {"Path": line["Path"] + "/", "Size": _bytes(files), "Files": len(files)}
        elif not stat.S_ISREG(only.node.mode):
            line["Size"] = 0
        return line
    what = list(_differences(was.node, now.node, known))
    if not what:
        return None
    size = now.node.size if stat.S_ISREG(now.node.mode) else 0
    before = was.node.size if stat.S_ISREG(was.node.mode) else 0
    return {"Path": text(path), "Kind": CHANGED, "Size": size, "Before": before, "What": what}


def _differences(a: Node, b: Node, known: dict[int, str]) -> Iterator[str]:
    if stat.S_IFMT(a.mode) != stat.S_IFMT(b.mode):
        yield "type"
    elif stat.S_ISREG(a.mode):
        if a.size != b.size or known.get(id(a)) != known.get(id(b)):
            yield "content"
    elif a.link != b.link:
        yield "target"
    elif (a.major, a.minor) != (b.major, b.minor):
        yield "device"
    if stat.S_IMODE(a.mode) != stat.S_IMODE(b.mode):
        yield "mode"
    if (a.uid, a.gid) != (b.uid, b.gid):
        yield "owner"
    if (a.xattrs or {}) != (b.xattrs or {}):
        yield "attributes"


def _one_by_one(path: bytes, was: Seen | None, now: Seen | None) -> Iterator[Document]:
    kind, top = (ADDED, now) if was is None else (REMOVED, was)
    assert top is not None
    yield {"Path": text(path) + "/", "Kind": kind, "Size": 0}
    for below, node in _below(top):
        end = "/" if node.children is not None else ""
        size = node.size if stat.S_ISREG(node.mode) else 0
        yield {"Path": text(path + b"/" + below) + end, "Kind": kind, "Size": size}


def _below(top: Seen) -> Iterator[tuple[bytes, Node]]:
    todo = [(b"", top)]
    while todo:
        prefix, directory = todo.pop()
        for name, child in (directory.children or {}).items():
            yield prefix + name, child.node
            if child.children:
                todo.append((prefix + name + b"/", child))


def _bytes(nodes: list[Node]) -> int:
    """The bytes of regular files, those of several names once."""
    return sum({id(node): node.size for node in nodes if stat.S_ISREG(node.mode)}.values())
