"""Structure only; tests/root/test_snapshots.py lets the kernel read the images."""

from __future__ import annotations

import hashlib
import io
import struct

import pytest
from tests.suites.tarballs import END, directory, file, header, pax, symlink

from carrack.storage import erofs
from carrack.storage.tar import TarError, TarReader
from carrack.storage.tree import Tree


def plant(*blocks: bytes) -> tuple[Tree, int]:
    archive = b"".join(blocks) + END
    tree = Tree()
    for entry in TarReader(io.BytesIO(archive)):
        tree.add(entry)
    return tree, len(archive)


def image(*blocks: bytes) -> bytes:
    tree, size = plant(*blocks)
    head, body = erofs.build(tree, size, b"u" * 16)
    start = erofs.metadata_offset(size)
    assert start % 4096 == 0
    assert start >= 4096 + size
    archive = (b"".join(blocks) + END).ljust(start - 4096, b"\0")
    return head.ljust(4096, b"\0") + archive + body


def inode(data: bytes, nid: int) -> tuple[int, ...]:
    start = struct.unpack_from("<I", data, 1024 + 40)[0] * 512
    return struct.unpack_from("<HHHHQIIIIQII", data, start + nid * 32)


def entries(data: bytes, nid: int) -> dict[bytes, int]:
    """A directory's names and node ids, read as the kernel does; checks the order on the way."""
    _, _, _, _, size, block, *_ = inode(data, nid)
    content = data[block * 512 : block * 512 + size]
    found: dict[bytes, int] = {}
    for at in range(0, size, 512):
        chunk = content[at : at + 512]
        count = struct.unpack_from("<QHBB", chunk)[1] // 12
        heads = [struct.unpack_from("<QHBB", chunk, 12 * index) for index in range(count)]
        ends = [head[1] for head in heads[1:]] + [len(chunk)]
        for head, end in zip(heads, ends, strict=True):
            found[chunk[head[1] : end].rstrip(b"\0")] = head[0]
    assert list(found) == sorted(found)
    return found


def test_superblock() -> None:
    data = image(file(b"f", b"x"))
    magic, checksum, compat, bits = struct.unpack_from("<IIIB", data, 1024)
    assert (magic, checksum, compat, bits) == (0xE0F5E1E2, 0, 2, 9)
    root = struct.unpack_from("<H", data, 1024 + 14)[0]
    blocks = struct.unpack_from("<I", data, 1024 + 36)[0]
    assert blocks * 512 == len(data)
    assert set(entries(data, root)) == {b".", b"..", b"f"}


def test_file_data_is_the_tar_itself() -> None:
    data = image(directory(b"d"), file(b"d/f", b"payload" * 100))
    nid = entries(data, entries(data, 0)[b"d"])[b"f"]
    layout, _, _, _, size, block, *_ = inode(data, nid)
    assert (layout, size) == (1, 700)
    assert data[block * 512 : block * 512 + 700] == b"payload" * 100


def test_many_names_need_many_blocks_and_stay_sorted() -> None:
    data = image(*(file(b"%05d-%s" % (index, b"n" * (index % 80))) for index in range(700)))
    found = entries(data, 0)
    assert len(found) == 702
    assert len(set(found.values())) == 701  # "." and ".." are the root


def test_short_links_are_inline_within_a_block_and_long_ones_have_their_own() -> None:
    names = [b"%03d" % index for index in range(60)]
    data = image(
        *(symlink(name, name * 30) for name in names),
        pax({b"linkpath": b"t" * 900}) + symlink(b"long", b""),
        pax({b"SCHILY.xattr.trusted.x": b"1"}) + symlink(b"marked", b"goal"),
    )
    start = struct.unpack_from("<I", data, 1024 + 40)[0] * 512
    found = entries(data, 0)
    for name in names:
        place = start + found[name] * 32 + 64
        assert inode(data, found[name])[0] == 1 | 2 << 1
        assert data[place : place + 90] == name * 30
        assert place % 512 + 90 <= 512
    for name, target in ((b"long", b"t" * 900), (b"marked", b"goal")):
        layout, _, _, _, size, block, *_ = inode(data, found[name])
        assert layout == 1
        assert data[block * 512 : block * 512 + size] == target


def test_the_same_archive_gives_the_same_image() -> None:
    blocks = (directory(b"d"), file(b"d/a"), symlink(b"l", b"d"))
    assert image(*blocks) == image(*blocks)


def test_two_tebibytes_is_the_end() -> None:
    tree, size = plant(header(b"f"))
    with pytest.raises(TarError, match="2 TiB"):
        erofs.build(tree, 2 << 40, b"u" * 16)
    tree, size = plant(header(b"f"))
    assert tree.root.children is not None
    tree.root.children[b"f"].size, tree.root.children[b"f"].offset = 1, 2 << 40
    with pytest.raises(TarError, match="2 TiB"):
        erofs.build(tree, size, b"u" * 16)


def test_too_many_attributes() -> None:
    records = {b"SCHILY.xattr.user.%d" % index: bytes(60000) for index in range(5)}
    tree, size = plant(pax(records), file(b"f"))
    with pytest.raises(TarError, match="extended attributes"):
        erofs.build(tree, size, b"u" * 16)


@pytest.mark.parametrize(
    ("bits", "wanted"),
    [
        (erofs.TAR_BITS, "68c947e958830ccd"),
        (erofs.PAGE_BITS, "f868bee2e74f229d"),
    ],
)
def test_the_layout_stays_as_it_is(bits: int, wanted: str) -> None:
    """fsck compares layers of all versions with what this one would write: whoever changes it must keep the old way."""
    tree, size = plant(
        directory(b"etc", mode=0o750, uid=7, gid=8, mtime=1234),
        file(b"etc/passwd", b"root" * 300),
        symlink(b"etc/short", b"passwd"),
        symlink(b"etc/long", b"x" * 600),
        pax({b"SCHILY.xattr.user.a": b"b"}),
        file(b"etc/attributes", b"x"),
        *(file(b"many/%03d" % number) for number in range(200)),
    )
    for node in tree.root.children[b"etc"].children.values():  # type: ignore[union-attr, index]
        node.offset = node.offset + 4095 & ~4095
    head, body = erofs.build(tree, size, b"u" * 16, bits)
    assert hashlib.sha256(head + body).hexdigest()[:16] == wanted
