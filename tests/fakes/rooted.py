"""A recording kernel whose paths are real: openat2 is the kernel's, mounts are only remembered.

So that what resolves paths below a root can be tested without privileges: descriptors of mounts are real ones (of an
empty directory, or of the source that was cloned) and may be closed and asked.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from tests.fakes.kernel import FakeKernel

from carrack.linux.syscalls import LINUX


class RootedKernel(FakeKernel):
    """Implements carrack.linux.kernel.Kernel; ``empty`` stands for a new file system's root."""

    def __init__(self, empty: Path) -> None:
        super().__init__()
        self._empty = empty

    def openat2(self, dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
        self._record("openat2", dirfd, path, flags, mode, resolve)
        return LINUX.openat2(dirfd, path, flags, mode, resolve)

    def fstatfs_magic(self, fd: int) -> int:
        return self.magic.get(fd) or LINUX.fstatfs_magic(fd)

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        self._record("open_tree", path, flags)
        source = path or f"/proc/self/fd/{dirfd}"
        return os.open(source, os.O_PATH | os.O_CLOEXEC)

    def new_mount(self, fstype: str, options: Sequence[tuple[str, str | int | None]], attributes: int = 0) -> int:
        self._record("new_mount", fstype, tuple(options), attributes)
        fd = os.open(self._empty, os.O_PATH | os.O_CLOEXEC)
        if fstype == "proc":
            self.magic[fd] = 0x9FA0
        return fd

    def move_mount(self, from_fd: int, to_fd: int, to_path: str = "") -> None:
        """Remembers where, as a path, since descriptors are closed soon."""
        self._record("move_mount", os.readlink(f"/proc/self/fd/{to_fd}"))

    def mount_setattr(
        self,
        fd: int,
        path: str,
        *,
        set_flags: int = 0,
        clear_flags: int = 0,
        propagation: int = 0,
        userns_fd: int = -1,
        recursive: bool = False,
    ) -> None:
        self._record("mount_setattr", set_flags, clear_flags, propagation, recursive)
