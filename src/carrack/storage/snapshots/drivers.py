"""The drivers there are: their names and Docker's, where each keeps its layers, what it takes to open one.

What is not among them is refused with the reason and what to use. What a kernel's version says of it is asked here,
too; all else is tried (:mod:`probe`).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from carrack.errors import InvalidArgument
from carrack.linux import selinux
from carrack.storage.snapshots.btrfs import BtrfsSnapshotter, volume_directories
from carrack.storage.snapshots.copy import CopyLayers, CopySnapshotter
from carrack.storage.snapshots.erofs import ErofsLayers, ErofsSnapshotter
from carrack.storage.snapshots.erofspages import PagedErofsLayers, PagedErofsSnapshotter
from carrack.storage.snapshots.fuse import FuseLayers, FuseSnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.overlay import OverlayLayers, OverlaySnapshotter

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from carrack.linux.kernel import Kernel
    from carrack.storage.snapshots.base import LayerStore, Snapshotter

#: in the order of trying; the first two share their layers
DRIVERS: Final = ("erofs", "erofs-loop", "erofs-4k", "overlay", "btrfs", "fuse-overlayfs", "copy")
#: names that Docker and containerd have for the same
_ALIASES: Final = {"overlay2": "overlay", "overlayfs": "overlay", "vfs": "copy", "native": "copy"}
_REFUSED: Final = {
    "aufs": "AUFS never became part of Linux, and Docker removed it, too",
    "devicemapper": "Docker removed it, too; what a container may write is limited by --storage-opt size",
    "zfs": "ZFS is not part of Linux; a data root on it works with overlay (OpenZFS 2.2 and later) or fuse-overlayfs",
    "windowsfilter": "it is for containers of Windows",
    "lcow": "it was for Linux containers on Windows, and Docker removed it, too",
}
_STORES: Final = {"erofs-loop": "erofs"}
_LAYERS: Final[dict[str, Callable[[LayerDirectories], LayerStore]]] = {
    "erofs": ErofsLayers,
    "erofs-4k": PagedErofsLayers,
    "overlay": OverlayLayers,
    "btrfs": CopyLayers,
    "fuse-overlayfs": FuseLayers,
    "copy": CopyLayers,
}
_FIXED_6_12 = 20  # the fix is in much earlier stable releases; nothing is lost by asking for one that surely has it
_FILE_MOUNTS = (6, 12)
_ONE_BY_ONE = (6, 8)
_BY_DESCRIPTOR = (6, 15)


def find(wanted: str) -> str:
    """The driver that a user calls so. InvalidArgument, with the reason and what to use, for what is none."""
    name = _ALIASES.get(wanted, wanted)
    if name in DRIVERS:
        return name
    use = f"leave the choice to the daemon, or choose one of {', '.join(DRIVERS)}"
    if wanted in _REFUSED:
        raise InvalidArgument(f"storage driver {wanted} is not supported: {_REFUSED[wanted]}; {use}")
    raise InvalidArgument(f"unknown storage driver {wanted!r}: {use}")


def store(driver: str) -> str:
    """The folder that a driver keeps its layers in, which is the ``name`` of its Snapshotter."""
    return _STORES.get(driver, driver)


def open_layers(name: str, root: Path, step: Callable[[str], None] | None = None) -> LayerStore:
    """The layers in a folder given by ``store``, without mounts; ``step``: see LayerDirectories."""
    directories = LayerDirectories(root / name, step=step) if step else LayerDirectories(root / name)
    return _LAYERS[name](directories)


def open_driver(driver: str, root: Path, run_root: Path, kernel: Kernel, release: str, label: str = "") -> Snapshotter:
    """A driver as it is used on a kernel of that release. OSError or CarrackError when it cannot be.

    ``label``: the SELinux label of layers' files, if any.
    """
    if label and not driver.startswith("erofs"):
        selinux.adopt(str(root / store(driver)), label)
    one_by_one, by_descriptor = takes_lowers_one_by_one(release), takes_detached_mounts(release)
    if driver == "btrfs":
        return BtrfsSnapshotter(volume_directories(root, driver, kernel), kernel)
    if driver == "fuse-overlayfs":
        FuseSnapshotter.check()
        return FuseSnapshotter(LayerDirectories(root / driver), run_root, kernel)
    directories = LayerDirectories(root / store(driver))
    if driver == "copy":
        return CopySnapshotter(directories, kernel)
    if driver == "overlay":
        return OverlaySnapshotter(directories, run_root, kernel, one_by_one=one_by_one, by_descriptor=by_descriptor)
    kind = PagedErofsSnapshotter if driver == "erofs-4k" else ErofsSnapshotter
    through_loop = driver != "erofs"
    return kind(
        directories, run_root, kernel, through_loop=through_loop, one_by_one=one_by_one, by_descriptor=by_descriptor,
        label=label,
    )  # fmt: skip


def with_layers(root: Path) -> list[str]:
    """The drivers whose layers are there, in the order of trying."""
    return [driver for driver in DRIVERS if _has_layers(root / store(driver) / "layers")]


def file_mounts_are_safe(release: str) -> bool:
    """Whether that kernel is known to survive mounting our images from files."""
    version = _version(release)
    if version[:2] == _FILE_MOUNTS:
        return version[2] >= _FIXED_6_12
    return version[:2] > _FILE_MOUNTS


def takes_lowers_one_by_one(release: str) -> bool:
    """Whether that kernel's overlayfs has ``lowerdir+``."""
    return _version(release)[:2] >= _ONE_BY_ONE


def takes_detached_mounts(release: str) -> bool:
    """Whether that kernel's overlayfs has directories by descriptor, of mounts that are attached nowhere."""
    return _version(release)[:2] >= _BY_DESCRIPTOR


def _has_layers(path: Path) -> bool:
    return path.is_dir() and bool(os.listdir(path))


def _version(release: str) -> tuple[int, int, int]:
    """Of ``6.12.38+deb13-amd64``; all 0 when it is not of that form."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", release)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else (0, 0, 0)
