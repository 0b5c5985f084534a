"""Generated archives: the tree in memory, its EROFS image, and both unpackings, against GNU tar's extraction."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from tests.suites.namespace import private_mounts
from tests.suites.snapshotter import mounted, store
from tests.suites.tarballs import Member, build, honest_archives
from tests.suites.trees import Found, in_memory, on_disk

from carrack.linux.mount import MNT_DETACH, read_mountinfo
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.copy import CopySnapshotter
from carrack.storage.snapshots.erofs import ErofsSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlaySnapshotter
from carrack.storage.tar import TarReader
from carrack.storage.tree import Tree

pytestmark = pytest.mark.root
GNU_TAR = shutil.which("tar")


@pytest.fixture(scope="module", autouse=True)
def _namespace() -> Iterator[None]:
    with private_mounts():
        yield


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="crk-test-") as path:
        try:
            yield Path(path)
        finally:
            for mount in read_mountinfo(Path("/proc/self/mountinfo").read_text()):
                if mount.mount_point.startswith(f"{path}/"):
                    LINUX.umount(mount.mount_point, MNT_DETACH)


def plant(archive: bytes) -> Tree:
    tree = Tree()
    for entry in TarReader(io.BytesIO(archive)):
        tree.add(entry)
    return tree


def comparable(found: dict[str, Found], implicit: set[str]) -> dict[str, Found]:
    """Without what no entry determines: attributes of implicit directories."""
    return {
        path: dataclasses.replace(entry, mode=stat.S_IFMT(entry.mode), uid=0, gid=0, mtime=0)
        if path in implicit
        else entry
        for path, entry in found.items()
    }


def timeless(found: dict[str, Found]) -> dict[str, Found]:
    """Without directories' times: GNU tar sets them when it leaves a directory, and may come back to it."""
    return {
        path: dataclasses.replace(entry, mtime=0) if stat.S_ISDIR(entry.mode) else entry
        for path, entry in found.items()
    }


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(honest_archives())
def test_all_agree_with_gnu_tar(members: list[Member]) -> None:
    archive = build(members)
    tree = plant(archive)
    implicit = {os.fsdecode(path) for path in tree.implicit_paths()}
    expected = comparable(in_memory(tree, archive), implicit)
    with scratch() as place:
        (place / "gnu").mkdir()
        subprocess.run(
            [GNU_TAR or "tar", "-xpPf", "-", "--same-owner", "--numeric-owner", "--xattrs", "-C", place / "gnu"],
            input=archive,
            check=True,
            stderr=subprocess.DEVNULL,
        )
        assert timeless(comparable(on_disk(str(place / "gnu")), implicit)) == timeless(expected)
        for driver in (
            ErofsSnapshotter(LayerDirectories(place / "erofs"), place / "run", LINUX),
            OverlaySnapshotter(LayerDirectories(place / "overlay"), place / "run", LINUX),
            CopySnapshotter(LayerDirectories(place / "copy"), LINUX),
        ):
            layer = store(driver, archive)
            with mounted(driver.view([layer])) as root:
                assert comparable(on_disk(str(root)), implicit) == expected, driver.name
            driver.sweep([])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(honest_archives(), honest_archives())
def test_the_drivers_agree_on_two_layers(lower: list[Member], upper: list[Member]) -> None:
    """Nothing but the drivers themselves says what is right here; the copy driver applies layers in turn."""
    results = []
    with scratch() as place:
        for driver in (
            CopySnapshotter(LayerDirectories(place / "copy"), LINUX),
            ErofsSnapshotter(LayerDirectories(place / "erofs"), place / "run", LINUX),
            OverlaySnapshotter(LayerDirectories(place / "overlay"), place / "run", LINUX),
        ):
            layers = [store(driver, build(lower)), store(driver, build(upper))]
            with mounted(driver.view(layers)) as root:
                found = on_disk(str(root))
            # a name linked in the lower layer keeps its other names there only in the copy
            results.append(
                {path: dataclasses.replace(entry, links=frozenset()) for path, entry in timeless(found).items()}
            )
            driver.sweep([])
    assert results[1] == results[2]
    assert results[0] == results[1]


@pytest.mark.skipif(not Path("/usr/share/doc").is_dir(), reason="needs /usr/share/doc as real files")
def test_a_piece_of_this_machine(tmp_path: Path) -> None:
    """Real names, links and sizes, archived by GNU tar in its own format."""
    archive = subprocess.run(
        [GNU_TAR or "tar", "-c", "--format=gnu", "-C", "/usr/share", "doc/base-files", "doc/bash", "perl5"],
        capture_output=True,
        check=False,
    ).stdout
    driver = ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
    layer = store(driver, archive)
    with mounted(driver.view([layer])) as root:
        found = on_disk(str(root))
    assert found == in_memory(plant(archive), archive)
    assert driver.open_tar(layer) is not None


def test_what_the_image_costs_is_its_metadata_only(tmp_path: Path) -> None:
    driver = ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
    archive = build([Member("f", b"0", data=b"x" * 1_000_000)])
    layer = store(driver, archive)
    image = driver.image(layer).read_bytes()
    stored = archive + bytes(1024)  # the suite ends every archive once more
    assert image[4096 : 4096 + len(stored)] == stored
    assert len(image) < len(stored) + 4096 * 4
    assert hashlib.sha256(stored).hexdigest() == layer.removeprefix("sha256:")
