"""Layers on disk, whichever driver they belong to: one directory each, whole or absent.

::

    <root>/layers/<hex of diff id>/     a finished layer
        layer.erofs | fs/ | layer.tar   its content, in the driver's form
        notes                           what its tar did not say, see LayerNotes
    <root>/ingest/<random>/             something being made; garbage after a crash

The order of a commit: content on disk (the driver's business) → notes on disk → the directory's names on disk → rename
to the final name → the parent on disk. A layer that has its final name is therefore complete.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.errors import Internal, InvalidArgument, NotFound
from carrack.oci import digest as digests
from carrack.storage.durable import sync_directory, write_file
from carrack.storage.removal import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from carrack.storage.tree import Tree


@dataclass(frozen=True, slots=True)
class LayerNotes:
    """``implicit``: directories that no entry describes, which must not override lower ones; ``implicit_root``: the
    same of the root; ``hiding``: directories with whiteouts; ``opaque_root``: nothing of lower layers shows;
    ``tar_size``: bytes of the uncompressed tar."""

    implicit: tuple[bytes, ...]
    hiding: tuple[bytes, ...]
    implicit_root: bool
    opaque_root: bool
    tar_size: int

    @classmethod
    def of(cls, tree: Tree, tar_size: int) -> LayerNotes:
        """The notes of a layer whose entries made this tree; settles the tree's whiteouts."""
        hiding = tuple(tree.settle_whiteouts())
        return cls(tuple(tree.implicit_paths()), hiding, tree.root.implicit, tree.root.opaque, tar_size)

    def encode(self) -> bytes:
        """As stored."""
        document = {
            "implicit": [os.fsdecode(path) for path in self.implicit],
            "hiding": [os.fsdecode(path) for path in self.hiding],
            "implicit_root": self.implicit_root,
            "opaque_root": self.opaque_root,
            "tar_size": self.tar_size,
        }
        return json.dumps(document).encode()

    @classmethod
    def decode(cls, data: bytes) -> LayerNotes:
        """The reverse; ValueError, KeyError or TypeError on damage."""
        document = json.loads(data)
        implicit = tuple(os.fsencode(path) for path in document["implicit"])
        hiding = tuple(os.fsencode(path) for path in document["hiding"])
        return cls(implicit, hiding, document["implicit_root"], document["opaque_root"], int(document["tar_size"]))


def _nothing(step: str) -> None:
    pass


