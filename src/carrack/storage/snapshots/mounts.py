"""Mounted layer images: one visible mount per layer under the run root, shared by all that use the layer.

Sharing the mount shares the page cache. A visible mount, unlike a held descriptor, is found again by a restarted
daemon. An overlay keeps its lower mounts alive by itself, so unmounting here never disturbs a running container.

::

    <run root>/layers/<hex of diff id>      mounted image
"""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

from carrack.linux import loop, selinux
from carrack.linux.mount import AT_FDCWD, MOUNT_ATTR_RDONLY, UMOUNT_NOFOLLOW, read_mountinfo
from carrack.oci import digest as digests

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from carrack.linux.kernel import MountKernel

_READ_ONLY = MOUNT_ATTR_RDONLY


class LayerMounts:
    """``through_loop``: by way of a loop device, for kernels that cannot mount a file. ``label``: the SELinux label of
    all layers' files, if any."""

    def __init__(
        self, run_root: Path, kernel: MountKernel, *, through_loop: bool, label: str = "", proc: str = "/proc"
    ) -> None:
        self._root = run_root / "layers"
        self._kernel = kernel
        self._through_loop = through_loop
        self._label = label
        self._context = [("context", label)] if label else []
        self._lock = threading.Lock()
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._device = os.stat(self._root).st_dev
        self._mounted = self._find(f"{proc}/self/mountinfo")

    def ensure(self, diff_id: str, image: Path) -> Path:
        """The mount of a layer; OSError with the kernel's reason when the image cannot be mounted."""
        path = self._root / digests.encoded(diff_id)
        with self._lock:
            if diff_id not in self._mounted or not self._is_mount(path):
                path.mkdir(mode=0o700, exist_ok=True)
                fd = self._mount(image)
                try:
                    self._kernel.move_mount(fd, AT_FDCWD, str(path))
                finally:
                    os.close(fd)
                self._mounted.add(diff_id)
        return path

    def release(self, diff_id: str) -> None:
        """Unmount a layer, if nothing looks into it just now."""
        with self._lock:
            if diff_id in self._mounted:
                self._release(diff_id)

    def sweep(self, needed: Collection[str]) -> None:
        """Unmount all layers but these."""
        with self._lock:
            for diff_id in self._mounted - set(needed):
                self._release(diff_id)

    def mounted(self) -> frozenset[str]:
        """The diff ids of what is mounted."""
        return frozenset(self._mounted)

    def _is_mount(self, path: Path) -> bool:
        """Whether nobody has unmounted it behind our back: an overlay would be made on an empty directory."""
        try:
            return os.stat(path).st_dev != self._device
        except FileNotFoundError:
            return False

    def _release(self, diff_id: str) -> None:
        path = self._root / digests.encoded(diff_id)
        try:
            self._kernel.umount(str(path), UMOUNT_NOFOLLOW)
        except OSError as error:
            if error.errno == errno.EBUSY:
                return  # the next sweep gets it
            if error.errno != errno.EINVAL:  # somebody else has unmounted it
                raise
        self._mounted.discard(diff_id)
        os.rmdir(path)

    def _mount(self, image: Path) -> int:
        if self._label:  # an image mounted from its file is read as whoever reads a file in it
            selinux.set_label(str(image), self._label)
        if not self._through_loop:
            return self._kernel.new_mount("erofs", [("source", str(image)), ("ro", None), *self._context], _READ_ONLY)
        fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
        try:
            device = loop.attach(fd, read_only=True, name=image.parent.name)
        finally:
            os.close(fd)
        try:
            return self._kernel.new_mount("erofs", [("source", device.path), ("ro", None), *self._context], _READ_ONLY)
        finally:
            os.close(device.fd)

    def _find(self, mountinfo: str) -> set[str]:
        with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
            mounts = read_mountinfo(file.read())
        root = os.path.realpath(self._root)
        found = set()
        for mount in mounts:
            parent, _, name = mount.mount_point.rpartition("/")
            if parent == root and mount.fstype == "erofs" and digests.is_digest(f"sha256:{name}"):
                found.add(f"sha256:{name}")
        return found
