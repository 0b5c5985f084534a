"""The driver for kernels without EROFS, and for file systems that cannot hold its images: layers as directories.

::

    <root>/layers/<hex>/fs/     the files in overlayfs form: whiteouts are devices 0:0, opaque directories marked
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from carrack.linux.syscalls import LINUX
from carrack.storage.extract import Extractor
from carrack.storage.snapshots import damage
from carrack.storage.snapshots.base import LayerWriter
from carrack.storage.snapshots.layerdirs import LayerDirectories, LayerNotes
from carrack.storage.snapshots.overlaymount import OverlayMounter
from carrack.storage.snapshots.rooms import Rooms
from carrack.storage.snapshots.stack import OverlayStack, Stacked
from carrack.storage.tar import LAYER, TarEntry, TarLimits, TarScanner

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from carrack.linux.kernel import FileKernel, Kernel
    from carrack.storage.tree import Tree

_FILES = "fs"


class OverlayLayers:
    """The layers alone, as a worker process needs them: no mounts. ``by_name``: see Extractor."""

    room = 0
    by_name = False

    def __init__(
        self, directories: LayerDirectories, limits: TarLimits | None = None, kernel: FileKernel = LINUX
    ) -> None:
        self.directories = directories
        self._limits = limits or LAYER
        self._files = kernel

    def has_layer(self, diff_id: str) -> bool:
        """See LayerStore."""
        return self.directories.has(diff_id)

    def layers(self) -> list[str]:
        """See LayerStore."""
        return self.directories.ids()

    def layer_writer(self) -> LayerWriter:
        """See LayerStore."""
        return OverlayWriter(self.directories, self._limits, self._files, by_name=self.by_name)

    def take_over(self, fd: int, size: int, diff_id: str, tree: Tree | None = None) -> bool:
        """See LayerStore: directories are made of its files, not of the tar."""
        return False

    def open_tar(self, diff_id: str) -> BinaryIO | None:
        """See LayerStore: directories do not keep the bytes they were made from."""
        self.directories.find(diff_id)
        return None

    def damage(self, diff_id: str) -> str:
        """See LayerStore."""
        return damage.of_layer(self.directories, diff_id, self.open_tar)

    def remove_layer(self, diff_id: str) -> None:
        """See LayerStore; the caller knows that nothing uses it."""
        self.directories.remove(diff_id)

    def set_aside(self, diff_id: str, target: Path) -> None:
        """See LayerStore."""
        damage.set_aside(self.directories, diff_id, target)

    def files(self, diff_id: str) -> Path:
        """The directory of a layer's files. NotFound."""
        return self.directories.find(diff_id) / _FILES


class OverlaySnapshotter(Stacked, OverlayLayers):
    """See Snapshotter. ``one_by_one``, ``by_descriptor``: see OverlayMounter, whose place ``mounter`` may take."""

    name = "overlay"

    def __init__(
        self,
        directories: LayerDirectories,
        run_root: Path,
        kernel: Kernel,
        *,
        one_by_one: bool = True,
        by_descriptor: bool = False,
        limits: TarLimits | None = None,
        mounter: OverlayMounter | None = None,
    ) -> None:
        super().__init__(directories, limits, kernel)
        self._mounter = mounter or OverlayMounter(run_root, kernel, one_by_one=one_by_one, by_descriptor=by_descriptor)
        rooms = Rooms(directories.root, run_root, kernel)
        self._stack = OverlayStack(directories, self._mounter, kernel, self.files, rooms)

    def remove_layer(self, diff_id: str) -> None:
        """See LayerStore."""
        with self._stack.lock:
            self._stack.forget_layer(diff_id)
            super().remove_layer(diff_id)

    def sweep(self, keys: Collection[str]) -> None:
        """See Snapshotter."""
        self.directories.sweep()
        self._stack.sweep(keys)
        with self._stack.lock:
            self._mounter.sweep()


class OverlayWriter:
    """See LayerWriter. One flush of the whole file system at the end (syncfs(2)) instead of one per file."""

    def __init__(
        self, directories: LayerDirectories, limits: TarLimits, kernel: FileKernel, *, by_name: bool = False
    ) -> None:
        self._directories = directories
        self._kernel = kernel
        self._staging = directories.begin()
        try:
            (self._staging / _FILES).mkdir(mode=0o755)
            self._fd = os.open(self._staging / _FILES, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            directories.discard(self._staging)
            raise
        self._scanner = TarScanner(limits)
        self._extractor = Extractor(self._fd, kernel, overlay=True, by_name=by_name)

    def write(self, data: bytes | memoryview) -> None:
        """See LayerWriter."""
        for event in self._scanner.scan(data):
            if isinstance(event, TarEntry):
                self._extractor.entry(event)
            else:
                self._extractor.data(event)

    def commit(self, diff_id: str) -> None:
        """See LayerWriter."""
        self._scanner.finish()
        notes = LayerNotes.of(self._extractor.tree, self._scanner.offset)
        self._extractor.finish()
        self._directories.step("content")
        self._kernel.syncfs(self._fd)
        self._close()
        self._directories.commit(self._staging, diff_id, notes)

    def abort(self) -> None:
        """See LayerWriter."""
        self._close()
        self._directories.discard(self._staging)

    def _close(self) -> None:
        self._extractor.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
