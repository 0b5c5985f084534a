"""EROFS for kernels that mount no blocks smaller than a page (before Linux 6.4): the data of every file starts a page.

The tar does not lie in the image as it came, but nothing of it is lost::

    <root>/layers/<hex>/layer.erofs     see carrack.storage.erofs: the files' data, padded, and the metadata
                        layer.rest      the tar without the files' data: headers, fillings, what follows the end
                        layer.places    of each file with data, in order: where in the tar it is, and its size (u64)

From the places follow those in the image, too: each file starts at the next page.
"""

from __future__ import annotations

import io
import os
import sys
from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING, BinaryIO, cast

from carrack.storage import erofs
from carrack.storage.durable import FLUSH, start_writeback, write_all, write_file
from carrack.storage.snapshots import damage
from carrack.storage.snapshots.base import LayerWriter
from carrack.storage.snapshots.erofs import IMAGE, ErofsLayers, ErofsSnapshotter, complete
from carrack.storage.tar import TarEntry, TarLimits, TarScanner
from carrack.storage.tree import Tree

if TYPE_CHECKING:
    from pathlib import Path

    from carrack.storage.snapshots.layerdirs import LayerDirectories

_REST, _PLACES = "layer.rest", "layer.places"
_PAGE = 1 << erofs.PAGE_BITS
_GLANCE = 4096  # bytes read at a time where mostly headers matter
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


class PagedErofsLayers(ErofsLayers):
    """The layers alone, as a worker process needs them: no mounts."""

    room = 0

    def layer_writer(self) -> LayerWriter:
        """See LayerStore."""
        return PagedErofsWriter(self.directories, self._limits)

    def take_over(self, fd: int, size: int, diff_id: str, tree: Tree | None = None) -> bool:
        """See LayerStore: the files' data has to move."""
        return False

    def open_tar(self, diff_id: str) -> BinaryIO | None:
        """See LayerStore."""
        size = self.directories.notes(diff_id).tar_size
        return cast("BinaryIO", _JoinedTar(self.directories.find(diff_id), size))

    def damage(self, diff_id: str) -> str:
        """See LayerStore."""
        try:
            if found := damage.of_layer(self.directories, diff_id, self.open_tar):
                return found
            with _JoinedTar(self.directories.find(diff_id), self.directories.notes(diff_id).tar_size) as tar:
                tree, held = _scan(tar, self._limits)
        except (OSError, ValueError) as error:
            return f"its tar cannot be put together again ({error})"
        return damage.of_image(self.image(diff_id), held, diff_id, tree, erofs.PAGE_BITS)


class PagedErofsSnapshotter(PagedErofsLayers, ErofsSnapshotter):
    """See Snapshotter."""

    name = "erofs-4k"


class PagedErofsWriter:
    """See LayerWriter. Data goes to its place in the image as it comes; the superblock is written last."""

    def __init__(self, directories: LayerDirectories, limits: TarLimits) -> None:
        self._directories = directories
        self._staging, self._fd = directories.begin_file(IMAGE)
        try:
            self._rest = os.open(self._staging / _REST, _NEW_FILE, 0o600)
        except OSError:
            os.close(self._fd)
            directories.discard(self._staging)
            raise
        os.lseek(self._fd, erofs.TAR_OFFSET, os.SEEK_SET)
        self._scanner = TarScanner(limits)
        self._tree = Tree()
        self._places = _Places()
        self._written = self._flushed = erofs.TAR_OFFSET

    def write(self, data: bytes | memoryview) -> None:
        """See LayerWriter."""
        view = memoryview(data)
        begin = self._scanner.offset
        files: list[bytes | memoryview] = []
        rest: list[memoryview] = []
        here = done = 0  # in this piece: where the present member's data goes on, and up to where all is dealt with
        for event in self._scanner.scan(view):
            if isinstance(event, TarEntry):
                here = event.offset - begin
                files.append(self._places.add(event))
                self._tree.add(event)
            else:
                rest.append(view[done:here])
                files.append(event)
                done = here = here + len(event)
        rest.append(view[done:])
        write_all(self._fd, b"".join(files))
        write_all(self._rest, b"".join(rest))
        self._written += sum(map(len, files))
        if self._written - self._flushed >= FLUSH:
            start_writeback(self._fd, self._flushed, self._written - self._flushed)
            self._flushed = self._written

    def commit(self, diff_id: str) -> None:
        """See LayerWriter."""
        self._scanner.finish()
        os.fsync(self._rest)
        write_file(self._staging / _PLACES, self._places.encoded())
        size, held = self._scanner.offset, self._places.held
        notes = complete(self._fd, self._tree, size, diff_id, self._directories.step, bits=erofs.PAGE_BITS, held=held)
        self._close()
        self._directories.commit(self._staging, diff_id, notes)

    def abort(self) -> None:
        """See LayerWriter."""
        self._close()
        self._directories.discard(self._staging)

    def _close(self) -> None:
        for fd in (self._fd, self._rest):
            if fd >= 0:
                os.close(fd)
        self._fd = self._rest = -1


