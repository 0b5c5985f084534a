"""The default driver: a layer is one EROFS image around its own tar, made in one pass and mounted, never unpacked.

::

    <root>/layers/<hex>/layer.erofs     see carrack.storage.erofs for what is in it

Only images that this module wrote are ever mounted, since the kernel reads them with all its trust.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, BinaryIO, cast

from carrack.oci import digest as digests
from carrack.storage import erofs
from carrack.storage.durable import write_all
from carrack.storage.snapshots.base import LayerWriter
from carrack.storage.snapshots.layerdirs import LayerDirectories, LayerNotes
from carrack.storage.snapshots.mounts import LayerMounts
from carrack.storage.snapshots.overlaymount import OverlayMounter
from carrack.storage.snapshots.stack import OverlayStack, Stacked
from carrack.storage.tar import TarEntry, TarLimits, TarScanner
from carrack.storage.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from carrack.linux.kernel import Kernel

_IMAGE = "layer.erofs"
_FLUSH = 8 << 20


class ErofsLayers:
    """The layers alone, as a worker process needs them: no mounts."""

    def __init__(self, directories: LayerDirectories, limits: TarLimits | None = None) -> None:
        self.directories = directories
        self._limits = limits or TarLimits()

    def has_layer(self, diff_id: str) -> bool:
        """See LayerStore."""
        return self.directories.has(diff_id)

    def layers(self) -> list[str]:
        """See LayerStore."""
        return self.directories.ids()

    def layer_writer(self) -> LayerWriter:
        """See LayerStore."""
        return ErofsWriter(self.directories, self._limits)

    def open_tar(self, diff_id: str) -> BinaryIO | None:
        """See LayerStore."""
        notes = self.directories.notes(diff_id)
        return cast("BinaryIO", _TarRange(self.image(diff_id), notes.tar_size))

    def remove_layer(self, diff_id: str) -> None:
        """See LayerStore; the caller knows that nothing uses it."""
        self.directories.remove(diff_id)

    def image(self, diff_id: str) -> Path:
        """The image of a layer. NotFound."""
        return self.directories.find(diff_id) / _IMAGE


class ErofsSnapshotter(Stacked, ErofsLayers):
    """See Snapshotter. ``through_loop`` and ``one_by_one``: see LayerMounts and OverlayMounter."""

    name = "erofs"

    def __init__(
        self,
        directories: LayerDirectories,
        run_root: Path,
        kernel: Kernel,
        *,
        through_loop: bool = False,
        one_by_one: bool = True,
        limits: TarLimits | None = None,
    ) -> None:
        super().__init__(directories, limits)
        self.mounts = LayerMounts(run_root, kernel, through_loop=through_loop)
        self._mounter = OverlayMounter(run_root, kernel, one_by_one=one_by_one)
        self._stack = OverlayStack(directories, self._mounter, kernel, self._lower)

    def remove_layer(self, diff_id: str) -> None:
        """See LayerStore."""
        with self._stack.lock:
            self._stack.forget_layer(diff_id)
            self.mounts.release(diff_id)
            super().remove_layer(diff_id)

    def sweep(self, keys: Collection[str]) -> None:
        """See Snapshotter."""
        self.directories.sweep()
        with self._stack.lock:
            self._mounter.sweep()
            self.mounts.sweep(self._stack.needed(list(keys)))

    def _lower(self, diff_id: str) -> Path:
        return self.mounts.ensure(diff_id, self.image(diff_id))


class ErofsWriter:
    """See LayerWriter. The tar goes to its place in the image as it comes; the superblock is written last."""

    def __init__(self, directories: LayerDirectories, limits: TarLimits) -> None:
        self._directories = directories
        self._staging, self._fd = directories.begin_file(_IMAGE)
        os.lseek(self._fd, erofs.TAR_OFFSET, os.SEEK_SET)
        self._scanner = TarScanner(limits)
        self._tree = Tree()
        self._flushed = 0

    def write(self, data: bytes | memoryview) -> None:
        """See LayerWriter."""
        write_all(self._fd, data)
        for event in self._scanner.scan(data):
            if isinstance(event, TarEntry):
                self._tree.add(event)
        position = erofs.TAR_OFFSET + self._scanner.offset
        if position - self._flushed >= _FLUSH:
            # starts writing back what is new, so that the fsync at the end has little left; the pages stay cached,
            # since pages under write-back are not dropped
            os.posix_fadvise(self._fd, self._flushed, position - self._flushed, os.POSIX_FADV_DONTNEED)
            self._flushed = position

    def commit(self, diff_id: str) -> None:
        """See LayerWriter."""
        self._scanner.finish()
        size = self._scanner.offset
        notes = LayerNotes.of(self._tree, size)
        head, metadata = erofs.build(self._tree, size, bytes.fromhex(digests.encoded(diff_id))[:16])
        step = self._directories.step
        step("metadata")
        os.lseek(self._fd, erofs.metadata_offset(size), os.SEEK_SET)
        write_all(self._fd, metadata)
        step("superblock")
        os.lseek(self._fd, 0, os.SEEK_SET)
        write_all(self._fd, head)
        step("content")
        os.fsync(self._fd)
        self._close()
        self._directories.commit(self._staging, diff_id, notes)

    def abort(self) -> None:
        """See LayerWriter."""
        self._close()
        self._directories.discard(self._staging)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _TarRange(io.RawIOBase):
    """The tar inside an image, as a file."""

    def __init__(self, image: Path, size: int) -> None:
        self._fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        view = memoryview(buffer).cast("B")[: max(0, self._size - self._position)]
        count = os.preadv(self._fd, [view], erofs.TAR_OFFSET + self._position) if view else 0
        self._position += count
        return count

    def close(self) -> None:
        if not self.closed:
            os.close(self._fd)
        super().close()
