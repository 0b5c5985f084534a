"""A process killed before each durable step of storing a layer: the next one finds the layer whole, or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.suites.namespace import private_mounts
from tests.suites.snapshotter import BASE, leftovers, mounted, store
from tests.suites.tarballs import END

import carrack
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.base import Snapshotter
from carrack.storage.snapshots.copy import CopySnapshotter
from carrack.storage.snapshots.erofs import ErofsLayers, ErofsSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlaySnapshotter

pytestmark = pytest.mark.root

PROGRAM = """
import os, signal, sys
from pathlib import Path
from carrack.oci.digest import of
from carrack.storage.apply import Expected, Spooled, apply, take_over
from carrack.storage.snapshots.probe import layer_store
steps = []
def step(name):
    steps.append(name)
    if len(steps) == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
layers = layer_store(sys.argv[1], Path(sys.argv[2]), step)
with open(sys.argv[4], "r+b", buffering=0) as source:
    if int(sys.argv[5]):
        tar = source.read()[layers.room :]
        assert take_over(source.fileno(), layers, Spooled(of(tar), len(tar), int(sys.argv[5])), Expected())
    else:
        apply(source, layers)
print(",".join(steps))
"""

STEPS = {
    "erofs": "metadata,superblock,content,notes,names,rename,parent,done",
    "overlay": "content,notes,names,rename,parent,done",
    "copy": "content,notes,names,rename,parent,done",
}


def run(driver: str, root: Path, kill_at: int, room: int) -> subprocess.CompletedProcess[str]:
    """Store BASE, streamed or (with room in front) taken over from its file."""
    archive = root.with_suffix(".tar")
    archive.write_bytes(bytes(room) + b"".join(BASE) + END)
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, driver, str(root), str(kill_at), str(archive), str(room)],
        env={"PYTHONPATH": str(Path(carrack.__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def open_driver(name: str, root: Path, run_root: Path) -> Snapshotter:
    directories = LayerDirectories(root / name)
    if name == "copy":
        return CopySnapshotter(directories, LINUX)
    if name == "overlay":
        return OverlaySnapshotter(directories, run_root, LINUX)
    return ErofsSnapshotter(directories, run_root, LINUX)


@pytest.mark.parametrize(("driver", "room"), [*((driver, 0) for driver in STEPS), ("erofs", ErofsLayers.room)])
def test_killed_at_each_durable_step(driver: str, room: int, tmp_path: Path) -> None:
    assert run(driver, tmp_path / "whole", 0, room).stdout.strip() == STEPS[driver]
    with private_mounts():
        for number, name in enumerate(STEPS[driver].split(","), 1):
            root = tmp_path / str(number)
            assert run(driver, root, number, room).returncode == -signal.SIGKILL
            again = open_driver(driver, root, tmp_path / f"run{number}")
            again.sweep([])
            assert leftovers(root) == []
            present = again.layers()
            assert bool(present) == (name in ("parent", "done")), name
            layer = store(again, *BASE)  # the same command then succeeds
            assert present in ([], [layer])
            with mounted(again.view([layer])) as view:
                assert (view / "lib/b").read_bytes() == b"a" * 5000
            again.sweep([])


def test_an_image_without_superblock_is_not_mounted(tmp_path: Path) -> None:
    """What a power cut could leave of an image if it ever got its name."""
    with private_mounts():
        driver = ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
        layer = store(driver, *BASE)
        with open(driver.image(layer), "r+b") as image:
            image.write(bytes(4096))
        with pytest.raises(OSError, match="erofs"):
            os.close(driver.view([layer]))
