"""What we ask of the Linux kernel, by facility, so that callers can be given a recording fake instead.

The real door is :class:`carrack.linux.syscalls.Linux`. Callers take the smallest protocol they need and import
this module under ``TYPE_CHECKING`` only. All calls raise ``OSError`` whose ``errno`` is the kernel's, whose
``strerror`` names the system call and whose ``filename`` says what it was used on. Every descriptor that is
returned is close-on-exec.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence


class MountKernel(Protocol):
    """The mount table: mount(2), the fd-based calls of mount_setattr(2) and fsopen(2). Flags: linux.mount."""

    def mount(self, source: str | None, target: str, fstype: str | None, flags: int, data: str | None = None) -> None:
        """mount(2)."""

    def umount(self, target: str, flags: int = 0) -> None:
        """umount2(2)."""

    def pivot_root(self, new_root: str, put_old: str) -> None:
        """pivot_root(2); ``(".", ".")`` stacks the old root on the new one, to be detached by ``umount(".")``."""

    def open_tree(self, dirfd: int, path: str, flags: int) -> int:
        """open_tree(2): a descriptor of the mount at path ("" is dirfd itself); OPEN_TREE_CLONE detaches a copy."""
        ...

    def move_mount(self, from_fd: int, to_fd: int, to_path: str = "") -> None:
        """move_mount(2): attach the mount from_fd at to_path below to_fd; "" attaches on to_fd itself."""

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
        """mount_setattr(2) on path below fd ("" is fd itself); a userns_fd ≥ 0 makes the mount id-mapped.

        A symbolic link at the end of path is not followed. Of a detached tree only the root can be changed, or all of
        it with ``recursive``.
        """

    def new_mount(self, fstype: str, options: Sequence[tuple[str, str | int | None]], attributes: int = 0) -> int:
        """fsopen, fsconfig per option (str: string, int: descriptor, None: flag), create, fsmount.

        Returns the O_PATH descriptor of a detached mount (``openat2(fd, ".", …)`` to list it), which keeps it busy
        until closed. The OSError carries the kernel's own explanation.
        """
        ...


class ProcessKernel(Protocol):
    """Processes, their namespaces and their privileges."""

    def unshare(self, flags: int) -> None:
        """unshare(2)."""

    def setns(self, fd: int, flags: int) -> None:
        """setns(2): fd is a namespace, or a pidfd with the CLONE_NEW* flags of what to join."""

    def clone3(self, flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
        """A fork with clone3(2) flags: ``(0, -1)`` in the child, ``(pid, pidfd)`` in the parent.

        Only for processes with one thread. A cgroup_fd ≥ 0 starts the child in that cgroup v2 directory.
        """
        ...

    def prctl(self, option: int, arg2: int = 0, arg3: int = 0, arg4: int = 0, arg5: int = 0) -> int:
        """prctl(2) for the options that take numbers."""
        ...

    def close_range(self, first: int, last: int, flags: int) -> None:
        """close_range(2)."""

    def capset(self, effective: int, permitted: int, inheritable: int) -> None:
        """capset(2) of the calling thread; bit masks as linux.caps makes them."""

    def seccomp(self, program: bytes, flags: int = 0) -> None:
        """seccomp(2), SECCOMP_SET_MODE_FILTER, with an array of struct sock_filter."""

    def pidfd_open(self, pid: int) -> int:
        """pidfd_open(2)."""
        ...

    def pidfd_send_signal(self, pidfd: int, signal: int) -> None:
        """pidfd_send_signal(2)."""

    def keyctl_join(self, name: str) -> None:
        """keyctl(2), KEYCTL_JOIN_SESSION_KEYRING: a session keyring of that name for this process."""


class FileKernel(Protocol):
    """File calls that ``os`` does not have."""

    def openat2(self, dirfd: int, path: str | bytes, flags: int, mode: int = 0, resolve: int = 0) -> int:
        """openat2(2) with RESOLVE_* of linux.resolve; a path race (EAGAIN) is retried a bounded number of times."""
        ...

    def fstatfs_magic(self, fd: int) -> int:
        """f_type of fstatfs(2); compare with the *_MAGIC of linux.mount."""
        ...

    def renameat2(self, from_fd: int, from_path: str, to_fd: int, to_path: str, flags: int) -> None:
        """renameat2(2): RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT of linux.resolve."""

    def syncfs(self, fd: int) -> None:
        """syncfs(2): write out the whole file system that holds fd."""

    def fchownat(self, dirfd: int, path: str | bytes, uid: int, gid: int) -> None:
        """fchownat(2) that follows no symbolic link; path "" is dirfd itself, which may be an O_PATH descriptor."""

    def utimensat(self, dirfd: int, path: str | bytes, atime_ns: int, mtime_ns: int) -> None:
        """utimensat(2) that follows no symbolic link; path "" is dirfd itself, which may be an O_PATH descriptor."""

    def inotify_init(self) -> int:
        """inotify_init1(2), non-blocking."""
        ...

    def inotify_add_watch(self, fd: int, path: str, mask: int) -> int:
        """inotify_add_watch(2); returns the watch descriptor. Masks: linux.inotify."""
        ...


class BpfKernel(Protocol):
    """The device controller of cgroup v2: bpf(2) programs of type BPF_PROG_TYPE_CGROUP_DEVICE."""

    def bpf_load_device(self, program: bytes) -> int:
        """Load an array of struct bpf_insn; the OSError carries the verifier's log."""
        ...

    def bpf_attach_device(self, cgroup_fd: int, program_fd: int, flags: int, replace_fd: int = -1) -> None:
        """BPF_PROG_ATTACH; a replace_fd ≥ 0 takes that program's place (with BPF_F_ALLOW_MULTI)."""

    def bpf_detach_device(self, cgroup_fd: int, program_fd: int) -> None:
        """BPF_PROG_DETACH of one program attached with BPF_F_ALLOW_MULTI."""

    def bpf_query_device(self, cgroup_fd: int) -> list[int]:
        """The ids of the programs attached to that cgroup itself."""
        ...

    def bpf_program(self, program_id: int) -> int:
        """A descriptor of the loaded program with that id."""
        ...


class Kernel(MountKernel, ProcessKernel, FileKernel, BpfKernel, Protocol):
    """All of it."""
