"""A kernel that only remembers: every call becomes a comparable tuple in ``calls``.

Descriptors that the kernel would return are counted up from ``FIRST_FD`` and never belong to a real file. A test
can make calls fail: ``fake.fail("mount", error)`` fails all of that name, ``fake.fail("mount", error, target="/x")``
only those that hold the value ``"/x"`` anywhere among their arguments.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_FD = 1_000_000

Call = tuple[object, ...]


class _Recorder:
    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._failures: list[tuple[str, OSError, tuple[object, ...]]] = []
        self._next_fd = FIRST_FD

    def fail(self, name: str, error: OSError | int, **holding: object) -> None:
        """Let calls of that name raise; an int is an errno. ``holding``: argument values that must all be present."""
        if isinstance(error, int):
            error = OSError(error, f"{name}: {os.strerror(error)}")
        self._failures.append((name, error, tuple(holding.values())))

    def named(self, *names: str) -> list[Call]:
        """The recorded calls of those names, in order."""
        return [call for call in self.calls if call[0] in names]

    def _record(self, name: str, *arguments: object) -> None:
        self.calls.append((name, *arguments))
        for failing, error, values in self._failures:
            if failing == name and all(value in arguments for value in values):
                raise error

    def _record_fd(self, name: str, *arguments: object) -> int:
        self._record(name, *arguments)
        self._next_fd += 1
        return self._next_fd - 1


class _Mounts(_Recorder):
    def mount(self, source: str | None, target: str, fstype: str | None, flags: int, data: str | None = None) -> None:
        self._record("mount", source, target, fstype, flags, data)

    def umount(self, target: str, flags: int = 0) -> None:
        self._record("umount", target, flags)

    def pivot_root(self, new_root: str, put_old: str) -> None:
        self._record("pivot_root", new_root, put_old)

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        return self._record_fd("open_tree", dirfd, path, flags)

    def move_mount(self, from_fd: int, to_fd: int, to_path: str = "") -> None:
        self._record("move_mount", from_fd, to_fd, to_path)

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
        self._record("mount_setattr", fd, path, set_flags, clear_flags, propagation, userns_fd, recursive)

    def new_mount(self, fstype: str, options: Sequence[tuple[str, str | int | None]], attributes: int = 0) -> int:
        return self._record_fd("new_mount", fstype, tuple(options), attributes)


class _Processes(_Recorder):
    def __init__(self) -> None:
        super().__init__()
        #: what clone3 answers next; (0, -1) makes the caller play the child
        self.clone_result: tuple[int, int] = (4242, FIRST_FD - 1)

    def unshare(self, flags: int) -> None:
        self._record("unshare", flags)

    def setns(self, fd: int, flags: int) -> None:
        self._record("setns", fd, flags)

    def clone3(self, flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
        self._record("clone3", flags, cgroup_fd)
        return self.clone_result

    def prctl(self, option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
        self._record("prctl", option, arg2, arg3, arg4, arg5)
        return 0

    def close_range(self, first: int, last: int, flags: int) -> None:
        self._record("close_range", first, last, flags)

    def capset(self, effective: int, permitted: int, inheritable: int) -> None:
        self._record("capset", effective, permitted, inheritable)

    def seccomp(self, program: bytes, flags: int = 0) -> None:
        self._record("seccomp", program, flags)

    def pidfd_open(self, pid: int) -> int:
        return self._record_fd("pidfd_open", pid)

    def pidfd_send_signal(self, pidfd: int, signal: int) -> None:
        self._record("pidfd_send_signal", pidfd, signal)

    def keyctl_join(self, name: str) -> None:
        self._record("keyctl_join", name)


class _Files(_Recorder):
    def __init__(self) -> None:
        super().__init__()
        #: descriptor → what fstatfs_magic answers; others are EBADF, as for the kernel
        self.magic: dict[int, int] = {}

    def openat2(self, dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
        return self._record_fd("openat2", dirfd, path, flags, mode, resolve)

    def fstatfs_magic(self, fd: int) -> int:
        self._record("fstatfs_magic", fd)
        if fd not in self.magic:
            raise OSError(errno.EBADF, f"fstatfs: {os.strerror(errno.EBADF)}", f"fd {fd}")
        return self.magic[fd]

    def renameat2(self, from_fd: int, from_path: str, to_fd: int, to_path: str, flags: int) -> None:
        self._record("renameat2", from_fd, from_path, to_fd, to_path, flags)

    def syncfs(self, fd: int) -> None:
        self._record("syncfs", fd)

    def fchownat(self, dirfd: int, path: str | bytes, uid: int, gid: int) -> None:
        self._record("fchownat", dirfd, path, uid, gid)

    def utimensat(self, dirfd: int, path: str | bytes, atime_ns: int, mtime_ns: int) -> None:
        self._record("utimensat", dirfd, path, atime_ns, mtime_ns)

    def inotify_init(self) -> int:
        return self._record_fd("inotify_init")

    def inotify_add_watch(self, fd: int, path: str, mask: int) -> int:
        self._record("inotify_add_watch", fd, path, mask)
        return len(self.named("inotify_add_watch"))


class _Bpf(_Recorder):
    def __init__(self) -> None:
        super().__init__()
        #: cgroup descriptor → ids of the device programs attached to it; an id is the program's descriptor
        self.device_programs: dict[int, list[int]] = {}

    def bpf_load_device(self, program: bytes) -> int:
        return self._record_fd("bpf_load_device", program)

    def bpf_attach_device(self, cgroup_fd: int, program_fd: int, flags: int, replace_fd: int = -1) -> None:
        self._record("bpf_attach_device", cgroup_fd, program_fd, flags, replace_fd)
        attached = self.device_programs.setdefault(cgroup_fd, [])
        if replace_fd in attached:
            attached.remove(replace_fd)
        attached.append(program_fd)

    def bpf_detach_device(self, cgroup_fd: int, program_fd: int) -> None:
        self._record("bpf_detach_device", cgroup_fd, program_fd)
        attached = self.device_programs.get(cgroup_fd, [])
        if program_fd not in attached:
            raise OSError(errno.ENOENT, f"bpf: {os.strerror(errno.ENOENT)}", f"detach from cgroup fd {cgroup_fd}")
        attached.remove(program_fd)

    def bpf_query_device(self, cgroup_fd: int) -> list[int]:
        self._record("bpf_query_device", cgroup_fd)
        return list(self.device_programs.get(cgroup_fd, []))

    def bpf_program(self, program_id: int) -> int:
        self._record("bpf_program", program_id)
        return program_id


class FakeKernel(_Mounts, _Processes, _Files, _Bpf):
    """Implements carrack.linux.kernel.Kernel."""
