"""The layers, as far as they need no privilege; the driver as a whole is in tests/root/test_snapshots.py."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.suites.tarballs import END, directory, file

from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlayLayers


def test_a_layer_is_a_directory(tmp_path: Path) -> None:
    layers = OverlayLayers(LayerDirectories(tmp_path))
    mine = {"uid": os.geteuid(), "gid": os.getegid()}
    archive = directory(b"./", **mine) + directory(b"d", **mine) + file(b"d/f", b"data", **mine) + END
    diff_id = "sha256:" + hashlib.sha256(archive).hexdigest()
    writer = layers.layer_writer()
    writer.write(archive)
    writer.commit(diff_id)
    assert layers.has_layer(diff_id)
    assert (layers.files(diff_id) / "d/f").read_bytes() == b"data"
    assert layers.open_tar(diff_id) is None
    layers.remove_layer(diff_id)
    assert layers.layers() == []
