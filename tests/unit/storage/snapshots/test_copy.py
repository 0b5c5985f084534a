"""The layers; the driver as a whole is in tests/root/test_snapshots.py."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.suites.tarballs import END, file, hardlink

from carrack.storage.snapshots.copy import CopyLayers
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.tarheader import TarError


def test_a_layer_is_its_tar_and_is_judged_when_it_comes(tmp_path: Path) -> None:
    layers = CopyLayers(LayerDirectories(tmp_path))
    archive = file(b"f", b"data") + END
    diff_id = "sha256:" + hashlib.sha256(archive).hexdigest()
    writer = layers.layer_writer()
    writer.write(archive[:700])
    writer.write(archive[700:])
    writer.commit(diff_id)
    tar = layers.open_tar(diff_id)
    assert tar is not None
    with tar:
        assert tar.read() == archive
    bad = layers.layer_writer()
    with pytest.raises(TarError):
        bad.write(hardlink(b"h", b"absent") + END)
    bad.abort()
    assert layers.layers() == [diff_id]
