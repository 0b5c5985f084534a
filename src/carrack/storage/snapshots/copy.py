"""The last resort, where overlayfs cannot be used at all: every snapshot is a full copy of its image.

::

    <root>/layers/<hex>/layer.tar       the layer as it came
    <root>/chains/<hex>/fs/             a chain unpacked (chaincache): its parent's copy, and the top layer applied
    <root>/init/<hex>/fs/               the init layer of a chain (chaincache, init_layer)
    <root>/containers/<key>/fs/         the snapshot: the chain's copy, the init layer laid over
                            chain       symbolic link to the chain, made last of all

There is no directory of changes, so ``upper`` is refused; ``changes`` compares all files (treechanges).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from typing import TYPE_CHECKING, BinaryIO

from carrack.errors import Conflict, InvalidArgument, NotFound, NotSupported
from carrack.linux import idmap, selinux
from carrack.linux.mount import AT_FDCWD, MOUNT_ATTR_RDONLY, OPEN_TREE_CLONE
from carrack.storage.copytree import copy_tree
from carrack.storage.durable import write_all
from carrack.storage.extract import Extractor, hide
from carrack.storage.removal import remove_tree
from carrack.storage.snapshots import damage, init_layer
from carrack.storage.snapshots.base import LayerWriter
from carrack.storage.snapshots.chaincache import ChainCache
from carrack.storage.snapshots.layerdirs import LayerDirectories, LayerNotes
from carrack.storage.snapshots.skeleton import Attributes, file_mode
from carrack.storage.snapshots.treechanges import Origin, collect, size_of_changes
from carrack.storage.tar import LAYER, TarEntry, TarLimits, TarReader, TarScanner
from carrack.storage.tree import Tree
from carrack.storage.walk import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from carrack.linux.kernel import Kernel
    from carrack.storage.snapshots.base import Owners

_TAR = "layer.tar"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class CopyLayers:
    """The layers alone, as a worker process needs them."""

    room = 0

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
        return CopyWriter(self.directories, self._limits)

    def take_over(self, fd: int, size: int, diff_id: str, tree: Tree | None = None) -> bool:
        """See LayerStore: the tar is copied."""
        return False

    def open_tar(self, diff_id: str) -> BinaryIO | None:
        """See LayerStore."""
        return open(self.directories.find(diff_id) / _TAR, "rb", buffering=0)

    def damage(self, diff_id: str) -> str:
        """See LayerStore."""
        return damage.of_layer(self.directories, diff_id, self.open_tar)

    def remove_layer(self, diff_id: str) -> None:
        """See LayerStore; the caller knows that nothing uses it."""
        self.directories.remove(diff_id)

    def set_aside(self, diff_id: str, target: Path) -> None:
        """See LayerStore."""
        damage.set_aside(self.directories, diff_id, target)


class CopySnapshotter(CopyLayers):
    """See Snapshotter."""

    name = "copy"

    def __init__(self, directories: LayerDirectories, kernel: Kernel, *, limits: TarLimits | None = None) -> None:
        super().__init__(directories, limits)
        self._kernel = kernel
        self._containers = directories.root / "containers"
        self._containers.mkdir(mode=0o700, exist_ok=True)
        self._chains = ChainCache(directories, "chains", self._build_chain, self._flush)
        self._init = ChainCache(directories, "init", self._build_init)

    def remove_layer(self, diff_id: str) -> None:
        """See LayerStore."""
        for key in self.keys():
            if diff_id in self._layers_of(key):
                raise Conflict(f"layer {diff_id} is in use by the snapshot of container {key}")
        self._chains.forget_layer(diff_id)
        self._init.forget_layer(diff_id)
        super().remove_layer(diff_id)

    def prepare(self, key: str, layers: Sequence[str], size: int = 0, *, lasting: bool = True) -> None:
        """See Snapshotter."""
        limit = self.limiter(size) if size else None
        target = self._path(key)
        if target.is_dir():
            raise Conflict(f"a snapshot {key} exists already")
        chain, init = self._chains.ensure(layers), self._init.ensure(layers)
        staging = self.directories.begin()
        try:
            self.duplicate(chain, staging / "fs")
            self._lay(init, staging / "fs")
            if limit is not None:
                limit(staging / "fs")
            os.symlink(os.path.relpath(chain, target), staging / "chain")
            os.rename(staging, target)
        finally:
            self.directories.discard(staging)

    def mount(self, key: str, owners: Owners | None = None, label: str = "") -> int:
        """See Snapshotter."""
        path = self._path(key) / "fs"
        if not path.is_dir():
            raise NotFound(f"no snapshot {key}")
        if label:  # on the files themselves: this is no file system of its own
            selinux.relabel(str(path), label)
        return self._clone(path, owners)

    def _clone(self, path: Path, owners: Owners | None) -> int:
        if owners is not None:
            return idmap.clone(self._kernel, str(path), owners.layers)
        return self._kernel.open_tree(AT_FDCWD, str(path), OPEN_TREE_CLONE)

    def view(self, layers: Sequence[str], owners: Owners | None = None, label: str = "") -> int:
        """See Snapshotter; its files keep the label that all read."""
        fd = self._clone(self._chains.ensure(layers), owners)
        self._kernel.mount_setattr(fd, "", set_flags=MOUNT_ATTR_RDONLY)
        return fd

    def upper(self, key: str) -> Path:
        """See Snapshotter."""
        raise NotSupported(f"the {self.name} driver does not keep a container's changes apart: use erofs or overlay")

    @contextlib.contextmanager
    def changes(self, key: str) -> Iterator[int]:
        """See Snapshotter."""
        staging = self.directories.begin()
        try:
            (staging / "changes").mkdir(mode=0o755)
            with self._origin(key) as origin:
                collect(self._path(key) / "fs", origin, staging / "changes", self._kernel)
            with opened(staging / "changes") as fd:
                yield fd
        finally:
            self.directories.discard(staging)

    def size(self, key: str) -> int:
        """See Snapshotter."""
        with self._origin(key) as origin:
            return size_of_changes(self._path(key) / "fs", origin)

    @contextlib.contextmanager
    def _origin(self, key: str) -> Iterator[Origin]:
        path = self._path(key)
        if not (path / "fs").is_dir():
            raise NotFound(f"no snapshot {key}")
        layers = self._layers_of(key)
        since = os.lstat(path / "chain").st_mtime_ns
        origin = Origin(self._chains.ensure(layers), self._init.ensure(layers), since, self._kernel)
        try:
            yield origin
        finally:
            origin.close()

    def remove(self, key: str) -> None:
        """See Snapshotter."""
        self.directories.discard(self._path(key))

    def keys(self) -> list[str]:
        """See Snapshotter."""
        return os.listdir(self._containers)

    def sweep(self, keys: Collection[str]) -> None:
        """See Snapshotter."""
        self.directories.sweep()

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise InvalidArgument(f"snapshot key {key!r}: only letters, figures and _.- are allowed")
        return self._containers / key

    def _layers_of(self, key: str) -> list[str]:
        path = self._path(key)
        try:
            return self._chains.layers(path / os.readlink(path / "chain"))
        except FileNotFoundError:
            return []

    def limiter(self, size: int) -> Callable[[Path], None]:
        """What lets a new snapshot's tree grow by so many bytes. InvalidArgument or NotSupported as ``prepare``."""
        raise NotSupported(
            "storage-opt size: the copy driver cannot limit what a container writes: use erofs or overlay"
        )

    def duplicate(self, source: Path | None, target: Path) -> None:
        """Make ``target`` a copy of a tree; without one, an empty directory."""
        target.mkdir(mode=0o755)
        if source is not None:
            with opened(source) as source_fd, opened(target) as target_fd:
                copy_tree(self._kernel, source_fd, target_fd)

    def _build_chain(self, target: Path, layers: Sequence[str]) -> None:
        target.rmdir()
        if layers:
            self.directories.find(layers[-1])
        self.duplicate(self._chains.ensure(layers[:-1]) if len(layers) > 1 else None, target)
        if layers:
            with opened(target) as root:
                self._apply(root, layers[-1])

    def _flush(self, path: Path) -> None:
        with opened(path) as fd:
            self._kernel.syncfs(fd)

    def _build_init(self, target: Path, layers: Sequence[str]) -> None:
        with opened(self._chains.ensure(layers)) as view:
            init_layer.build(target, view, Attributes.read(view), self._kernel)

    def _apply(self, root: int, diff_id: str) -> None:
        path = self.directories.find(diff_id) / _TAR
        tree = Tree()
        with open(path, "rb", buffering=0) as source:
            for entry in TarReader(source, self._limits):
                tree.add(entry)
        hide(root, tree, self._kernel)
        extractor = Extractor(root, self._kernel, overlay=False)
        try:
            with open(path, "rb", buffering=0) as source:
                reader = TarReader(source, self._limits)
                for entry in reader:
                    extractor.entry(entry)
                    for piece in reader.data():
                        extractor.data(piece)
            extractor.finish()
        finally:
            extractor.close()

    def _lay(self, init: Path, target: Path) -> None:
        """Lay an init layer over a copy, as overlayfs would."""
        with opened(target) as root:
            for folder, directories, files in os.walk(init):
                below = os.path.relpath(folder, init)
                for name in directories:
                    self._lay_directory(root, os.path.normpath(f"{below}/{name}"))
                for name in files:
                    self._lay_file(root, os.path.normpath(f"{below}/{name}"), os.path.join(folder, name))

    def _lay_directory(self, root: int, path: str) -> None:
        if not stat.S_ISDIR(file_mode(root, path, self._kernel) or 0):
            remove_tree(path, dir_fd=root)
            os.mkdir(path, 0o755, dir_fd=root)

    def _lay_file(self, root: int, path: str, source: str) -> None:
        """An empty file or a symbolic link."""
        remove_tree(path, dir_fd=root)
        found = os.lstat(source)
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(source), path, dir_fd=root)
        else:
            fd = os.open(path, _NEW_FILE, 0o600, dir_fd=root)
            os.fchmod(fd, stat.S_IMODE(found.st_mode))
            os.close(fd)
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=root, follow_symlinks=False)


class CopyWriter:
    """See LayerWriter. What no layer may hold is refused here, not when the first container is made of it."""

    def __init__(self, directories: LayerDirectories, limits: TarLimits) -> None:
        self._directories = directories
        self._staging, self._fd = directories.begin_file(_TAR)
        self._scanner = TarScanner(limits)
        self._tree = Tree()

    def write(self, data: bytes | memoryview) -> None:
        """See LayerWriter."""
        write_all(self._fd, data)
        for event in self._scanner.scan(data):
            if isinstance(event, TarEntry):
                self._tree.add(event)

    def commit(self, diff_id: str) -> None:
        """See LayerWriter."""
        self._scanner.finish()
        self._directories.step("content")
        os.fsync(self._fd)
        self._close()
        self._directories.commit(self._staging, diff_id, LayerNotes.of(self._tree, self._scanner.offset))

    def abort(self) -> None:
        """See LayerWriter."""
        self._close()
        self._directories.discard(self._staging)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
