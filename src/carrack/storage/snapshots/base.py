"""What a snapshot driver is.

A *layer* comes in as an uncompressed tar through a :class:`LayerWriter` and is kept under its diff id, the digest of
that tar: whole or not at all, whatever happens meanwhile. A *chain* is a list of layers, the base first. A *snapshot*
is a writable file system on top of a chain, under a key of the caller's (a container's id): ``prepare`` makes it,
``mount`` hands out a mount of it that is attached nowhere, as often as wanted, ``remove`` ends it. ``view`` is a
chain read-only, without a key.

Below a snapshot, above the image, lies the *init layer*: mount points that every container needs (/dev, /proc,
/etc/hosts …) where the image lacks them, so that they never count as the container's changes.

The drivers' own trees on disk: :mod:`layerdirs` for layers, :mod:`stack` for snapshots of overlay drivers, :mod:`copy`
for those of whole trees. Which drivers there are: :mod:`drivers`.
All methods block; none may be called on an event loop.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from carrack.storage.tree import Tree


class Owners(NamedTuple):
    """User namespaces (descriptors) that say as whom the ids in a snapshot are shown: those of its ``layers``, and of
    the ``changes`` on top, where whoever mounts has an id, too (see mappedparts). Ids on disk stay as they are."""

    layers: int
    changes: int


class LayerWriter(Protocol):
    """One layer on its way in. Exactly one of ``commit`` and ``abort`` ends it; a second end does nothing."""

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes of the uncompressed tar. TarError when it is malformed."""

    def commit(self, diff_id: str) -> None:
        """All bytes have come and their digest is ``diff_id``, which the caller has verified.

        On return the layer is on disk. A layer that is there already stays as it is.
        """

    def abort(self) -> None:
        """Leave nothing behind."""


class LayerStore(Protocol):
    """The layers a driver keeps. ``room``: bytes to leave free in front of a plain tar in a file, so that ``take_over``
    can make the file a layer; 0 where it never can."""

    @property
    def room(self) -> int: ...

    def has_layer(self, diff_id: str) -> bool:
        """Whether the layer is here, whole."""
        ...

    def layers(self) -> list[str]:
        """The diff ids of all layers."""
        ...

    def layer_writer(self) -> LayerWriter:
        """Begin to store a layer."""
        ...

    def take_over(self, fd: int, size: int, diff_id: str, tree: Tree | None = None) -> bool:
        """Store the layer that lies as a plain tar of that size in a file, ``room`` bytes from its begin, by making the
        file its own: nothing is copied. ``diff_id`` is the tar's digest, which the caller has verified; the descriptor
        is for reading and writing, and the caller removes its name of the file. ``tree``: what the tar says, from who
        has written it; without one, the tar is read.

        False when the driver, or the place of the file, does not allow it; then nothing has happened. TarError, and
        then nothing of it is kept here.
        """
        ...

    def open_tar(self, diff_id: str) -> BinaryIO | None:
        """Exactly the bytes that came in, where the driver keeps them. NotFound for an unknown layer."""
        ...

    def damage(self, diff_id: str) -> str:
        """What is wrong with a layer, as far as its content can be compared with what it was; "" for nothing.
        NotFound."""
        ...

    def remove_layer(self, diff_id: str) -> None:
        """Forget a layer; Conflict while a snapshot uses it, nothing when it is not here."""

    def set_aside(self, diff_id: str, target: Path) -> None:
        """Move a damaged layer away, so that it can be made again; ``target`` lies on the same file system, and is not
        there. Snapshots go on with what they have mounted, and are mounted with the new one the next time. NotFound."""


class Snapshotter(LayerStore, Protocol):
    """A driver. Snapshots are made of its own layers only."""

    name: str

    def prepare(self, key: str, layers: Sequence[str], size: int = 0, *, lasting: bool = True) -> None:
        """A new snapshot on a chain, which may take that many bytes (0: no limit). One that is not ``lasting`` is of no
        use after a crash: nothing waits until what is written in it is on disk, neither fsync(2) nor its unmounting.

        Conflict if the key is taken, NotFound if a layer is missing; InvalidArgument or NotSupported for a size that
        cannot be.
        """

    def mount(self, key: str, owners: Owners | None = None, label: str = "") -> int:
        """The snapshot's root file system, writable: the descriptor of a detached mount. NotFound; NotSupported when
        ``owners`` are given and a file system in it cannot map ids. All its files have that SELinux label, if any.

        Overlayfs does not define what happens when two such mounts of one snapshot are written to at a time: to have
        a running container's files, use its own mount (or a clone of it, open_tree(2)).
        """
        ...

    def view(self, layers: Sequence[str], owners: Owners | None = None, label: str = "") -> int:
        """A chain, read-only, without init layer: the descriptor of a detached mount. NotFound, NotSupported."""
        ...

    def upper(self, key: str) -> Path:
        """The directory of the snapshot's own changes in overlayfs form. NotFound; NotSupported by ``copy`` and
        ``btrfs``, which have none."""
        ...

    def changes(self, key: str) -> AbstractContextManager[int]:
        """The snapshot's own changes in overlayfs form, or with what is removed named as in layers (see
        carrack.storage.differ): the descriptor of a directory, valid within the context, in which nothing may be
        written. Drivers without ``upper`` compare all files first. NotFound."""
        ...

    def size(self, key: str) -> int:
        """Bytes of the regular files among the snapshot's own changes. NotFound."""
        ...

    def remove(self, key: str) -> None:
        """End a snapshot; nothing when it is not here. Mounts of it that still exist lose their files."""

    def keys(self) -> list[str]:
        """The keys of all snapshots."""
        ...

    def sweep(self, keys: Collection[str]) -> None:
        """Remove garbage of crashes, and mounts of layers that no snapshot among ``keys`` needs."""


def chain_id(layers: Sequence[str]) -> str:
    """The name of a chain: OCI image-spec, config.md, "Layer ChainID"; that of no layers is the digest of nothing."""
    result = ""
    for diff_id in layers:
        result = f"sha256:{hashlib.sha256(f'{result} {diff_id}'.encode()).hexdigest()}" if result else diff_id
    return result or f"sha256:{hashlib.sha256(b'').hexdigest()}"
