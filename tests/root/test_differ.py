"""The differ on a real overlay: whiteouts, opaque directories, capabilities, and the layer tar that says the same."""

import io
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.suites import uppers

from carrack.linux.syscalls import LINUX
from carrack.storage.copytree import copy_tree
from carrack.storage.differ import ADDED, DELETED, MODIFIED, Change, changes, pack_upper

pytestmark = pytest.mark.root


class Overlay:
    """A detached overlay mount: nothing to clean up but its descriptor."""

    def __init__(self, base: Path) -> None:
        self.lower, self.upper = base / "lower", base / "upper"
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        self.base = base

    def mount(self) -> Path:
        options: list[tuple[str, str | int | None]] = [
            ("source", "overlay"),
            ("lowerdir", str(self.lower)),
            ("upperdir", str(self.upper)),
            ("workdir", str(self.base / "work")),
        ]
        self.fd = LINUX.new_mount("overlay", options)
        return Path(f"/proc/self/fd/{self.fd}")


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Overlay]:
    made = Overlay(tmp_path)
    for name in ("gone", "kept", "opaque/a", "opaque/b", "link-to-be", "deep/down/file"):
        path = made.lower / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    yield made
    os.close(made.fd)


def change_all(root: Path) -> None:
    (root / "gone").unlink()
    shutil.rmtree(root / "opaque")
    (root / "opaque").mkdir()
    (root / "opaque" / "a").write_text("again")
    (root / "link-to-be").unlink()
    (root / "link-to-be").symlink_to("kept")
    with (root / "deep/down/file").open("a") as file:
        file.write("more")
    (root / "new").write_text("new")
    os.setxattr(root / "new", "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))
    os.mknod(root / "null", 0o020666, os.makedev(1, 3))
    (root / "passing").write_text("")
    (root / "passing").unlink()


def test_changes(overlay: Overlay) -> None:
    change_all(overlay.mount())
    fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (overlay.upper, overlay.lower)]
    found = list(changes(*fds))
    for fd in fds:
        os.close(fd)
    assert found == [
        Change(MODIFIED, "/deep"),
        Change(MODIFIED, "/deep/down"),
        Change(MODIFIED, "/deep/down/file"),
        Change(DELETED, "/gone"),
        Change(MODIFIED, "/link-to-be"),
        Change(ADDED, "/new"),
        Change(ADDED, "/null"),
        Change(MODIFIED, "/opaque"),
        Change(MODIFIED, "/opaque/a"),
        Change(DELETED, "/opaque/b"),
    ]


def test_layer(overlay: Overlay) -> None:
    change_all(overlay.mount())
    out = io.BytesIO()
    fd = os.open(overlay.upper, os.O_RDONLY | os.O_DIRECTORY)
    pack_upper(fd, out.write)
    os.close(fd)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        assert tar.getnames() == [
            "deep", "deep/down", "deep/down/file", ".wh.gone", "link-to-be", "new", "null",
            "opaque", "opaque/.wh..wh..opq", "opaque/a",
        ]  # fmt: skip
        assert "SCHILY.xattr.security.capability" in tar.getmember("new").pax_headers
        assert not any("overlay" in key for member in tar for key in member.pax_headers)
        assert tar.getmember("null").ischr()


def test_quick_packing_is_the_same(overlay: Overlay) -> None:
    root = overlay.mount()
    change_all(root)
    uppers.fill(root / "more")
    (root / "more/d/.wh.dir").rmdir()
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    for index, owner in enumerate((0, 1000, 8**7 - 1, 8**7, 4_000_000_000)):
        os.chown(root / f"more/many/{index}", owner, 7)
        os.chown(root / f"more/many/{index + 50}", 7, owner)
        os.setxattr(root / f"more/many/{index + 100}", "security.capability", capability)
    os.chown(root / "more/empty", 1000, 2000)
    os.setxattr(root / "more/empty", "trusted.own", b"kept")
    os.mknod(root / "more/block", 0o060600, os.makedev(8, 300))
    shutil.rmtree(root / "deep")
    (root / "deep").mkdir()
    tar = uppers.agreed(overlay.upper)
    assert uppers.agreed(overlay.upper, newest=1_000_000_000) != tar
    assert tar.count(b".wh..wh..opq") == 3  # two of overlayfs's, and that of the name


def test_copy_keeps_devices_owners_and_capabilities(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    os.mknod(source / "null", 0o020666, os.makedev(1, 3))
    (source / "f").write_text("x")
    os.chown(source / "f", 1000, 100_000)
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(source / "f", "security.capability", capability)
    (source / "l").symlink_to("f")
    os.lchown(source / "l", 7, 8)
    fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, target)]
    copy_tree(LINUX, *fds)
    for fd in fds:
        os.close(fd)
    assert (target / "null").stat().st_rdev == os.makedev(1, 3)
    assert ((target / "f").stat().st_uid, (target / "f").stat().st_gid) == (1000, 100_000)
    assert os.getxattr(target / "f", "security.capability") == capability
    assert (target / "l").lstat().st_uid == 7
