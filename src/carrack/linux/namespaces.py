"""The names of namespaces: OCI type ⇄ CLONE_NEW* flag ⇄ file in /proc/PID/ns (namespaces(7))."""

from __future__ import annotations

import errno
import fcntl

_NS_GET_NSTYPE = 0xB703  # ioctl_nsfs(2)

CLONE_FS = 0x200
CLONE_FILES = 0x400
CLONE_PIDFD = 0x1000
CLONE_PARENT = 0x8000
CLONE_NEWTIME = 0x80
CLONE_NEWNS = 0x20000
CLONE_NEWCGROUP = 0x2000000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_CLEAR_SIGHAND = 0x100000000
CLONE_INTO_CGROUP = 0x200000000

#: OCI namespace type → CLONE_NEW* flag
FLAGS: dict[str, int] = {
    "user": CLONE_NEWUSER,
    "pid": CLONE_NEWPID,
    "network": CLONE_NEWNET,
    "mount": CLONE_NEWNS,
    "ipc": CLONE_NEWIPC,
    "uts": CLONE_NEWUTS,
    "cgroup": CLONE_NEWCGROUP,
    "time": CLONE_NEWTIME,
}

#: OCI namespace type → file name in /proc/PID/ns
PROC_NAMES: dict[str, str] = {
    "user": "user",
    "pid": "pid",
    "network": "net",
    "mount": "mnt",
    "ipc": "ipc",
    "uts": "uts",
    "cgroup": "cgroup",
    "time": "time",
}


def flags(types: tuple[str, ...] | list[str]) -> int:
    """The CLONE_NEW* flags of OCI namespace types; ValueError names the first unknown one."""
    result = 0
    for name in types:
        if name not in FLAGS:
            raise ValueError(f"unknown namespace type {name!r}: known are {', '.join(FLAGS)}")
        result |= FLAGS[name]
    return result


def proc_path(pid: int | str, type: str, proc: str = "/proc") -> str:
    """Where the namespace of a process can be opened, e.g. /proc/42/ns/net for ``network``.

    The pid namespace that a process's *children* are born into may differ from its own: that one is
    ``pid_for_children`` and is not what this returns.
    """
    return f"{proc}/{pid}/ns/{PROC_NAMES[type]}"


def flag_of(fd: int) -> int:
    """The CLONE_NEW* flag of the namespace that a descriptor refers to, 0 when it refers to none.

    The kernel is asked, since the name of a namespace that was mounted somewhere (as ``ip netns`` does) tells nothing.
    """
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE)
    except OSError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL):
            return 0
        raise
