"""Packing an upper directory is the same however it is done: the bytes, and what is known of them without reading."""

from __future__ import annotations

import os
from pathlib import Path

from carrack.storage import differ, erofs, upper
from carrack.storage.snapshots.layerdirs import LayerNotes
from carrack.storage.tar import LAYER, TarScanner
from carrack.storage.tree import Tree
from carrack.storage.written import Written


def image(tree: Tree, size: int) -> tuple[LayerNotes, bytes, bytes]:
    """All that is stored of a layer besides its tar."""
    notes = LayerNotes.of(tree, size)
    _, held = erofs.spread(tree, size)
    return notes, *erofs.build(tree, held, bytes(16))


def read(tar: bytes) -> Tree:
    """What a tar says to who reads it."""
    scanner, tree = TarScanner(LAYER), Tree()
    for entry in scanner.entries(tar):
        tree.add(entry)
    scanner.finish()
    return tree


def agreed(folder: Path, newest: int | None = None) -> bytes:
    """The layer tar of an upper directory, the same by all ways."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        slow = bytearray()
        differ.pack_upper(fd, slow.extend, newest=newest)
        for still in (False, True):
            quick, written = bytearray(), Written()
            upper.pack(fd, quick.extend, still=still, newest=newest, written=written)
            assert quick == slow
            assert image(written.finish(), len(quick)) == image(read(bytes(slow)), len(slow))
        return bytes(slow)
    finally:
        os.close(fd)


def fill(folder: Path) -> None:
    """All that needs no privilege: links, whiteouts by name, long and odd names, holes, times, modes."""
    for name in ("empty", "d/e/f", "d/.wh.dir", "many", "x" * 90, "long/" + "y" * 120):
        (folder / name).mkdir(parents=True)
    for index in range(300):
        (folder / "many" / f"{index}").write_bytes(bytes([index & 255]) * (index * 7))
    for name in ("d/a", "d/z", "z", "long/" + "y" * 120 + "/" + "n" * 200, "x" * 90 + "/" + "m" * 60, "d/é", "dots..x"):
        (folder / name).write_text(name)
        os.utime(folder / name, ns=(1, 1_700_000_000_123_456_789))
    (folder / os.fsdecode(b"d/\xff\xfe")).write_bytes(b"no UTF-8")
    for name in ("d/.wh.gone", "d/e/.wh..wh..opq", "d/.wh.a", "many/.wh.7", ".wh.top"):
        (folder / name).write_bytes(b"")
    os.utime(folder / "d/a", ns=(1, -5_000_000_001))
    os.utime(folder / "z", (1, 8**11))
    (folder / "d/z").chmod(0o4711)
    os.link(folder / "d/a", folder / "d/e/linked")
    os.link(folder / "d/a", folder / "before")
    os.symlink("d/a", folder / "link")
    os.symlink("t" * 150, folder / "d/e/f/é")
    os.mkfifo(folder / "d/pipe")
    for name, size in (("just", 1 << 16), ("above", (1 << 16) + 1), ("holes", 1 << 21)):
        with (folder / name).open("wb") as file:
            file.write(b"begin")
            file.truncate(size)