class _Places:
    """Where the data of members is and goes. ``held``: bytes that the image has of data and filling."""

    def __init__(self) -> None:
        self._table = array("Q")
        self.held = 0

    def add(self, entry: TarEntry) -> bytes:
        """The next member: its offset becomes that in the image. Returns the filling before its data."""
        if not entry.size:
            return b""
        self._table.extend((entry.offset, entry.size))
        filling = bytes(-self.held % _PAGE)
        entry.offset = self.held + len(filling)
        self.held = entry.offset + entry.size
        return filling

    def encoded(self) -> bytes:
        """As stored."""
        return _little(self._table).tobytes()


def _scan(tar: io.RawIOBase, limits: TarLimits) -> tuple[Tree, int]:
    """The tree of a layer as its image has it, and what that holds; the data of files is not looked at."""
    scanner, tree, places = TarScanner(limits), Tree(), _Places()
    end = tar.seek(0, os.SEEK_END)
    tar.seek(0)
    while piece := tar.read(_GLANCE):
        for event in scanner.scan(piece):
            if isinstance(event, TarEntry):
                places.add(event)
                tree.add(event)
        tar.seek(scanner.pass_over(end - tar.tell()), os.SEEK_CUR)
    return tree, places.held


class _JoinedTar(io.RawIOBase):
    """The tar as it came, as a file: the rest with the files' data in between."""

    def __init__(self, folder: Path, size: int) -> None:
        places = array("Q")
        places.frombytes((folder / _PLACES).read_bytes())
        _little(places)
        #: where in the tar each stretch begins, from which file it comes (0 rest, 1 image), and where in that it is
        self._starts, self._sources, self._offsets = array("Q", [0]), bytearray([0]), array("Q", [0])
        position, rest, held = 0, 0, erofs.TAR_OFFSET
        for start, length in zip(places[::2], places[1::2], strict=True):
            rest += start - position
            held += -held % _PAGE
            self._begin(start, 1, held)
            position, held = start + length, held + length
            self._begin(position, 0, rest)
        self._size = size
        self._position = 0
        self._fds = [os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC) for name in (_REST, IMAGE)]

    def _begin(self, start: int, source: int, offset: int) -> None:
        self._starts.append(start)
        self._sources.append(source)
        self._offsets.append(offset)

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
        done = 0
        index = bisect_right(self._starts, self._position) - 1
        while done < len(view):
            end = self._starts[index + 1] if index + 1 < len(self._starts) else self._size
            wanted = view[done : done + end - self._position]
            if wanted:
                offset = self._offsets[index] + self._position - self._starts[index]
                count = os.preadv(self._fds[self._sources[index]], [wanted], offset)
                if not count:
                    raise OSError(0, "a stored layer is shorter than it should be")
                done += count
                self._position += count
            if self._position == end:
                index += 1
        return done

    def close(self) -> None:
        if not self.closed:
            for fd in self._fds:
                os.close(fd)
        super().close()


def _little(values: array[int]) -> array[int]:
    """Between this machine's order of bytes and that on disk."""
    if sys.byteorder == "big":
        values.byteswap()
    return values
