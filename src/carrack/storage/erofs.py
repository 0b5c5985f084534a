"""Making an EROFS image around a layer's tar, so that a layer is mounted instead of unpacked.

The tar stays byte for byte as it came; inodes of regular files point into it, for tar data is aligned to 512 bytes
and so are blocks here. Only metadata is written, after the tar::

    0      superblock at byte 1024, written last: without it nothing mounts a torn image
    4096   the uncompressed layer tar, T bytes; behind it, files with holes once more, as they are read
    M      metadata, M = 4096 + T rounded up to 4096: inodes with xattrs and short links, then directory blocks

Kernels before 6.4 know no blocks smaller than a page. For them blocks are of 4096 bytes, and in the tar's place are
the files' data alone, each file from a block of its own on; whoever writes the image moves their offsets. Small
directories then lie beside their inodes, since most would leave a block of their own all but empty.

On-disk format: Linux, fs/erofs/erofs_fs.h and Documentation/filesystems/erofs.rst. Inodes are the extended form
(64 bytes), node ids count 32-byte slots from M. Pure: a :class:`Tree` in, bytes out.
"""

from __future__ import annotations

import stat
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from carrack.storage.tarheader import TarError

if TYPE_CHECKING:
    from carrack.storage.tree import Node, Tree

#: where the tar starts in the image, and what the metadata is aligned to
TAR_OFFSET: Final = 4096
#: log2 of the bytes of a block: for tars as they are, and for what every kernel with EROFS mounts
TAR_BITS: Final = 9
PAGE_BITS: Final = 12
_SLOT = 32
_MAX_BLOCK = 0xFFFFFFFF
_MASK = 0xFFFFFFFFFFFFFFFF

_SUPERBLOCK = struct.Struct("<IIIBBHQQIIII16s16sIHHHBBIQB3xIQQ")
_INODE = struct.Struct("<HHHHQIIIIQII16x")
_DIRENT = struct.Struct("<QHBB")
_XATTR = struct.Struct("<BBH")
_MAGIC = 0xE0F5E1E2
_COMPAT_MTIME = 2
_PLAIN, _INLINE = 0, 2  # data layouts
_EXTENDED = 1
_FILE_TYPES: Final = {
    stat.S_IFREG >> 12: 1,
    stat.S_IFDIR >> 12: 2,
    stat.S_IFCHR >> 12: 3,
    stat.S_IFBLK >> 12: 4,
    stat.S_IFIFO >> 12: 5,
    stat.S_IFLNK >> 12: 7,
}
_XATTR_INDEXES: Final = (
    (b"user.", 1),
    (b"system.posix_acl_access", 2),
    (b"system.posix_acl_default", 3),
    (b"trusted.", 4),
    (b"security.", 6),
)
_OPAQUE_XATTR = {b"trusted.overlay.opaque": b"y"}


