"""The layers; the driver as a whole is in tests/root/test_snapshots.py."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from tests.suites.tarballs import END, file

from carrack.errors import NotFound
from carrack.storage.snapshots.erofs import ErofsLayers
from carrack.storage.snapshots.layerdirs import LayerDirectories


def test_the_tar_is_a_file_again(tmp_path: Path) -> None:
    layers = ErofsLayers(LayerDirectories(tmp_path))
    archive = file(b"a", b"x" * 20_000_000) + END + b"trailing"
    diff_id = "sha256:" + hashlib.sha256(archive).hexdigest()
    writer = layers.layer_writer()
    writer.write(archive)
    writer.commit(diff_id)
    tar = layers.open_tar(diff_id)
    assert tar is not None
    with tar:
        assert hashlib.sha256(tar.read()).hexdigest() in diff_id
        assert tar.read(1) == b""
        assert tar.seek(-8, os.SEEK_END) == len(archive) - 8
        assert tar.read() == b"trailing"
        tar.seek(0)
        tar.seek(512, os.SEEK_CUR)
        assert tar.read(3) == b"xxx"
        assert tar.tell() == 515
    layers.remove_layer(diff_id)
    with pytest.raises(NotFound):
        layers.open_tar(diff_id)
