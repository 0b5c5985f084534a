"""The driver of data roots on btrfs: a chain of layers is a subvolume, and a container a snapshot of it.

::

    <root>/layers/<hex>/layer.tar       the layer as it came
    <root>/chains/<hex>/fs/             a subvolume: a snapshot of the shorter chain's, and the top layer applied
    <root>/init/<hex>/fs/               as with the copy driver
    <root>/containers/<key>/fs/         a subvolume: a snapshot of the chain's, and the init layer laid over

Copies of all files in name, which share their blocks: that is all it has before the copy driver. How much a container
may write is the limit of what its subvolume shares with none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.errors import NotSupported
from carrack.linux import btrfs
from carrack.storage.removal import remove_tree
from carrack.storage.snapshots.copy import CopySnapshotter
from carrack.storage.snapshots.layerdirs import LayerDirectories
from carrack.storage.snapshots.rooms import check_size
from carrack.storage.walk import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from carrack.linux.kernel import FileKernel


def volume_directories(root: Path, name: str, kernel: FileKernel) -> LayerDirectories:
    """The driver's directories. NotSupported where there is no btrfs."""
    there = next(path for path in (root, *root.parents) if path.is_dir())
    with opened(there) as fd:
        if kernel.fstatfs_magic(fd) != btrfs.SUPER_MAGIC:
            raise NotSupported(f"{there} is not on btrfs: mount one there, or choose another driver")
    return LayerDirectories(root / name, remove=remove_volume)


class BtrfsSnapshotter(CopySnapshotter):
    """See Snapshotter."""

    name = "btrfs"

    def limiter(self, size: int) -> Callable[[Path], None]:
        """See CopySnapshotter."""
        check_size(self.directories.root, size)

        def limit(place: Path) -> None:
            with opened(place) as volume:
                btrfs.limit(volume, size, exclusive=True)

        return limit

    def duplicate(self, source: Path | None, target: Path) -> None:
        """See CopySnapshotter."""
        with opened(target.parent) as parent:
            if source is None:
                btrfs.create_subvolume(parent, target.name)
                return
            with opened(source) as original:
                btrfs.create_snapshot(original, parent, target.name)


def remove_volume(path: Path) -> None:
    """Remove a directory in which there may be a subvolume ``fs``, that at one go."""
    volume = path / "fs"
    if btrfs.is_subvolume(volume):
        with opened(path) as parent:
            with opened(volume) as fd:
                number = btrfs.identity(fd)
            try:
                btrfs.destroy(parent, volume.name)
            except OSError:  # there may be others in it, which a container has made
                remove_tree(volume)
            btrfs.forget_limit(parent, number)
    remove_tree(path)
