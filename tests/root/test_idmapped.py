"""Snapshots with mapped owners, by every driver and by both ways of handing the parts to overlayfs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.suites.namespace import private_mounts
from tests.suites.snapshotter import store
from tests.suites.tarballs import directory, file

from carrack.errors import NotSupported
from carrack.linux.mount import read_mountinfo
from carrack.linux.namespaces import CLONE_NEWUSER
from carrack.linux.syscalls import LINUX
from carrack.oci.runtime_spec import IdMapping
from carrack.runtime.idmap import user_namespace
from carrack.runtime.inroot import Procfs
from carrack.storage.snapshots.base import Owners, Snapshotter
from carrack.storage.snapshots.copy import CopySnapshotter
from carrack.storage.snapshots.drivers import file_mounts_are_safe, takes_detached_mounts, takes_lowers_one_by_one
from carrack.storage.snapshots.erofs import ErofsSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.mappedparts import MOUNTER
from carrack.storage.snapshots.overlay import OverlaySnapshotter
from carrack.storage.snapshots.probe import trial

pytestmark = pytest.mark.root
RELEASE = os.uname().release
EXTENT: IdMapping = {"containerID": 0, "hostID": 100000, "size": 65536}
OWN: IdMapping = {"containerID": MOUNTER, "hostID": 0, "size": 1}


@pytest.fixture(scope="module", autouse=True)
def _namespace() -> Iterator[None]:
    with private_mounts():
        yield


@pytest.fixture(scope="module")
def owners(_namespace: None) -> Iterator[Owners]:
    procfs = Procfs(LINUX)
    found = Owners(*(user_namespace(LINUX, procfs, extents, extents) for extents in ([EXTENT], [EXTENT, OWN])))
    yield found
    procfs.close()
    for fd in found:
        os.close(fd)


@pytest.fixture(
    params=["erofs", "erofs attached", "erofs classic", "overlay", "overlay attached", "overlay classic", "copy"]
)
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshotter:
    name, _, way = str(request.param).partition(" ")
    directories, run = LayerDirectories(tmp_path / "root"), tmp_path / "run"
    one_by_one, by_descriptor = way != "classic", not way
    if name == "copy":
        return CopySnapshotter(directories, LINUX)
    if not way and not takes_detached_mounts(RELEASE):
        pytest.skip("this kernel's overlayfs takes no detached mounts")
    if one_by_one and not takes_lowers_one_by_one(RELEASE):
        pytest.skip("this kernel has no lowerdir+")
    if name == "overlay":
        return OverlaySnapshotter(directories, run, LINUX, one_by_one=one_by_one, by_descriptor=by_descriptor)
    return ErofsSnapshotter(
        directories,
        run,
        LINUX,
        through_loop=not file_mounts_are_safe(RELEASE),
        one_by_one=one_by_one,
        by_descriptor=by_descriptor,
    )


def as_root_of_it(owners: Owners, work: object) -> None:
    """In a child: root of a user namespace with the map, and nobody on the host."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            LINUX.setns(owners.layers, CLONE_NEWUSER)
            os.setresgid(0, 0, 0)
            os.setresuid(0, 0, 0)
            work()  # type: ignore[operator]
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_layers_are_shown_and_changes_kept_with_the_containers_ids(
    driver: Snapshotter, owners: Owners, tmp_path: Path
) -> None:
    low = store(driver, directory(b"etc", uid=0, gid=0), file(b"etc/a", b"a"), file(b"etc/gone", b"x"))
    top = store(driver, file(b"etc/b", b"b"))
    driver.prepare("key", [low, top])
    root = driver.mount("key", owners)
    try:
        for path in (".", "etc", "etc/a", "etc/b", "dev"):
            found = os.stat(path, dir_fd=root)
            assert (path, found.st_uid, found.st_gid) == (path, 100000, 100000)

        def work() -> None:
            os.fchdir(root)
            assert os.stat("etc/a").st_uid == 0
            Path("etc/a").write_text("changed")
            Path("new").touch()
            os.chown("new", 7, 8)
            os.unlink("etc/gone")
            with pytest.raises(PermissionError):
                os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))

        as_root_of_it(owners, work)
    finally:
        os.close(root)
    plain = driver.mount("key")
    try:
        assert os.stat("etc/a", dir_fd=plain).st_uid == 0
        assert (os.stat("new", dir_fd=plain).st_uid, os.stat("new", dir_fd=plain).st_gid) == (7, 8)
        assert not os.access("etc/gone", os.F_OK, dir_fd=plain)
    finally:
        os.close(plain)
    assert not list((tmp_path / "run").glob("i/*"))
    table = read_mountinfo(Path("/proc/self/mountinfo").read_text())
    assert not [info for info in table if info.mount_point.startswith(f"{tmp_path}/run/i/")]


def test_an_image_cannot_name_the_mounters_own_id(driver: Snapshotter, owners: Owners) -> None:
    layer = store(driver, file(b"suid", b"x", mode=0o4755, uid=MOUNTER))
    driver.prepare("key", [layer])
    root = driver.mount("key", owners)
    try:
        assert os.stat("suid", dir_fd=root).st_uid == 65534  # never the host's root
    finally:
        os.close(root)


def test_the_trial_of_a_daemon_that_remaps(driver: Snapshotter, owners: Owners) -> None:
    trial(driver, owners)
    assert driver.keys() == driver.layers() == []


def test_a_data_root_on_a_file_system_without_maps_is_named(tmp_path: Path, owners: Owners) -> None:
    place = tmp_path / "ramfs"
    place.mkdir()
    LINUX.mount("ramfs", str(place), "ramfs", 0)
    driver = CopySnapshotter(LayerDirectories(place / "root"), LINUX)
    with pytest.raises(NotSupported, match=r"the file system there \(ramfs\) has no id-mapped mounts"):
        trial(driver, owners)
