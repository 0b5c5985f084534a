"""The layers; the driver as a whole is in tests/root/test_snapshots.py."""

from __future__ import annotations

import hashlib
import os
import random
import re
import struct
from pathlib import Path

from tests.suites.tarballs import END, directory, file, hardlink, symlink, whiteout

from carrack.storage.snapshots.erofspages import PagedErofsLayers
from carrack.storage.snapshots.layerdirs import LayerDirectories

SIZES = (1, 511, 512, 513, 4095, 4096, 4097, 70_000)


def stored(layers: PagedErofsLayers, archive: bytes, piece: int) -> str:
    diff_id = "sha256:" + hashlib.sha256(archive).hexdigest()
    writer = layers.layer_writer()
    try:
        for start in range(0, len(archive), piece):
            writer.write(archive[start : start + piece])
        writer.commit(diff_id)
    finally:
        writer.abort()
    return diff_id


def contents() -> dict[bytes, bytes]:
    return {b"f%d" % size: bytes([65 + index]) * size for index, size in enumerate(SIZES)}


def archive() -> bytes:
    blocks = [directory(b"d"), *(file(name, data) for name, data in contents().items()), file(b"empty")]
    blocks += [hardlink(b"d/again", b"f512"), symlink(b"link", b"d"), whiteout(b"d", b"gone")]
    return b"".join(blocks) + END + b"trailing" * 999


def test_the_tar_is_whole_again_however_it_came(tmp_path: Path) -> None:
    whole = archive()
    for piece in (1 << 20, 4096, 700, 13):
        layers = PagedErofsLayers(LayerDirectories(tmp_path / str(piece)))
        tar = layers.open_tar(stored(layers, whole, piece))
        assert tar is not None
        with tar:
            assert tar.read() == whole
            assert tar.read(1) == b""
            for _ in range(200):
                start, length = random.randrange(len(whole)), random.randrange(20_000)
                tar.seek(start)
                assert tar.read(length) == whole[start : start + length]
            assert tar.seek(-8, os.SEEK_END) == len(whole) - 8
            assert tar.read() == b"trailing"


def test_every_file_starts_a_page_and_small_directories_take_none(tmp_path: Path) -> None:
    layers = PagedErofsLayers(LayerDirectories(tmp_path))
    image = layers.image(stored(layers, archive(), 4096)).read_bytes()
    for data in contents().values():
        place = image.index(data[:1] * len(data))
        assert place % 4096 == 0
    bits, blocks = image[1024 + 12], struct.unpack_from("<I", image, 1024 + 36)[0]
    assert bits == 12
    assert blocks * 4096 == len(image)
    data_pages = sum(-(-size // 4096) for size in SIZES)
    assert blocks == 1 + data_pages + 1  # the superblock, and one page of metadata for all


def test_an_empty_layer(tmp_path: Path) -> None:
    layers = PagedErofsLayers(LayerDirectories(tmp_path))
    tar = layers.open_tar(stored(layers, END, 1024))
    assert tar is not None
    with tar:
        assert tar.read() == END


def test_damage_is_found_wherever_it_is(tmp_path: Path) -> None:
    layers = PagedErofsLayers(LayerDirectories(tmp_path))
    diff_id = stored(layers, archive(), 4096)
    assert layers.damage(diff_id) == ""
    folder = layers.image(diff_id).parent
    for name, place, reason in (
        ("layer.erofs", -100, "metadata"),
        ("layer.erofs", 1024, "superblock"),
        ("layer.erofs", 8192, "content has the digest"),
        ("layer.rest", 0, "content has the digest"),
        ("layer.places", 8, "content has the digest|cannot be put together"),
    ):
        whole = (folder / name).read_bytes()
        broken = bytearray(whole)
        broken[place] ^= 1
        (folder / name).write_bytes(broken)
        assert re.search(reason, layers.damage(diff_id)), name
        (folder / name).write_bytes(whole)
    (folder / "layer.places").unlink()
    assert "cannot be put together" in layers.damage(diff_id)
