"""What an image's layers carry without use: files that higher layers hide, and equal files that are seen twice.

Bytes are those of regular files' data; several names of one inode count once. Values in, a document out.
"""

from __future__ import annotations

import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from carrack.storage.merged import OVERWRITTEN, Hidden, Merged

if TYPE_CHECKING:
    from carrack.storage.tree import Node, Tree

#: of a file that a higher layer wrote again with the same data: only its attributes have changed, if anything
UNCHANGED = "unchanged"

# Finds the digests of regular files, given as (number of the layer, inode); by the inode's id().
Digests = Callable[[Iterable[tuple[int, "Node"]]], dict[int, str]]
Document = dict[str, Any]


def explain(trees: Sequence[Tree], digests: Digests, most: int) -> Document:
    """The report on layers, the base first. At ``most`` so many of the largest single findings of each kind.

    ``Layers`` have Files and Bytes (what the layer brings), Hidden (bytes of it that are not to be seen in the end)
    and Hides (bytes of lower layers it hides); ``Waste`` and ``Duplicates`` the single findings; ``Bytes``, ``Hidden``,
    ``Duplicate`` the sums.
    """
    merged = Merged(trees)
    seen: dict[int, tuple[int, Node]] = {}
    names: dict[int, list[bytes]] = defaultdict(list)
    for path, found in merged.walk():
        if stat.S_ISREG(found.node.mode):
            seen[id(found.node)] = (found.layer, found.node)
            names[id(found.node)].append(path)
    hidden = _unseen(merged.hidden, seen)
    known = digests(_doubtful(hidden, seen.values()))
    waste = [_finding(each, known) for each in hidden]
    duplicates = _duplicates(seen, names, known)
    rows = _layers(trees, hidden)
    return {
        "Layers": rows,
        "Bytes": sum(row["Bytes"] for row in rows),
        "Hidden": sum(row["Hidden"] for row in rows),
        "Duplicate": sum(each["Wasted"] for each in duplicates),
        "Waste": sorted(waste, key=lambda each: (-each["Size"], each["Path"]))[:most],
        "Duplicates": sorted(duplicates, key=lambda each: (-each["Wasted"], each["Paths"]))[:most],
    }


def text(path: bytes) -> str:
    """A path as it is shown: absolute, with what is no UTF-8 escaped."""
    return "/" + path.decode("utf-8", "backslashreplace")


def _unseen(hidden: list[Hidden], seen: dict[int, tuple[int, Node]]) -> list[Hidden]:
    """The hidden files that have no name left by which they are seen, each inode once."""
    found: dict[int, Hidden] = {}
    for each in hidden:
        if each.node.size and id(each.node) not in seen:
            found[id(each.node)] = each
    return list(found.values())


def _doubtful(hidden: list[Hidden], seen: Iterable[tuple[int, Node]]) -> Iterable[tuple[int, Node]]:
    """The files of which the data has to be read: those that may be equal to another, by their size."""
    by_size: dict[int, list[tuple[int, Node]]] = defaultdict(list)
    layer_of: dict[int, int] = {}
    for layer, node in seen:
        layer_of[id(node)] = layer
        if node.size:
            by_size[node.size].append((layer, node))
    for same in by_size.values():
        if len(same) > 1:
            yield from same
    for each in hidden:
        if _alike(each):
            assert each.new is not None
            yield each.layer, each.node
            yield each.by, each.new


def _alike(hidden: Hidden) -> bool:
    new = hidden.new
    return new is not None and stat.S_ISREG(new.mode) and new.size == hidden.node.size


def _finding(hidden: Hidden, known: dict[int, str]) -> Document:
    kind = hidden.kind
    if kind == OVERWRITTEN and _alike(hidden) and known[id(hidden.node)] == known[id(hidden.new)]:
        kind = UNCHANGED
    return {
        "Path": text(hidden.path),
        "Size": hidden.node.size,
        "Layer": hidden.layer,
        "By": hidden.by,
        "Kind": kind,
    }


def _duplicates(
    seen: dict[int, tuple[int, Node]], names: dict[int, list[bytes]], known: dict[int, str]
) -> list[Document]:
    groups: dict[str, list[int]] = defaultdict(list)
    for key, (_, node) in seen.items():
        if node.size and key in known:
            groups[known[key]].append(key)
    return [
        {
            "Digest": digest,
            "Size": seen[keys[0]][1].size,
            "Wasted": seen[keys[0]][1].size * (len(keys) - 1),
            "Paths": sorted(text(path) for key in keys for path in names[key]),
        }
        for digest, keys in groups.items()
        if len(keys) > 1
    ]


def _layers(trees: Sequence[Tree], hidden: list[Hidden]) -> list[Document]:
    rows: list[Document] = []
    for tree in trees:
        sizes: dict[int, int] = {}
        for _, directory in tree.directories():
            for child in (directory.children or {}).values():
                if stat.S_ISREG(child.mode):
                    sizes[id(child)] = child.size
        rows.append({"Files": len(sizes), "Bytes": sum(sizes.values()), "Hidden": 0, "Hides": 0})
    for each in hidden:
        rows[each.layer]["Hidden"] += each.node.size
        rows[each.by]["Hides"] += each.node.size
    return rows
