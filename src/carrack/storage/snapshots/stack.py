"""Snapshots by overlayfs: layers below, a directory of changes on top. Shared by drivers that differ in layers only.

::

    <root>/containers/<key>/
        upper/      the snapshot's changes
        work/       overlayfs's own; both in a place of their own where the size is limited (rooms)
        chain       symbolic link to the init layer of its chain (which names the layers), or of the beginning of it
                    that says all of what an init layer depends on
        layers      then: its layers, base first, one per line
    <root>/init/<hex of chain id>/      init layers (chaincache, init_layer)
    <root>/mended/<hex of chain id>/    mending layers (chaincache, implicit)
    <root>/empty/a, b                   overlayfs wants at least two directories

A snapshot is not flushed to disk when it is made: without its container's record it is garbage, and after a power
cut ``mount`` says NotFound of one that did not make it, which ``prepare`` then makes again.

Options: ``metacopy=off``, ``redirect_dir=nofollow`` and ``index=off`` keep ``upper`` in the form of a layer, and keep
attributes that somebody else put there from redirecting lookups.
"""

from __future__ import annotations

import os
import re
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from carrack.errors import Conflict, InvalidArgument, NotFound
from carrack.oci import digest as digests
from carrack.storage.snapshots import implicit, init_layer
from carrack.storage.snapshots.chaincache import ChainCache
from carrack.storage.snapshots.overlaymount import forget_volatile
from carrack.storage.snapshots.skeleton import PLAIN, Attributes, directory_attributes
from carrack.storage.usage import tree_size
from carrack.storage.walk import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from carrack.linux.kernel import Kernel
    from carrack.storage.snapshots.base import Owners
    from carrack.storage.snapshots.layerdirs import LayerDirectories
    from carrack.storage.snapshots.overlaymount import OverlayMounter
    from carrack.storage.snapshots.rooms import Rooms

_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


