"""The files of several layers seen as one tree, and what of the lower layers that tree hides.

Whoever explains or compares images needs more than a mount shows: which layer a file comes from, and what lies below
it. Layers are read by their tars; nothing is mounted, nothing is unpacked.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, cast

from carrack.storage.compression import PLAIN, Decompressed
from carrack.storage.tar import LAYER, TarEntry, TarError, TarReader, TarScanner
from carrack.storage.tree import Node, Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from carrack.storage.tar import ByteSource

_GLANCE = 4096  # bytes read at a time where mostly headers matter
_PIECE = 256 * 1024

DELETED, OVERWRITTEN = "deleted", "overwritten"


class Seen:
    """What is seen at a path: the inode, the number of the layer it comes from, and a directory's ``children``."""

    __slots__ = ("children", "layer", "node")

    def __init__(self, node: Node, layer: int) -> None:
        self.node = node
        self.layer = layer
        self.children: dict[bytes, Seen] | None = {} if node.children is not None else None


@dataclass(frozen=True, slots=True)
class Hidden:
    """A file of layer number ``layer`` that layer number ``by`` hides; ``new`` stands there instead, if anything."""

    path: bytes
    node: Node
    layer: int
    by: int
    new: Node | None

    @property
    def kind(self) -> str:
        """OVERWRITTEN by another file, or DELETED."""
        return OVERWRITTEN if self.new is not None and self.new.children is None else DELETED


class Merged:
    """Layers on top of each other, the base first; their numbers count from ``first``."""

    def __init__(self, trees: Sequence[Tree], first: int = 0) -> None:
        self.hidden: list[Hidden] = []
        self.root = Seen(trees[0].root if trees else Tree().root, first)
        for number, tree in enumerate(trees, first):
            self._lay(tree.root, number)

    def walk(self) -> Iterator[tuple[bytes, Seen]]:
        """Everything that is seen, with its path (no slash in front), parents first; not the root."""
        todo = [(b"", self.root)]
        while todo:
            prefix, directory = todo.pop()
            for name, child in (directory.children or {}).items():
                path = prefix + name
                yield path, child
                if child.children:
                    todo.append((path + b"/", child))

    def find(self, path: bytes) -> Seen | None:
        """What is seen at a path; symbolic links are not followed."""
        found: Seen | None = self.root
        for name in path.split(b"/"):
            found = (found.children or {}).get(name) if found else None
        return found

    def _lay(self, root: Node, layer: int) -> None:
        todo = [(b"", self.root, root)]
        while todo:
            prefix, below, node = todo.pop()
            assert below.children is not None
            if not node.implicit:
                below.node, below.layer = node, layer
            if node.opaque:
                self._hide_all(prefix, below, node, layer)
            for name, child in (node.children or {}).items():
                old = below.children.get(name)
                if child.is_whiteout:
                    self._hide(prefix + name, below.children.pop(name, None), None, layer)
                    continue
                if old is None or old.children is None or child.children is None:
                    self._hide(prefix + name, old, child, layer)
                    old = below.children[name] = Seen(child, layer)
                if child.children is not None:
                    todo.append((prefix + name + b"/", old, child))

    def _hide_all(self, prefix: bytes, directory: Seen, new: Node, layer: int) -> None:
        for name, child in (directory.children or {}).items():
            self._hide(prefix + name, child, (new.children or {}).get(name), layer)
        directory.children = {}

    def _hide(self, path: bytes, old: Seen | None, new: Node | None, layer: int) -> None:
        """Note the regular files at and below a path that is hidden from now on."""
        todo = [(path, old, new)] if old is not None else []
        while todo:
            path, old, new = todo.pop()
            if new is not None and new.is_whiteout:
                new = None
            if stat.S_ISREG(old.node.mode):
                self.hidden.append(Hidden(path, old.node, old.layer, layer, new))
            for name, child in (old.children or {}).items():
                todo.append((path + b"/" + name, child, ((new and new.children) or {}).get(name)))


def read_tree(file: BinaryIO) -> Tree:
    """The tree of a layer's tar, plain or compressed; of a plain one the files' data is passed over.

    Raises TarError, CompressionError, OSError.
    """
    tree = Tree()
    if _stream(file).kind != PLAIN:
        for entry in TarReader(_stream(file), LAYER):
            tree.add(entry)
        return tree
    size, position, scanner = file.seek(0, 2), 0, TarScanner(LAYER)
    while position < size:
        file.seek(position)
        piece = file.read(min(_GLANCE, size - position))
        if not piece:
            raise TarError(f"the file ends {size - position} bytes early")
        for event in scanner.scan(piece):
            if isinstance(event, TarEntry):
                tree.add(event)
        position += len(piece)
        position += scanner.pass_over(size - position)
    scanner.finish()
    return tree


def read_files(file: BinaryIO, nodes: Sequence[Node], take: Callable[[Node, Iterator[bytes]], None]) -> None:
    """Hand the data of regular files of one layer to ``take``, in pieces, in the order in which they lie in its tar."""
    stream = _stream(file)
    plain = stream.kind == PLAIN
    position = 0
    for node in sorted({id(node): node for node in nodes}.values(), key=lambda node: node.offset):
        if plain:
            file.seek(node.offset)
            take(node, _pieces(file.read, node.size))
            continue
        for _ in _pieces(lambda most: _read(stream, most), node.offset - position):
            pass
        take(node, _pieces(lambda most: _read(stream, most), node.size))
        position = node.offset + node.size


def _stream(file: BinaryIO) -> Decompressed:
    file.seek(0)
    return Decompressed(cast("ByteSource", file))


def _pieces(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while size:
        piece = read(min(size, _PIECE))
        if not piece:
            raise TarError(f"the layer ends {size} bytes early")
        size -= len(piece)
        yield piece


def _read(stream: Decompressed, most: int) -> bytes:
    buffer = bytearray(most)
    return bytes(buffer[: stream.readinto(memoryview(buffer))])
