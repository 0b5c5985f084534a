"""The default driver: a layer is one EROFS image around its own tar, made in one pass and mounted, never unpacked.

::

    <root>/layers/<hex>/layer.erofs     see carrack.storage.erofs for what is in it

Only images that this module wrote are ever mounted, since the kernel reads them with all its trust.
"""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from carrack.oci import digest as digests
from carrack.storage import erofs
from carrack.storage.durable import FLUSH, start_writeback, write_all
from carrack.storage.snapshots import damage
from carrack.storage.snapshots.base import LayerWriter
from carrack.storage.snapshots.layerdirs import LayerDirectories, LayerNotes
from carrack.storage.snapshots.mounts import LayerMounts
from carrack.storage.snapshots.overlaymount import OverlayMounter
from carrack.storage.snapshots.rooms import Rooms
from carrack.storage.snapshots.stack import OverlayStack, Stacked
from carrack.storage.tar import LAYER, TarError, TarLimits, TarScanner
from carrack.storage.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from carrack.linux.kernel import Kernel

#: the name of the image in a layer's directory
IMAGE: Final = "layer.erofs"
_GLANCE, _LOOK = 4096, 1 << 16  # bytes read at a time where mostly headers matter: among large files, and small ones


class ErofsLayers:
    """The layers alone, as a worker process needs them: no mounts."""

    room = erofs.TAR_OFFSET

    def __init__(self, directories: LayerDirectories, limits: TarLimits | None = None) -> None:
        self.directories = directories
        self._limits = limits or LAYER

    def has_layer(self, diff_id: str) -> bool:
        """See LayerStore."""
        return self.directories.has(diff_id)

    def layers(self) -> list[str]:
        """See LayerStore."""
        return self.directories.ids()

    def layer_writer(self) -> LayerWriter:
        """See LayerStore."""
        return ErofsWriter(self.directories, self._limits)

    def take_over(self, fd: int, size: int, diff_id: str, tree: Tree | None = None) -> bool:
        """See LayerStore."""
        staging = self.directories.begin()
        try:
            if not _link(fd, staging / IMAGE):
                return False
            os.ftruncate(fd, self.room + size)  # an attempt before this one may have gone half-way
            tree = tree or _scan(fd, size, self._limits)
            notes = complete(fd, tree, size, diff_id, self.directories.step)
            self.directories.commit(staging, diff_id, notes)
            return True
        finally:
            self.directories.discard(staging)

    def open_tar(self, diff_id: str) -> BinaryIO | None:
        """See LayerStore."""
        notes = self.directories.notes(diff_id)
        return cast("BinaryIO", _TarRange(self.image(diff_id), notes.tar_size))

    def damage(self, diff_id: str) -> str:
        """See LayerStore."""
        found = damage.of_layer(self.directories, diff_id, self.open_tar)
        if found:
            return found
        size, image = self.directories.notes(diff_id).tar_size, self.image(diff_id)
        with image.open("rb") as file:
            return damage.of_image(image, size, diff_id, _scan(file.fileno(), size, self._limits))

    def remove_layer(self, diff_id: str) -> None:
        """See LayerStore; the caller knows that nothing uses it."""
        self.directories.remove(diff_id)

    def set_aside(self, diff_id: str, target: Path) -> None:
        """See LayerStore."""
        damage.set_aside(self.directories, diff_id, target)

    def image(self, diff_id: str) -> Path:
        """The image of a layer. NotFound."""
        return self.directories.find(diff_id) / IMAGE


class ErofsSnapshotter(Stacked, ErofsLayers):
    """See Snapshotter. ``through_loop`` and ``one_by_one``: see LayerMounts and OverlayMounter, which has
    ``label``, too."""

    name = "erofs"

    def __init__(
        self,
        directories: LayerDirectories,
        run_root: Path,
        kernel: Kernel,
        *,
        through_loop: bool = False,
        one_by_one: bool = True,
        by_descriptor: bool = False,
        label: str = "",
        limits: TarLimits | None = None,
    ) -> None:
        super().__init__(directories, limits)
        self.mounts = LayerMounts(run_root, kernel, through_loop=through_loop, label=label)
        self._mounter = OverlayMounter(run_root, kernel, one_by_one=one_by_one, by_descriptor=by_descriptor)
        rooms = Rooms(directories.root, run_root, kernel)
        self._stack = OverlayStack(directories, self._mounter, kernel, self._lower, rooms)

    def remove_layer(self, diff_id: str) -> None:
        """See LayerStore."""
        with self._stack.lock:
            self._stack.forget_layer(diff_id)
            self.mounts.release(diff_id)
            super().remove_layer(diff_id)

    def set_aside(self, diff_id: str, target: Path) -> None:
        """See LayerStore."""
        with self._stack.lock:
            self.mounts.release(diff_id)
            super().set_aside(diff_id, target)

    def sweep(self, keys: Collection[str]) -> None:
        """See Snapshotter."""
        self.directories.sweep()
        self._stack.sweep(keys)
        with self._stack.lock:
            self._mounter.sweep()
            self.mounts.sweep(self._stack.needed(list(keys)))

    def _lower(self, diff_id: str) -> Path:
        return self.mounts.ensure(diff_id, self.image(diff_id))


