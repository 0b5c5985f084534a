"""The account of a data root: its places, and a sum that du agrees with."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from carrack.storage.accounting import Place, measure, place_of
from carrack.storage.removal import remove_tree

HEX = "ab" * 32
ID = "c" * 64


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("", Place("engine")),
        ("engine-id", Place("engine")),
        ("meta.db-wal", Place("records")),
        ("meta.db.damaged.2-wal", Place("damaged")),
        ("reserve/space", Place("reserve")),
        ("blobs/sha256", Place("engine")),
        (f"blobs/sha256/{HEX}", Place("blob", HEX)),
        ("blobs/sha256/notes", Place("unknown", "blobs/sha256/notes")),
        (f"blobs/sha512/{HEX}", Place("unknown", "blobs/sha512")),
        (f"partial/{HEX}", Place("partial", HEX)),
        ("ingest/x", Place("ingest")),
        ("quarantine/blobs/x", Place("quarantine")),
        ("layers/erofs", Place("engine")),
        (f"layers/erofs/layers/{HEX}/layer.erofs", Place("layer", HEX, "erofs")),
        (f"layers/copy/chains/{HEX}/fs/etc", Place("tree", HEX, "copy")),
        (f"layers/erofs/init/{HEX}", Place("chain", HEX, "erofs")),
        ("layers/erofs/layers/x", Place("unknown", "layers/erofs/layers/x")),
        ("layers/erofs/old/x", Place("unknown", "layers/erofs/old")),
        ("layers/erofs/ingest/x", Place("ingest", "", "erofs")),
        (f"layers/erofs/containers/{ID}/upper/x", Place("snapshot", ID, "erofs")),
        (f"containers/{ID}", Place("files", ID)),
        (f"containers/{ID}/hosts", Place("files", ID)),
        (f"containers/{ID}/{ID}-json.log.2.gz", Place("log", ID)),
        (f"containers/{ID}/local-logs/container.log", Place("log", ID)),
        ("volumes/data/_data/x", Place("volume", "data")),
        ("build/mounts/x/0/files", Place("build")),
        ("lost+found/x", Place("unknown", "lost+found")),
    ],
)
def test_places(path: str, wanted: Place) -> None:
    assert found(tuple(path.split("/")) if path else ()) == wanted


def found(parts: tuple[str, ...]) -> Place:
    """As the walk finds it: from the top, until a place is that of all below it."""
    for length in range(len(parts) + 1):
        place, whole = place_of(parts[:length])
        if whole:
            break
    return place


def sizes(root: Path) -> dict[Place, int]:
    return {share.place: share.size for share in measure(root)}


def du(root: Path) -> int:
    done = subprocess.run(["du", "-sx", "--block-size=1", root], capture_output=True, text=True, check=True)
    return int(done.stdout.split()[0])


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_the_sum_is_what_du_tells(tmp_path: Path) -> None:
    write(tmp_path / "volumes/v/_data/big", b"x" * 100_000)
    write(tmp_path / f"blobs/sha256/{HEX}", b"y" * 5000)
    write(tmp_path / f"layers/erofs/containers/{ID}/upper/one", b"z" * 9000)
    os.link(tmp_path / f"layers/erofs/containers/{ID}/upper/one", tmp_path / f"layers/erofs/containers/{ID}/two")
    os.symlink("/etc/passwd" * 20, tmp_path / "volumes/v/_data/link")
    os.truncate(tmp_path / "volumes/v/_data/big", 1 << 40)  # sparse
    counted = sizes(tmp_path)
    assert sum(counted.values()) == du(tmp_path)
    assert counted[Place("volume", "v")] >= 100_000
    assert counted[Place("snapshot", ID, "erofs")] < 2 * 9000 + 4 * 4096 + 1000


def test_trees_deeper_than_a_path_can_be(tmp_path: Path) -> None:
    top = tmp_path / "volumes" / "v"
    top.mkdir(parents=True)
    fd = os.open(top, os.O_RDONLY)
    try:
        for _ in range(60):
            os.mkdir("d" * 250, dir_fd=fd)
            inner = os.open("d" * 250, os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = inner
        with open(os.open("bottom", os.O_WRONLY | os.O_CREAT, dir_fd=fd), "wb") as file:
            file.write(b"x" * 50_000)
    finally:
        os.close(fd)
    try:
        assert sizes(tmp_path)[Place("volume", "v")] >= 50_000
        if shutil.which("du"):
            assert sum(sizes(tmp_path).values()) == du(tmp_path)
    finally:
        remove_tree(top)


def test_what_is_mounted_counts_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "volumes/v/_data/big", b"x" * 100_000)
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(f"1 2 0:3 / {tmp_path}/volumes/v/_data rw - tmpfs tmpfs rw\n")
    counted = {share.place: share.size for share in measure(tmp_path, str(mountinfo))}
    assert counted[Place("volume", "v")] < 100_000


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    assert measure(tmp_path / "none") == []
