"""Layers that try to leave their root (security.md 2c, "tar"): refused, or kept inside, by every driver."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.suites.namespace import private_mounts
from tests.suites.snapshotter import leftovers, mounted, store
from tests.suites.tarballs import directory, file, hardlink, header, padded, pax, symlink
from tests.suites.trees import on_disk

from carrack.linux.syscalls import LINUX
from carrack.storage.snapshots.base import Snapshotter
from carrack.storage.snapshots.copy import CopySnapshotter
from carrack.storage.snapshots.erofs import ErofsSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlaySnapshotter
from carrack.storage.tarheader import TarError

pytestmark = pytest.mark.root

UP = b"../" * 30
#: OUT stands for a directory of the host, written as an absolute path
REFUSED: dict[str, list[bytes]] = {
    "dotdot": [file(UP + b"OUT/x")],
    "dotdot in the middle": [file(b"a/../../x")],
    "dotdot as whole name": [directory(b"..")],
    "dotdot by PAX path": [pax({b"path": UP + b"OUT/x"}) + file(b"innocent")],
    "dotdot by GNU long name": [header(b"l", b"L", 9) + padded(b"../../../x") + file(b"innocent")],
    "hard link to the host": [hardlink(b"h", UP + b"OUT/canary")],
    "hard link to an absolute path": [hardlink(b"h", b"OUT/canary")],
    "hard link through a link": [symlink(b"l", b"OUT"), hardlink(b"h", b"l/canary")],
    "hard link through a relative link": [symlink(b"l", UP + b"OUT"), hardlink(b"h", b"l/canary")],
    "hard link by PAX linkpath": [pax({b"linkpath": UP + b"OUT/canary"}) + hardlink(b"h", b"")],
    "whiteout of the parent": [file(b".wh...")],
    "whiteout of itself": [file(b".wh..")],
    "whiteout of nothing": [file(b".wh.")],
    "below a whiteout": [file(b".wh.OUT/x")],
    "NUL in a name": [pax({b"path": b"good\0/../../bad"}) + file(b"innocent")],
    "a file as root": [file(b".")],
    "a link as root": [symlink(b".", b"OUT")],
    "a link as root by another name": [symlink(b"././", b"OUT")],
    "a loop of links": [symlink(b"a", b"b"), symlink(b"b", b"a"), file(b"a/x")],
    "sparse": [header(b"s", b"S", 512) + bytes(512)],
    "sparse by PAX": [pax({b"GNU.sparse.realsize": b"1099511627776"}) + file(b"s")],
    "negative size": [header(b"f", b"0", -512)],
    "name over 4 KiB": [pax({b"path": b"d/" * 3000}) + file(b"f")],
    "component over 255": [pax({b"path": b"n" * 256}) + file(b"f")],
}

INSIDE: dict[str, list[bytes]] = {
    "absolute name": [file(b"OUT/x", b"evil")],
    "through an absolute link": [symlink(b"l", b"OUT"), file(b"l/canary", b"evil"), file(b"l/new", b"evil")],
    "through a relative link": [symlink(b"l", UP + b"OUT"), file(b"l/canary", b"evil")],
    "through a chain of links": [
        symlink(b"a", b"b/.."),
        symlink(b"b", UP),
        symlink(b"c", b"a/b/OUT"),
        file(b"c/canary", b"evil"),
    ],
    "write through a link of the same name": [symlink(b"f", b"OUT/canary"), file(b"f", b"evil")],
    "write through a hard link to a link": [
        symlink(b"f", b"OUT/canary"),
        hardlink(b"h", b"f"),
        file(b"h", b"evil"),
    ],
    "directory over a link": [symlink(b"d", b"OUT"), directory(b"d", mode=0o777), file(b"d/canary", b"evil")],
    "attributes through a link": [symlink(b"d", b"OUT"), directory(b"d/", mode=0o777, uid=666)],
    "whiteout through a link": [symlink(b"d", b"OUT"), file(b"d/.wh.canary")],
    "opaque through a link": [symlink(b"d", b"OUT"), file(b"d/.wh..wh..opq")],
    "magic links": [symlink(b"p", b"/proc/self/root"), file(b"p/OUT/canary", b"evil")],
    "magic cwd": [symlink(b"p", b"/proc/self/cwd"), file(b"p/canary", b"evil")],
    "open descriptors": [symlink(b"p", b"/proc/self/fd/3"), file(b"p/canary", b"evil")],
    "redirects of overlayfs": [
        pax({b"SCHILY.xattr.trusted.overlay.redirect": b"/etc", b"SCHILY.xattr.trusted.overlay.metacopy": b""})
        + directory(b"d")
    ],
    "devices": [header(b"sda", b"4", device=(8, 0)), header(b"mem", b"3", device=(1, 1), mode=0o666)],
    "links of a link swapped in": [
        directory(b"d"),
        file(b"d/x"),
        symlink(b"d", b"OUT"),
        file(b"d/canary", b"evil"),
        hardlink(b"d/again", b"d/canary"),
    ],
}


@pytest.fixture(scope="module", autouse=True)
def _namespace() -> Iterator[None]:
    with private_mounts():
        yield


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Path]:
    """A directory of the host that must be the same afterwards."""
    place = tmp_path / "outside"
    place.mkdir(mode=0o750)
    (place / "canary").write_text("alive")
    before = on_disk(str(tmp_path / "outside")), place.stat()
    yield place
    assert on_disk(str(tmp_path / "outside")) == before[0]
    assert (place.stat().st_mode, place.stat().st_uid) == (before[1].st_mode, before[1].st_uid)


@pytest.fixture(params=["erofs", "overlay", "copy"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshotter:
    made: dict[str, Callable[[LayerDirectories], Snapshotter]] = {
        "erofs": lambda directories: ErofsSnapshotter(directories, tmp_path / "run", LINUX),
        "overlay": lambda directories: OverlaySnapshotter(directories, tmp_path / "run", LINUX),
        "copy": lambda directories: CopySnapshotter(directories, LINUX),
    }
    return made[str(request.param)](LayerDirectories(tmp_path / "root"))


def aimed(blocks: list[bytes], outside: Path) -> list[bytes]:
    """With OUT replaced in names and link targets; long ones by PAX records."""
    aim = os.fsencode(outside)
    out = []
    for block in blocks:
        if b"OUT" not in block:
            out.append(block)
            continue
        records = {}
        for key, start, length in ((b"path", 0, 100), (b"linkpath", 157, 100)):
            value = block[-512:][start : start + length] if block[156:157] == b"x" else block[start : start + length]
            value = value.partition(b"\0")[0]
            if b"OUT" in value:
                records[key] = value.replace(b"OUT", aim)
        plain = block[-512:] if block[156:157] == b"x" else block
        if not records:  # the record itself names it
            records = {
                key: value.replace(b"OUT", aim)
                for key, value in ((b"path", UP + b"OUT/x"), (b"linkpath", UP + b"OUT/canary"))
                if key + b"=" in block
            }
        out.append(pax(records) + plain)
    return out


@pytest.mark.parametrize("attack", REFUSED)
def test_refused_and_nothing_left(attack: str, driver: Snapshotter, outside: Path, tmp_path: Path) -> None:
    writer = driver.layer_writer()
    blocks = [*aimed(REFUSED[attack], outside), bytes(1024)]
    with pytest.raises(TarError):
        _write(writer.write, writer.commit, blocks)
    writer.abort()
    assert driver.layers() == []
    assert leftovers(tmp_path) == []


def _write(write: Callable[[bytes], None], commit: Callable[[str], None], blocks: list[bytes]) -> None:
    for block in blocks:
        write(block)
    commit("sha256:" + "0" * 64)


@pytest.mark.parametrize("attack", INSIDE)
def test_kept_inside(attack: str, driver: Snapshotter, outside: Path) -> None:
    lower = store(driver, directory(b"etc"), symlink(b"l", os.fsencode(outside)), file(b"etc/passwd", b"kept"))
    layer = store(driver, *aimed(INSIDE[attack], outside))
    driver.prepare("key", [lower, layer])
    with mounted(driver.mount("key")) as root:
        assert (root / "etc/passwd").read_text() == "kept"
        on_disk(str(root))
    driver.remove("key")


def test_a_lower_link_to_the_host_is_not_followed_by_an_upper_layer(driver: Snapshotter, outside: Path) -> None:
    lower = store(driver, *aimed([symlink(b"data", b"OUT")], outside))
    layer = store(driver, file(b"data/canary", b"evil"), file(b"data/sub/new", b"evil"), file(b"data/.wh.gone"))
    driver.prepare("key", [lower, layer])
    with mounted(driver.mount("key")) as root:
        assert (root / "data/canary").read_text() == "evil"


def test_nesting_as_deep_as_links_can_make_it(driver: Snapshotter, outside: Path) -> None:
    """Each step goes through a link to the end of the last one, so real paths outgrow PATH_MAX."""
    deep = b"/".join([b"d"] * 200)
    blocks = [pax({b"path": deep}) + directory(b"x"), pax({b"linkpath": b"/" + deep}) + symlink(b"l0", b"")]
    for index in range(30):
        blocks += [
            pax({b"path": b"l%d/" % index + deep}) + directory(b"x"),
            pax({b"linkpath": b"l%d/" % index + deep}) + symlink(b"l%d" % (index + 1), b""),
        ]
    with pytest.raises(TarError, match=r"nested deeper|too many symbolic links"):
        store(driver, *blocks)