class ErofsWriter:
    """See LayerWriter. The tar goes to its place in the image as it comes; the superblock is written last."""

    def __init__(self, directories: LayerDirectories, limits: TarLimits) -> None:
        self._directories = directories
        self._staging, self._fd = directories.begin_file(IMAGE)
        os.lseek(self._fd, erofs.TAR_OFFSET, os.SEEK_SET)
        self._scanner = TarScanner(limits)
        self._tree = Tree()
        self._flushed = 0

    def write(self, data: bytes | memoryview) -> None:
        """See LayerWriter."""
        write_all(self._fd, data)
        _add(self._scanner, self._tree, data)
        position = erofs.TAR_OFFSET + self._scanner.offset
        if position - self._flushed >= FLUSH:
            start_writeback(self._fd, self._flushed, position - self._flushed)
            self._flushed = position

    def commit(self, diff_id: str) -> None:
        """See LayerWriter."""
        self._scanner.finish()
        notes = complete(self._fd, self._tree, self._scanner.offset, diff_id, self._directories.step)
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


def _link(fd: int, path: Path) -> bool:
    """Give an open file another name; False when it lies on another file system."""
    descriptors = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(str(fd), path, src_dir_fd=descriptors, follow_symlinks=True)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        return False
    finally:
        os.close(descriptors)
    return True


def _add(scanner: TarScanner, tree: Tree, data: bytes | memoryview) -> None:
    for entry in scanner.entries(data):
        tree.add(entry)


def _scan(fd: int, size: int, limits: TarLimits) -> Tree:
    """The tree of the tar that lies in an image; the data of its files is not looked at."""
    scanner, tree, position, glance = TarScanner(limits), Tree(), 0, _GLANCE
    while position < size:
        piece = os.pread(fd, min(glance, size - position), erofs.TAR_OFFSET + position)
        if not piece:
            raise TarError(f"the file ends {size - position} bytes early")
        _add(scanner, tree, piece)
        passed = scanner.pass_over(size - position - len(piece))
        position += len(piece) + passed
        glance = min(2 * glance, _LOOK) if passed < _GLANCE else _GLANCE
    scanner.finish()
    return tree


def complete(
    fd: int,
    tree: Tree,
    size: int,
    diff_id: str,
    step: Callable[[str], None],
    *,
    bits: int = erofs.TAR_BITS,
    held: int | None = None,
) -> LayerNotes:
    """Make an image of a file that has its data, and put it on disk; the superblock is written last.

    ``size``: bytes of the layer's tar; ``bits`` of a block and ``held``, the bytes that the image has of it, where it
    is not the tar as it came.
    """
    notes = LayerNotes.of(tree, size)
    moves, held = erofs.spread(tree, size if held is None else held, bits)
    head, metadata = erofs.build(tree, held, bytes.fromhex(digests.encoded(diff_id))[:16], bits)
    step("metadata")
    for move in moves:
        _copy(fd, move)
    os.lseek(fd, erofs.metadata_offset(held), os.SEEK_SET)
    write_all(fd, metadata)
    step("superblock")
    os.lseek(fd, 0, os.SEEK_SET)
    write_all(fd, head)
    step("content")
    os.fsync(fd)
    return notes


def _copy(fd: int, move: erofs.Move) -> None:
    done = 0
    while done < move.length:
        piece = os.pread(fd, min(move.length - done, FLUSH), erofs.TAR_OFFSET + move.source + done)
        if not piece:
            raise TarError("the file ends early")
        done += os.pwrite(fd, piece, erofs.TAR_OFFSET + move.target + done)


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