class LayerDirectories:
    """The tree of directories drawn above. ``step`` is told the name of each durable step before it is done, for tests
    of crashes; ``remove`` removes a directory with all that is in it."""

    def __init__(
        self,
        root: Path,
        *,
        step: Callable[[str], None] = _nothing,
        remove: Callable[[Path], None] = remove_tree,
    ) -> None:
        self.root = root
        self.step = step
        self._remove = remove
        self._layers = root / "layers"
        self._ingest = root / "ingest"
        self._locks: dict[Path, int] = {}
        self._notes: dict[str, LayerNotes] = {}  # they never change
        self._seen: dict[str, str] = {}  # where layers lie, as builds ask time and again
        for directory in (self._layers, self._ingest):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def has(self, diff_id: str) -> bool:
        """Whether the layer is here."""
        place = self._seen.get(diff_id)
        if place is None:
            place = str(self.path(diff_id))
        there = os.path.isdir(place)
        if there:
            self._seen[diff_id] = place
        return there

    def ids(self) -> list[str]:
        """The diff ids of all layers."""
        return [f"sha256:{name}" for name in os.listdir(self._layers) if digests.is_digest(f"sha256:{name}")]

    def path(self, diff_id: str) -> Path:
        """Where the layer lies, or would lie. InvalidArgument for what is no sha256 digest."""
        digests.validate(diff_id, "layer")
        if digests.algorithm(diff_id) != "sha256":
            raise InvalidArgument(f"layer {diff_id}: only sha256 is supported")
        return self._layers / digests.encoded(diff_id)

    def find(self, diff_id: str) -> Path:
        """Where the layer lies. NotFound."""
        path = self.path(diff_id)
        if not path.is_dir():
            raise NotFound(f"no such layer: {diff_id}")
        return path

    def notes(self, diff_id: str) -> LayerNotes:
        """What is known of a layer. NotFound; Internal when the file is damaged."""
        path = self.find(diff_id) / "notes"
        known = self._notes.get(diff_id)
        if known is not None:
            return known
        try:
            notes = self._notes[diff_id] = LayerNotes.decode(path.read_bytes())
        except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
            raise Internal(
                f"the notes of layer {diff_id} are damaged: remove {path.parent} and load it again"
            ) from error
        return notes

    def begin(self) -> Path:
        """A fresh directory to make something in, on the file system of the layers; ``publish`` or ``discard`` it.

        It is locked (flock(2)) while this process lives, so that a sweep can tell it from garbage.
        """
        while True:
            path = self._ingest / secrets.token_hex(16)
            path.mkdir(mode=0o700)
            try:
                lock = _lock(path)
            except FileNotFoundError:
                continue
            if lock >= 0 and os.fstat(lock).st_nlink:  # no sweep was quicker
                self._locks[path] = lock
                return path

    def begin_file(self, name: str) -> tuple[Path, int]:
        """The same with an empty file in it, and its descriptor (for reading and writing)."""
        staging = self.begin()
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            return staging, os.open(staging / name, flags, 0o600)
        except OSError:
            self.discard(staging)
            raise

    def commit(self, staging: Path, diff_id: str, notes: LayerNotes) -> None:
        """Give a directory from ``begin``, whose content is on disk, the name of its layer."""
        self.step("notes")
        write_file(staging / "notes", notes.encode())
        self.step("names")
        sync_directory(staging)
        self.step("rename")
        self.publish(staging, self.path(diff_id))
        self.step("done")

    def publish(self, staging: Path, target: Path) -> None:
        """Rename durably; when the target is there already, the new one is dropped."""
        try:
            os.rename(staging, target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            self.discard(staging)
            return
        self._unlock(staging)
        self.step("parent")
        sync_directory(target.parent)

    def remove(self, diff_id: str) -> None:
        """Forget a layer: first its name, then its bytes."""
        self._notes.pop(diff_id, None)
        self._seen.pop(diff_id, None)
        self.discard(self.path(diff_id))

    def discard(self, path: Path) -> None:
        """Remove a directory from ``begin``, or any other of this file system, which is whole until it has gone.

        Nothing happens when it is not there, as when it has got another name.
        """
        staging = path if path in self._locks else self._take_away(path)
        if staging is not None:
            self._remove(staging)
            self._unlock(staging)

    def _take_away(self, path: Path) -> Path | None:
        """Move a directory to where garbage lies. Nothing is made for it, so that it works on a full disk; therefore it
        is locked before it gets its new name."""
        try:
            lock = _lock(path)
        except FileNotFoundError:
            return None
        staging = self._ingest / secrets.token_hex(16)
        try:
            os.rename(path, staging)
        except OSError as error:
            if lock >= 0:
                os.close(lock)
            if isinstance(error, FileNotFoundError):
                return None
            raise
        if lock >= 0:
            self._locks[staging] = lock
        return staging

    def sweep(self) -> None:
        """Remove what processes that are no more have left unfinished."""
        for name in os.listdir(self._ingest):
            path = self._ingest / name
            try:
                lock = _lock(path)
            except FileNotFoundError:
                continue
            if lock >= 0:
                self._remove(path)
                os.close(lock)

    def _unlock(self, staging: Path) -> None:
        lock = self._locks.pop(staging, -1)
        if lock >= 0:
            os.close(lock)


def _lock(path: Path) -> int:
    """A descriptor that holds the lock of a directory, -1 when somebody else holds it."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return -1
    return fd