class OverlayStack:
    """``lower`` gives the directory of a layer's files, mounting it if need be.

    ``lock`` is held while lower directories are looked up and mounted; whoever takes some away holds it too.
    """

    def __init__(
        self,
        layers: LayerDirectories,
        mounter: OverlayMounter,
        kernel: Kernel,
        lower: Callable[[str], Path],
        rooms: Rooms,
    ) -> None:
        self.lock = threading.RLock()
        self._layers = layers
        self._mounter = mounter
        self._kernel = kernel
        self._lower = lower
        self._containers = layers.root / "containers"
        self._rooms = rooms
        self._empty = [layers.root / "empty" / name for name in ("a", "b")]
        for directory in (self._containers, *self._empty):
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self._init = ChainCache(layers, "init", self._build_init)
        self._mended = ChainCache(layers, "mended", self._build_mended)
        self._fleeting: set[str] = set()  # those that are not lasting; a new daemon has none
        self._deciders: dict[str, bool] = {}  # of layers that are here; they never change
        self._roots: dict[str, Attributes] = {}

    def prepare(self, key: str, layers: Sequence[str], size: int = 0, *, lasting: bool = True) -> None:
        """See Snapshotter."""
        target = self._path(key)
        if target.is_dir():
            try:
                self.layers_of(key)
            except NotFound:
                self.remove(key)  # it is what a power cut has left of one
            else:
                raise Conflict(f"a snapshot {key} exists already")
        for diff_id in layers:
            self._layers.find(diff_id)
        with self.lock:
            base = self._deciding(layers)
            init, root = self._init.ensure(base), self._root_attributes(layers)
        staging = self._layers.begin()

        def fill(place: Path) -> None:
            for name in ("upper", "work"):
                (place / name).mkdir(mode=0o755)
            root.write(place / "upper")

        try:
            if size:
                self._rooms.make(staging, size, fill)
            else:
                fill(staging)
            os.symlink(os.path.relpath(init, target), staging / "chain")
            if len(base) < len(layers):
                (staging / "layers").write_text("\n".join(layers))
            os.rename(staging, target)
        finally:
            self._layers.discard(staging)
        if not lasting:
            self._fleeting.add(key)

    def mount(self, key: str, owners: Owners | None = None, label: str = "") -> int:
        """See Snapshotter."""
        path = self._rooms.place(key, self._find(key))
        with self.lock:
            lowers = [self._chain(key), *self._lowers(self.layers_of(key))]
            fleeting = key in self._fleeting
            if fleeting:
                forget_volatile(path / "work")
            return self._mounter.mount(lowers, path / "upper", path / "work", owners, label, lasting=not fleeting)

    def view(self, layers: Sequence[str], owners: Owners | None = None, label: str = "") -> int:
        """See Snapshotter."""
        with self.lock:
            lowers = self._lowers(layers)
            lowers += self._empty[: max(0, 2 - len(lowers))]
            return self._mounter.mount(lowers, owners=owners, label=label)

    def upper(self, key: str) -> Path:
        """See Snapshotter."""
        return self._rooms.place(key, self._find(key)) / "upper"

    def remove(self, key: str) -> None:
        """See Snapshotter."""
        path = self._path(key)
        self._fleeting.discard(key)
        self._rooms.release(key, path)
        self._layers.discard(path)

    def keys(self) -> list[str]:
        """See Snapshotter."""
        return os.listdir(self._containers)

    def sweep(self, keys: Collection[str]) -> None:
        """Unmount what snapshots other than these have of their own."""
        self._rooms.sweep(keys)

    def layers_of(self, key: str) -> list[str]:
        """The chain of a snapshot. NotFound."""
        chain = self._chain(key)
        return self._own_layers(self._path(key)) or self._init.layers(chain)

    def forget_layer(self, diff_id: str) -> None:
        """Drop what was derived from a layer. Conflict while a snapshot is based on it."""
        for key in self.keys():
            if diff_id in self._layers_if_any(key):
                raise Conflict(f"layer {diff_id} is in use by the snapshot of container {key}")
        self._deciders.pop(diff_id, None)
        self._roots.pop(diff_id, None)
        self._init.forget_layer(diff_id)
        self._mended.forget_layer(diff_id)

    def needed(self, keys: Sequence[str]) -> set[str]:
        """The layers that these snapshots are based on."""
        found: set[str] = set()
        chains: dict[str, Path] = {}  # many containers are of few images
        for key in keys:
            path = self._path(key)
            try:
                link = os.readlink(path / "chain")
            except OSError:
                continue
            chains.setdefault(link, path / link)
            with suppress(NotFound):
                found.update(self._own_layers(path))
        for chain in chains.values():
            try:
                found.update(self._init.layers(chain))
            except OSError:
                continue  # what these were based on is gone
        return found

    def _layers_if_any(self, key: str) -> list[str]:
        try:
            return self.layers_of(key)
        except NotFound:
            return []

    def _own_layers(self, path: Path) -> list[str]:
        """The layers that a snapshot has noted itself, if it has. NotFound when a power cut took what they were."""
        try:
            found = (path / "layers").read_text().split()
        except FileNotFoundError:
            return []
        if not found or not all(digests.is_digest(diff_id) for diff_id in found):
            raise NotFound(f"no snapshot {path.name}: its layers are not known any more")
        return found

    def _deciding(self, layers: Sequence[str]) -> Sequence[str]:
        """The beginning of a chain that has the same init layer as all of it: what comes after touches none of the
        paths that are looked at for that. (The chains of a build are one layer longer at every step.)"""
        count = len(layers)
        while count > 1 and not self._decides(layers[count - 1]):
            count -= 1
        return layers[:count]

    def _decides(self, diff_id: str) -> bool:
        known = self._deciders.get(diff_id)
        if known is None:
            notes = self._layers.notes(diff_id)
            names = os.listdir(self._lower(diff_id))
            known = not notes.implicit_root or notes.opaque_root or bool(notes.hiding)
            known = known or any(name in init_layer.TOPS or name.startswith(".wh.") for name in names)
            self._deciders[diff_id] = known
        return known

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise InvalidArgument(f"snapshot key {key!r}: only letters, figures and _.- are allowed")
        return self._containers / key

    def _find(self, key: str) -> Path:
        path = self._path(key)
        if not self._rooms.exists(path):
            raise NotFound(f"no snapshot {key}")
        return path

    def _chain(self, key: str) -> Path:
        """The init layer that a snapshot points to."""
        path = self._find(key)
        try:
            init = path / os.readlink(path / "chain")
            found = self._init.path(self._init.layers(init))
        except OSError as error:
            raise NotFound(f"no snapshot {key}: what it was based on is gone") from error
        return found

    def _lowers(self, layers: Sequence[str]) -> list[Path]:
        """The directories to overlay, topmost first.

        A layer that a chain has more than once (images do, mostly empty ones) counts where it is topmost: there it
        gives again, or hides again, all that it does further down; and overlayfs refuses to see it twice.
        """
        found: list[Path] = []
        roots = self._roots_below(layers)
        for index in range(len(layers) - 1, -1, -1):
            diff_id = layers[index]
            if diff_id in layers[index + 1 :]:
                continue
            if self._needs_mending(diff_id, roots[index]):
                found.append(self._mended.ensure(layers[: index + 1]))
            found.append(self._lower(diff_id))
            if self._layers.notes(diff_id).opaque_root:
                break  # overlayfs does not look for that mark on a root
        return found

    def _needs_mending(self, diff_id: str, below: Attributes | None) -> bool:
        """``below``: the attributes of the root of what is below a layer, None if that is nothing."""
        notes = self._layers.notes(diff_id)
        if notes.hiding:
            return True
        if below is None or notes.opaque_root:
            return False
        # most layers do not describe the root, which is as plain in most images: no mending for its time alone
        root = replace(below, mtime_ns=0) if notes.implicit_root else PLAIN
        return bool(notes.implicit) or root != PLAIN

    def _roots_below(self, layers: Sequence[str]) -> list[Attributes | None]:
        """For each layer of a chain the root's attributes below it: the topmost layer that describes it decides."""
        found: list[Attributes | None] = []
        root: Attributes | None = None
        for diff_id in layers:
            found.append(root)
            root = self._root_of(diff_id) or root or PLAIN
        return found

    def _root_attributes(self, layers: Sequence[str]) -> Attributes:
        """Of the root of a whole chain."""
        return next((root for diff_id in reversed(layers) if (root := self._root_of(diff_id))), PLAIN)

    def _root_of(self, diff_id: str) -> Attributes | None:
        """As a layer describes it, if it does."""
        if self._layers.notes(diff_id).implicit_root:
            return None
        if diff_id not in self._roots:
            fd = os.open(self._lower(diff_id), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                self._roots[diff_id] = directory_attributes(fd, "", self._kernel) or PLAIN
            finally:
                os.close(fd)
        return self._roots[diff_id]

    def _build_init(self, target: Path, layers: Sequence[str]) -> None:
        view = self.view(layers)
        try:
            init_layer.build(target, view, self._root_attributes(layers), self._kernel)
        finally:
            os.close(view)

    def _build_mended(self, target: Path, layers: Sequence[str]) -> None:
        view = self.view(layers[:-1])
        layer = os.open(self._lower(layers[-1]), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            implicit.mend(
                target,
                self._layers.notes(layers[-1]),
                self._root_attributes(layers),
                below_fd=view,
                layer_fd=layer,
                kernel=self._kernel,
            )
        finally:
            os.close(layer)
            os.close(view)


class Stacked:
    """The part of a Snapshotter that every driver on overlayfs leaves to its stack."""

    _stack: OverlayStack

    def prepare(self, key: str, layers: Sequence[str], size: int = 0, *, lasting: bool = True) -> None:
        """See Snapshotter."""
        self._stack.prepare(key, layers, size, lasting=lasting)

    def mount(self, key: str, owners: Owners | None = None, label: str = "") -> int:
        """See Snapshotter."""
        return self._stack.mount(key, owners, label)

    def view(self, layers: Sequence[str], owners: Owners | None = None, label: str = "") -> int:
        """See Snapshotter."""
        return self._stack.view(layers, owners, label)

    def upper(self, key: str) -> Path:
        """See Snapshotter."""
        return self._stack.upper(key)

    @contextmanager
    def changes(self, key: str) -> Iterator[int]:
        """See Snapshotter."""
        with opened(self._stack.upper(key)) as fd:
            yield fd

    def size(self, key: str) -> int:
        """See Snapshotter."""
        return tree_size(self._stack.upper(key))

    def remove(self, key: str) -> None:
        """See Snapshotter."""
        self._stack.remove(key)

    def keys(self) -> list[str]:
        """See Snapshotter."""
        return self._stack.keys()
