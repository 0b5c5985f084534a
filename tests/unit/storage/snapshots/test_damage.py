"""One wrong byte anywhere in a layer is found, whatever it belongs to."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.suites.tarballs import END, directory, file, symlink, whiteout

from carrack.errors import NotFound
from carrack.storage.snapshots.copy import CopyLayers
from carrack.storage.snapshots.damage import set_aside
from carrack.storage.snapshots.erofs import ErofsLayers
from carrack.storage.snapshots.layerdirs import LayerDirectories

TAR = (
    directory(b"etc")
    + file(b"etc/passwd", b"root" * 900)
    + symlink(b"etc/to", b"passwd")
    + whiteout(b"", b"gone")
    + END
)
DIFF_ID = "sha256:" + hashlib.sha256(TAR).hexdigest()
PAST_TAR = -(-(4096 + len(TAR)) // 4096) * 4096


@pytest.fixture(params=[ErofsLayers, CopyLayers])
def layers(request: pytest.FixtureRequest, tmp_path: Path) -> ErofsLayers | CopyLayers:
    made: ErofsLayers | CopyLayers = request.param(LayerDirectories(tmp_path))
    writer = made.layer_writer()
    writer.write(TAR)
    writer.commit(DIFF_ID)
    return made


def content(layers: ErofsLayers | CopyLayers) -> Path:
    """The file that the layer is."""
    (found,) = layers.directories.path(DIFF_ID).glob("layer.*")
    return found


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_what_is_whole_passes(layers: ErofsLayers | CopyLayers) -> None:
    assert layers.damage(DIFF_ID) == ""


def test_wrong_content(layers: ErofsLayers | CopyLayers) -> None:
    flip(content(layers), content(layers).stat().st_size // 2 if isinstance(layers, CopyLayers) else 4096 + 1600)
    assert "its content has the digest sha256:" in layers.damage(DIFF_ID)


@pytest.mark.parametrize(
    ("offset", "told"),
    [(0, "superblock"), (1024, "superblock"), (1100, "superblock"), (PAST_TAR, "metadata"), (-1, "metadata")],
)
def test_wrong_metadata(tmp_path: Path, offset: int, told: str) -> None:
    layers = ErofsLayers(LayerDirectories(tmp_path))
    writer = layers.layer_writer()
    writer.write(TAR)
    writer.commit(DIFF_ID)
    flip(content(layers), offset if offset >= 0 else content(layers).stat().st_size - 1)
    assert told in layers.damage(DIFF_ID)


def test_cut_short(tmp_path: Path) -> None:
    layers = ErofsLayers(LayerDirectories(tmp_path))
    writer = layers.layer_writer()
    writer.write(TAR)
    writer.commit(DIFF_ID)
    with content(layers).open("r+b") as file:
        file.truncate(PAST_TAR + 10)
    assert f"its image has {PAST_TAR + 10} bytes instead of " in layers.damage(DIFF_ID)


def test_notes(layers: ErofsLayers | CopyLayers) -> None:
    (layers.directories.path(DIFF_ID) / "notes").unlink()
    assert "notes" in layers.damage(DIFF_ID)


def test_set_aside(layers: ErofsLayers | CopyLayers, tmp_path: Path) -> None:
    layers.directories.notes(DIFF_ID)
    set_aside(layers.directories, DIFF_ID, tmp_path / "aside")
    assert (tmp_path / "aside" / "notes").exists()
    with pytest.raises(NotFound):
        layers.directories.notes(DIFF_ID)
