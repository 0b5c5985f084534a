"""Snapshots of a bounded size: what a container may write at most (``--storage-opt size``).

::

    <root>/containers/<key>/disk.img        a sparse image of that size with an ext4 of its own, which holds
        upper/  work/                       what else lies beside ``chain``: see stack.py
    <run root>/disks/<key>/                 where it is mounted, from its first use until the snapshot is removed

    <root>/containers/<key>/volume/         on btrfs instead: a subvolume with a limit
        upper/  work/

A mount that everybody sees is found again by the next daemon. An image must never be attached to two devices at a
time, for each would be a file system of its own: where its mount was taken away while an overlay still holds it, the
device that it has is mounted again. The image is on disk before its snapshot has its name. What the container deletes
is given back to the disk below (``discard``).
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from carrack.errors import InvalidArgument, NotSupported
from carrack.linux import btrfs, loop
from carrack.linux.mount import AT_FDCWD, MNT_DETACH, UMOUNT_NOFOLLOW, read_mountinfo
from carrack.storage.removal import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from carrack.linux.kernel import Kernel

SMALLEST = 4 << 20
_LARGE = 1 << 30
_JOURNAL = 16  # MiB
_IMAGE, _VOLUME = "disk.img", "volume"
_OPTIONS = (("discard", None),)
#: where a daemon's PATH may lack it
_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/local/sbin"


class Rooms:
    """``root`` is where snapshots lie, on whose file system it depends how they are bounded."""

    def __init__(self, root: Path, run_root: Path, kernel: Kernel, *, proc: str = "/proc", dev: str = "/dev") -> None:
        self._root = root
        self._mounts = run_root / "disks"
        self._kernel = kernel
        self._dev = dev
        self._lock = threading.Lock()
        self._mounted = self._find(f"{proc}/self/mountinfo")

    def check(self, size: int) -> None:
        """Raise InvalidArgument for a size that cannot be, NotSupported (with the reason) where none can."""
        check_size(self._root, size)
        if not self._on_btrfs():
            _program()
            if not os.path.exists(f"{self._dev}/loop-control"):
                told = "this kernel has no loop devices, and the data root is not on btrfs"
                raise NotSupported(f"storage-opt size: {told}: load the module loop, or leave the option out")

    def make(self, directory: Path, size: int, fill: Callable[[Path], None]) -> None:
        """Make such a place in a snapshot's directory; fill(place) puts in what belongs there. Raises as check()."""
        self.check(size)
        if self._on_btrfs():
            self._make_volume(directory, size, fill)
        else:
            self._make_image(directory / _IMAGE, size, fill)

    def place(self, key: str, directory: Path) -> Path:
        """Where upper and work of a snapshot lie, mounted if need be: its directory itself if it is not bounded."""
        if (directory / "upper").exists():
            return directory
        if (directory / _VOLUME).exists():
            return directory / _VOLUME
        image = directory / _IMAGE
        return self._ensure(key, image) if image.exists() else directory

    def exists(self, directory: Path) -> bool:
        """Whether a snapshot's directory has a place."""
        return any((directory / name).exists() for name in ("upper", _VOLUME, _IMAGE))

    def release(self, key: str, directory: Path) -> None:
        """The snapshot goes: unmount its image; what a subvolume was counted by goes with it."""
        with self._lock:
            if key in self._mounted:
                self._unmount(key)
        if (directory / _VOLUME).exists():
            self._remove_volume(directory)

    def sweep(self, keys: Collection[str]) -> None:
        """Unmount all but these."""
        with self._lock:
            for key in self._mounted - set(keys):
                self._unmount(key)

    def _on_btrfs(self) -> bool:
        fd = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return self._kernel.fstatfs_magic(fd) == btrfs.SUPER_MAGIC
        finally:
            os.close(fd)

    def _make_volume(self, directory: Path, size: int, fill: Callable[[Path], None]) -> None:
        parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            btrfs.create_subvolume(parent, _VOLUME)
            volume = os.open(directory / _VOLUME, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                btrfs.limit(volume, size)
            finally:
                os.close(volume)
        finally:
            os.close(parent)
        fill(directory / _VOLUME)

    def _remove_volume(self, directory: Path) -> None:
        parent = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            volume = os.open(_VOLUME, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
            try:
                number = btrfs.identity(volume)
            finally:
                os.close(volume)
            remove_tree(directory / _VOLUME)
            btrfs.forget_limit(parent, number)
        finally:
            os.close(parent)

    def _make_image(self, image: Path, size: int, fill: Callable[[Path], None]) -> None:
        program = _program()
        fd = os.open(image, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.truncate(fd, size)
            _format(program, image, size)
            mounted = self._mount(image)
            try:
                fill(Path(f"/proc/self/fd/{mounted}"))
                self._sync(mounted)
            finally:
                os.close(mounted)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _sync(self, mounted: int) -> None:
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mounted)
        try:
            self._kernel.syncfs(fd)
        finally:
            os.close(fd)

    def _ensure(self, key: str, image: Path) -> Path:
        path = self._mounts / key
        with self._lock:
            if key not in self._mounted or not self._is_mount(path):
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                mounted = self._mount(image)
                try:
                    self._kernel.move_mount(mounted, AT_FDCWD, str(path))
                finally:
                    os.close(mounted)
                self._mounted.add(key)
        return path

    def _mount(self, image: Path) -> int:
        """A detached mount of an image, on the device that it has, or on a new one that goes with its last user."""
        fd = os.open(image, os.O_RDWR | os.O_CLOEXEC)
        try:
            device = loop.find(fd) or loop.attach(fd, name=image.parent.name)
        finally:
            os.close(fd)
        try:
            return self._kernel.new_mount("ext4", [("source", device.path), *_OPTIONS])
        finally:
            os.close(device.fd)

    def _unmount(self, key: str) -> None:
        path = self._mounts / key
        try:
            self._kernel.umount(str(path), MNT_DETACH | UMOUNT_NOFOLLOW)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT):  # somebody else has unmounted it
                raise
        self._mounted.discard(key)
        try:
            os.rmdir(path)
        except FileNotFoundError:
            pass

    def _is_mount(self, path: Path) -> bool:
        try:
            return os.stat(path).st_dev != os.stat(self._mounts).st_dev
        except FileNotFoundError:
            return False

    def _find(self, mountinfo: str) -> set[str]:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            mounts = read_mountinfo(file.read())
        root = os.path.realpath(self._mounts)
        places = (mount.mount_point.rpartition("/") for mount in mounts if mount.fstype == "ext4")
        return {name for parent, _, name in places if parent == root}


def check_size(root: Path, size: int) -> None:
    """Raise InvalidArgument for a size that cannot be on the file system of ``root``."""
    if size < SMALLEST:
        raise InvalidArgument(f"storage-opt size: {size} bytes is too small: at least {SMALLEST >> 20}m is needed")
    status = os.statvfs(root)
    whole = status.f_blocks * status.f_frsize
    if size > whole:
        told = f"is more than the file system of {root} holds ({whole} bytes)"
        raise InvalidArgument(f"storage-opt size: {size} bytes {told}")


def _format(program: str, image: Path, size: int) -> None:
    """No blocks kept for root, no table for growth, and a journal that is small beside the file system."""
    options = ["-q", "-F", "-m", "0", "-O", "^resize_inode"]
    if size >= _LARGE:
        options += ["-J", f"size={_JOURNAL}"]
    command = [program, *options, str(image)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        full = os.strerror(errno.ENOSPC) in done.stderr
        told = f"{program} failed: {done.stderr.strip() or done.returncode}"
        raise OSError(errno.ENOSPC if full else errno.EIO, told, str(image))


def _program() -> str:
    found = shutil.which("mkfs.ext4") or shutil.which("mkfs.ext4", path=_SYSTEM_PATH)
    if found is None:
        told = "it needs mkfs.ext4, or a data root on btrfs: install the package e2fsprogs, or leave the option out"
        raise NotSupported(f"storage-opt size: {told}")
    return found