def metadata_offset(tar_size: int) -> int:
    """Where in the image the metadata of a tar of that many bytes goes."""
    return -(-(TAR_OFFSET + tar_size) // TAR_OFFSET) * TAR_OFFSET


class Move(NamedTuple):
    """``length`` bytes of data to copy, both places counted from where the tar starts in the image."""

    source: int
    target: int
    length: int


def spread(tree: Tree, held: int, bits: int = TAR_BITS) -> tuple[list[Move], int]:
    """Give files with holes places of their own behind the ``held`` bytes of the image: what to copy there (all else
    are holes), and what the image holds then. For ``build``, which comes next; once per tree."""
    moves = []
    for node in tree.sparse:
        if node.sparse is None:
            continue
        held += -held % (1 << bits)
        source = node.offset
        for start, length in node.sparse.stretches:
            moves.append(Move(source, held + start, length))
            source += length
        node.offset, node.size, node.sparse = held, node.sparse.size, None
        held += node.size
    return moves, held


def build(tree: Tree, tar_size: int, uuid: bytes, bits: int = TAR_BITS) -> tuple[bytes, bytes]:
    """``(head, metadata)``: what to write at byte 0 (last!) and at ``metadata_offset(tar_size)``. Once per tree.

    ``uuid``: 16 bytes naming the image; ``bits``: of its blocks, to whose bounds all offsets of data are aligned.
    TarError when the tree does not fit the format (2 TiB of data with blocks of 512 bytes, 256 KiB of attributes on
    one inode).
    """
    start = metadata_offset(tar_size) >> bits
    layout = _Layout(tree.root, bits)
    body = layout.body(start)
    blocks = start + (len(body) >> bits)
    superblock = _SUPERBLOCK.pack(
        *(_MAGIC, 0, _COMPAT_MTIME, bits, 0, tree.root.nid, len(layout.inodes), 0, 0, blocks, start, 0),
        *(uuid, b"", 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    )
    return bytes(1024) + superblock, body


class _Layout:
    """Places every inode, then writes: inodes first, then blocks of directories and of long links."""

    def __init__(self, root: Node, bits: int) -> None:
        self._bits = bits
        self._block = 1 << bits
        self.inodes: list[tuple[Node, int, bytes]] = []  # node, its byte position, its xattr area
        self.directories: list[tuple[Node, Node]] = []  # directory, parent
        self._small: list[tuple[Node, Node]] = []  # those whose content lies beside their inode
        self._long_links: list[Node] = []
        self._blocks: dict[int, int] = {}  # nid → first block, of directories and long links
        self._sizes: dict[int, int] = {}  # nid → bytes, of directories
        self._end = self._place_all(root)

    def body(self, first_block: int) -> bytes:
        """The whole metadata area, when it starts at that block of the image."""
        area_start = -(-self._end // self._block)
        block = first_block + area_start
        data: list[bytes] = []
        for node, content in self._contents():
            self._blocks[node.nid] = block
            self._sizes[node.nid] = len(content)
            padded = content + bytes(-len(content) % self._block)
            data.append(padded)
            block += len(padded) >> self._bits
        if block > _MAX_BLOCK:
            raise TarError(f"layer of {block} blocks: the image format holds {self._most()}")
        inodes = self._inode_area()
        return b"".join((inodes, bytes(area_start * self._block - len(inodes)), *data))

    def _place_all(self, root: Node) -> int:
        """Give every inode reachable its place; directories before their children, so that the root is first."""
        position = 0
        todo = [(root, root)]
        while todo:
            node, parent = todo.pop()
            xattrs, size = b"", _INODE.size
            if node.xattrs or node.opaque:
                xattrs = _xattr_area(node)
                size += len(xattrs)
            if stat.S_IFMT(node.mode) != stat.S_IFREG:
                beside = self._beside(node, parent, size, bool(xattrs))
                if beside and position % self._block + size + beside > self._block:  # such data must not cross a block
                    position += -position % self._block
                size += beside
                if node.children is not None:
                    self._visit(node, todo)
            self.inodes.append((node, position, xattrs))
            node.nid = position // _SLOT
            position += size + -size % _SLOT
        return position

    def _beside(self, node: Node, parent: Node, size: int, has_xattrs: bool) -> int:
        """Bytes of content that go right behind an inode of that size; what does not is put down for later."""
        if stat.S_ISLNK(node.mode):
            if not has_xattrs and size + node.size <= self._block:
                return node.size
            self._long_links.append(node)
        elif node.children is not None:
            length = _directory_length(node) if self._bits == PAGE_BITS else self._block
            if size + length <= self._block:
                self._small.append((node, parent))
                return length
            self.directories.append((node, parent))
        return 0

    def _visit(self, node: Node, todo: list[tuple[Node, Node]]) -> None:
        node.links = 2
        for child in (node.children or {}).values():
            if child.children is not None:
                node.links += 1
            elif child.links:  # a name more of what has its place
                child.links += 1
                continue
            else:
                child.links = 1
            todo.append((child, node))

    def _contents(self) -> list[tuple[Node, bytes]]:
        contents = [(node, _directory(node, parent, self._block)) for node, parent in self.directories]
        contents += [(node, node.link) for node in self._long_links]
        return contents

    def _inode_area(self) -> bytes:
        out: list[bytes] = []
        written = 0
        pack, blocks, sizes = _INODE.pack, self._blocks, self._sizes
        small = {node.nid: _directory(node, parent, self._block) for node, parent in self._small}
        for index, (node, position, xattrs) in enumerate(self.inodes, 1):
            layout, union, size, tail = _PLAIN, 0, node.size, b""
            kind = stat.S_IFMT(node.mode)
            if kind == stat.S_IFREG:
                union = self._data_block(node) if size else 0
            elif node.nid in blocks:
                union, size = blocks[node.nid], sizes[node.nid]
            elif kind == stat.S_IFDIR:
                layout, tail = _INLINE, small[node.nid]
                size = len(tail)
            elif kind == stat.S_IFLNK:
                layout, tail = _INLINE, node.link
            else:
                union = node.minor & 0xFF | node.major << 8 | (node.minor & ~0xFF) << 12
            if position != written:
                out.append(bytes(position - written))
            out.append(
                pack(
                    _EXTENDED | layout << 1, (len(xattrs) - 12 >> 2) + 1 if xattrs else 0, node.mode, 0, size, union,
                    index, node.uid, node.gid, node.mtime & _MASK, node.mtime_ns, node.links,
                )
            )  # fmt: skip
            written = position + _INODE.size
            if xattrs or tail:
                out.append(xattrs + tail)
                written += len(xattrs) + len(tail)
        return b"".join(out)

    def _data_block(self, node: Node) -> int:
        block = (TAR_OFFSET + node.offset) >> self._bits
        if block > _MAX_BLOCK:
            raise TarError(f"file data beyond {self._most()}: the image format cannot point there")
        return block

    def _most(self) -> str:
        return f"{(_MAX_BLOCK + 1 << self._bits) >> 40} TiB"


def _directory_length(node: Node) -> int:
    """Bytes of a directory's content, if that is one block; of "." and ".." too."""
    names = node.children or {}
    return _DIRENT.size * (len(names) + 2) + sum(map(len, names)) + 3


def _directory(node: Node, parent: Node, block: int) -> bytes:
    """The content of a directory: blocks of entries sorted by name, each block with its names behind."""
    entries = [(b".", node.nid, 2), (b"..", parent.nid, 2)]
    entries += [(name, child.nid, _FILE_TYPES[child.mode >> 12]) for name, child in (node.children or {}).items()]
    entries.sort()
    blocks: list[bytes] = []
    first, used = 0, 0
    for index, entry in enumerate(entries):
        length = _DIRENT.size + len(entry[0])
        if used + length > block:
            blocks.append(_directory_block(entries[first:index]).ljust(block, b"\0"))
            first, used = index, 0
        used += length
    blocks.append(_directory_block(entries[first:]))
    return b"".join(blocks)


def _directory_block(entries: list[tuple[bytes, int, int]]) -> bytes:
    offset = _DIRENT.size * len(entries)
    heads: list[bytes] = []
    pack = _DIRENT.pack
    for name, nid, kind in entries:
        heads.append(pack(nid, offset, kind, 0))
        offset += len(name)
    return b"".join(heads) + b"".join([name for name, _, _ in entries])


def _xattr_area(node: Node) -> bytes:
    """The inline attributes: a 12-byte header (no shared ones), then entries padded to 4 bytes."""
    attributes = dict(node.xattrs or {})
    if node.opaque:
        attributes |= _OPAQUE_XATTR
    out = bytearray(12)
    for name, value in sorted(attributes.items()):
        prefix, index = next(item for item in _XATTR_INDEXES if name.startswith(item[0]))
        suffix = name[len(prefix) :]
        out += _XATTR.pack(len(suffix), index, len(value)) + suffix + value
        out += bytes(-len(out) % 4)
    if len(out) > 4 * 0xFFFF:
        raise TarError(f"{len(out)} bytes of extended attributes on one file: the image format holds 262140")
    return bytes(out)
