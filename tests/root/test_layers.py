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
from tests.suites.tarballs import Member, build, directory, file, honest_archives, pax, symlink
from tests.suites.trees import Found, in_memory, on_disk

from carrack.linux.mount import MNT_DETACH, read_mountinfo
from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.copy import CopySnapshotter
from carrack.storage.snapshots.drivers import file_mounts_are_safe, takes_lowers_one_by_one
from carrack.storage.snapshots.erofs import ErofsSnapshotter
from carrack.storage.snapshots.erofspages import PagedErofsSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlaySnapshotter
from carrack.storage.tar import TarReader
from carrack.storage.tarheader import TarError
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
    """Without directories' times, which GNU tar sets when it leaves a directory, though it may come back to it; and
    without their set-group-ID, which it leaves on a directory that inherits it from its parent."""
    return {
        path: dataclasses.replace(entry, mtime=0, mode=entry.mode & ~stat.S_ISGID)
        if stat.S_ISDIR(entry.mode)
        else entry
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
            PagedErofsSnapshotter(LayerDirectories(place / "pages"), place / "run2", LINUX, through_loop=True),
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


@pytest.mark.parametrize("kind", [ErofsSnapshotter, PagedErofsSnapshotter])
def test_the_edges_of_the_image_format(kind: type[ErofsSnapshotter], tmp_path: Path) -> None:
    """Inline data next to block ends, attributes across blocks, directories of many blocks: read by the kernel."""
    release = os.uname().release
    driver = kind(
        *(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX),
        through_loop=kind is PagedErofsSnapshotter or not file_mounts_are_safe(release),
        one_by_one=takes_lowers_one_by_one(release),
    )
    blocks = [directory(b"links"), directory(b"xattrs"), directory(b"many"), directory(b"empty")]
    lengths = [*range(1, 40), *range(430, 460), 511, 512, 513, 1024, *range(4020, 4040), 4095]
    edges = range(55, 72)  # with these names a directory and its inode come to 4096 bytes, or nearly
    for length in edges:
        for name in (*(b"%0250d" % number for number in range(15)), b"n" * length):
            blocks.append(pax({b"path": b"edge%d/%s" % (length, name)}) + file(b""))
    for length in lengths:
        blocks.append(pax({b"linkpath": b"t" * length}) + symlink(b"links/%d" % length, b""))
    sizes = [0, 1, 3, 4, 400, 431, 432, 433, 3000, 4000]
    for size in sizes:
        blocks.append(pax({b"SCHILY.xattr.trusted.a": b"v" * size}) + file(b"xattrs/%d" % size))
    records = {b"SCHILY.xattr.user.%03d" % index: b"w" * index for index in range(120)}
    blocks.append(pax(records | {b"SCHILY.xattr.security.big": b"b" * 65535}) + file(b"xattrs/all", b"data"))
    blocks += [file(b"many/%05d" % index, mode=index % 0o1000) for index in range(20_000)]
    blocks += [pax({b"mtime": b"%d.123456789" % stamp}) + file(b"time%d" % stamp) for stamp in (-(2**33), 0, 2**40)]
    layer = store(driver, *blocks)
    with mounted(driver.view([layer])) as root:
        for length in lengths:
            assert os.readlink(root / f"links/{length}") == "t" * length
        for size in sizes:
            assert os.getxattr(root / f"xattrs/{size}", "trusted.a") == b"v" * size
        for index in range(120):
            assert os.getxattr(root / "xattrs/all", f"user.{index:03}") == b"w" * index
        assert os.getxattr(root / "xattrs/all", "security.big") == b"b" * 65535
        assert (root / "xattrs/all").read_bytes() == b"data"
        assert sorted(os.listdir(root / "many")) == [f"{index:05}" for index in range(20_000)]
        assert stat.S_IMODE((root / "many/00777").stat().st_mode) == 777 % 0o1000
        assert os.listdir(root / "empty") == []
        for length in edges:
            assert len(os.listdir(root / f"edge{length}")) == 16
            assert (root / f"edge{length}" / ("n" * length)).is_file()
        for stamp in (-(2**33), 0, 2**40):
            assert (root / f"time{stamp}").stat().st_mtime_ns == stamp * 10**9 + (
                123456789 if stamp >= 0 else -123456789
            )


@pytest.mark.parametrize("form", ["v7", "oldgnu", "gnu", "ustar", "posix"])
def test_what_gnu_tar_writes_in_each_of_its_formats(form: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "d/e").mkdir(parents=True)
    (source / "d/e/f").write_bytes(b"data" * 500)
    os.link(source / "d/e/f", source / "hard")
    os.symlink("d/e", source / "soft")
    os.chmod(source / "d", 0o1770)
    if form != "v7":
        os.mkfifo(source / "pipe")
        os.mknod(source / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    if form in ("gnu", "posix", "oldgnu"):
        long = source / ("n" * 150) / ("m" * 150)
        long.mkdir(parents=True)
        os.symlink("t" * 300, long / "ü")
        os.chown(long, 3_000_000, 3_000_001)
        os.utime(long, (2**35, 2**35))
    if form == "posix":
        os.setxattr(source / "d/e/f", "user.note", b"\0\n=")
        os.setxattr(source / "soft", "trusted.note", b"x", follow_symlinks=False)
    archive = subprocess.run(
        [
            *(GNU_TAR or "tar", "-c", f"--format={form}", "--xattrs", "--xattrs-include=*", "--numeric-owner"),
            *("-C", source, "."),
        ],
        capture_output=True,
        check=True,
    ).stdout
    expected = on_disk(str(source))
    assert in_memory(plant(archive), archive) == expected
    driver = ErofsSnapshotter(LayerDirectories(tmp_path / "root"), tmp_path / "run", LINUX)
    with mounted(driver.view([store(driver, archive)])) as root:
        assert on_disk(str(root)) == expected


def test_sparse_files_of_gnu_tar_are_refused_where_nobody_knows_of_holes(tmp_path: Path) -> None:
    with open(tmp_path / "holes", "wb") as file_object:
        file_object.truncate(1 << 20)
        file_object.seek(1 << 19)
        file_object.write(b"island")
    for form in ("gnu", "posix"):
        archive = subprocess.run(
            [GNU_TAR or "tar", "-cS", f"--format={form}", "-C", tmp_path, "holes"], capture_output=True, check=True
        ).stdout
        with pytest.raises(TarError, match=r"holes.*sparse"):
            plant(archive)
