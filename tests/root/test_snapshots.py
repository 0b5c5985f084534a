"""Every snapshot driver against the contract, on the running kernel."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.suites.disks import btrfs_disk
from tests.suites.namespace import private_mounts
from tests.suites.snapshotter import Make, SnapshotterContract, mounted, store
from tests.suites.tarballs import file

from carrack.errors import Unavailable
from carrack.linux.mount import MNT_DETACH, read_mountinfo
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.btrfs import BtrfsSnapshotter, volume_directories
from carrack.storage.snapshots.copy import CopySnapshotter
from carrack.storage.snapshots.drivers import file_mounts_are_safe, takes_lowers_one_by_one
from carrack.storage.snapshots.erofs import ErofsSnapshotter
from carrack.storage.snapshots.erofspages import PagedErofsSnapshotter
from carrack.storage.snapshots.fuse import FuseSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlaySnapshotter
from carrack.storage.snapshots.probe import choose

pytestmark = pytest.mark.root
RELEASE = os.uname().release
mounts_files = pytest.mark.skipif(not file_mounts_are_safe(RELEASE), reason="this kernel mounts no images from files")
one_by_one = pytest.mark.skipif(not takes_lowers_one_by_one(RELEASE), reason="this kernel has no lowerdir+")


@pytest.fixture(scope="module", autouse=True)
def _namespace() -> Iterator[None]:
    with private_mounts():
        yield


@pytest.fixture(scope="module")
def btrfs(tmp_path_factory: pytest.TempPathFactory, _namespace: None) -> Iterator[Path]:
    with btrfs_disk(tmp_path_factory.mktemp("btrfs")) as path:
        yield path


@pytest.fixture
def short_path() -> Iterator[Path]:
    """As short as a real run root, whose length counts in classic mount options."""
    with tempfile.TemporaryDirectory(prefix="crk") as path:
        yield Path(path)
        for mount in read_mountinfo(Path("/proc/self/mountinfo").read_text()):
            if mount.mount_point.startswith(f"{path}/"):
                LINUX.umount(mount.mount_point, MNT_DETACH)


@mounts_files
class TestErofs(SnapshotterContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)

    def test_what_overlayfs_works_with_is_private_and_on_one_file_system(self, tmp_path: Path) -> None:
        snapshotter = ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
        snapshotter.prepare("one", [store(snapshotter, file(b"a"))])
        upper = snapshotter.upper("one")
        work = upper.parent / "work"
        assert os.listdir(work) == []
        assert upper.stat().st_dev == work.stat().st_dev
        above = [folder.stat() for folder in (upper.parent, upper.parent.parent, tmp_path / "root")]
        assert any(found.st_mode & 0o007 == 0 and found.st_uid == 0 for found in above)  # nobody else gets in
        with mounted(snapshotter.mount("one")):
            assert "volatile" not in Path("/proc/self/mountinfo").read_text()  # only a step of a build may be lost

    def test_one_mount_per_layer_found_again_and_swept(self, tmp_path: Path) -> None:
        first = ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
        layers = [store(first, file(b"a")), store(first, file(b"b"))]
        first.prepare("one", layers)
        first.prepare("two", layers[:1])
        for key in ("one", "two", "one"):
            with mounted(first.mount(key)):
                pass
        assert _mounts(tmp_path) == 2
        again = ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
        assert again.mounts.mounted() == set(layers)
        with mounted(again.mount("one")):
            pass
        again.sweep(["two"])
        assert again.mounts.mounted() == set(layers[:1])
        again.sweep([])
        assert _mounts(tmp_path) == 0
        assert list((tmp_path / "run/layers").iterdir()) == []

    def test_an_image_that_somebody_unmounted_is_mounted_again(self, tmp_path: Path) -> None:
        driver = ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
        layer = store(driver, file(b"a"))
        for _ in range(2):
            with mounted(driver.view([layer])) as root:
                assert (root / "a").is_file()
            LINUX.umount(str(tmp_path / "run/layers" / layer.removeprefix("sha256:")))


class TestErofsThroughLoop(SnapshotterContract):
    @pytest.fixture
    def make(self, tmp_path: Path, short_path: Path) -> Make:
        return lambda: ErofsSnapshotter(
            LayerDirectories(tmp_path / "root"), short_path, LINUX, through_loop=True, one_by_one=False
        )


class TestErofsOfPages(SnapshotterContract):
    @pytest.fixture
    def make(self, tmp_path: Path, short_path: Path) -> Make:
        return lambda: PagedErofsSnapshotter(
            LayerDirectories(tmp_path / "root"), short_path, LINUX, through_loop=True, one_by_one=False
        )


@one_by_one
class TestOverlay(SnapshotterContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: OverlaySnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)


class TestOverlayWithClassicOptions(SnapshotterContract):
    """As on kernels before 6.8, whose options a colon and a comma would cut."""

    @pytest.fixture
    def make(self, tmp_path: Path, short_path: Path) -> Make:
        return lambda: OverlaySnapshotter(
            LayerDirectories(tmp_path / "root"), short_path / ":,", LINUX, one_by_one=False
        )


class TestCopy(SnapshotterContract):
    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: CopySnapshotter(LayerDirectories(tmp_path / "root"), LINUX)


class TestBtrfs(SnapshotterContract):
    @pytest.fixture
    def make(self, btrfs: Path, tmp_path: Path) -> Make:
        root = btrfs / tmp_path.name
        return lambda: BtrfsSnapshotter(volume_directories(root, "btrfs", LINUX), LINUX)


@pytest.mark.skipif(not shutil.which("fuse-overlayfs"), reason="fuse-overlayfs is not installed")
class TestFuse(SnapshotterContract):
    keeps_links = False

    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        return lambda: FuseSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)


@pytest.mark.skipif(not shutil.which("fuse-overlayfs"), reason="fuse-overlayfs is not installed")
class TestFuseOnOverlay(SnapshotterContract):
    """Where it is what is left: the data root lies on an overlay itself."""

    keeps_links = False

    @pytest.fixture
    def make(self, tmp_path: Path) -> Make:
        for name in ("lower", "upper", "work", "data"):
            (tmp_path / name).mkdir()
        options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
        LINUX.mount("overlay", str(tmp_path / "data"), "overlay", 0, options)
        return lambda: FuseSnapshotter(LayerDirectories(tmp_path / "data/root"), tmp_path / "run", LINUX)


def test_what_is_chosen_on_file_systems_that_cannot_do_all(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work", "overlay", "tmpfs"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    LINUX.mount("overlay", str(tmp_path / "overlay"), "overlay", 0, options)
    LINUX.mount("tmpfs", str(tmp_path / "tmpfs"), "tmpfs", 0, "")
    left = "fuse-overlayfs" if shutil.which("fuse-overlayfs") else "copy"
    assert choose(tmp_path / "overlay/root", tmp_path / "run", LINUX).name == left
    assert choose(tmp_path / "tmpfs/root", tmp_path / "run", LINUX).name in ("erofs", "overlay")
    with pytest.raises(Unavailable, match=r"not supported as upperdir|mount: Invalid argument"):
        choose(tmp_path / "overlay/other", tmp_path / "run", LINUX, "overlay")


def _mounts(path: Path) -> int:
    return sum(f" {path}/" in line for line in Path("/proc/self/mountinfo").read_text().splitlines())
