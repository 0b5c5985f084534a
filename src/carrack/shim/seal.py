"""Start the zygote from files that nothing which enters a container can write.

Whatever enters a container is, until it executes the container's program, our interpreter, and ``/proc/PID/exe``
leads a privileged container from there to the interpreter's file on the host (CVE-2019-5736). So the zygote lives in
a mount namespace of its own, in which the interpreter, its libraries, the standard library and this package are
read-only bind mounts of themselves, and it is executed from there: a descriptor reached through ``/proc`` belongs to
the read-only mount and is refused (EROFS) for ever; the host's own mounts are as they were.
"""

from __future__ import annotations

import os
import sys

from carrack.linux.mount import (
    AT_FDCWD,
    MNT_DETACH,
    MOUNT_ATTR_RDONLY,
    MS_BIND,
    MS_REC,
    MS_SLAVE,
    UMOUNT_NOFOLLOW,
    read_mountinfo,
)
from carrack.linux.namespaces import CLONE_NEWNS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    from carrack.linux.kernel import MountKernel, ProcessKernel

    class SealKernel(MountKernel, ProcessKernel, Protocol):
        """Mounts, and unshare."""


def sealed_paths(maps: str, executable: str, directories: Iterable[str]) -> list[str]:
    """What to seal, outermost first: the directories, the executable, and every mapped file that is in neither.

    ``maps`` is the text of /proc/PID/maps (proc_pid_maps(5)) of a process that has imported all that the zygote will.
    """
    roots = sorted({os.path.realpath(directory) for directory in directories}, key=len)
    chosen: list[str] = []
    for root in roots:
        if not _inside(root, chosen):
            chosen.append(root)
    files = {executable}
    for line in maps.splitlines():
        fields = line.split(maxsplit=5)
        if len(fields) == 6 and fields[5].startswith("/") and not fields[5].endswith(" (deleted)"):
            files.add(fields[5])
    return chosen + sorted(file for file in files if not _inside(file, chosen))


def seal(kernel: SealKernel, paths: Iterable[str]) -> None:
    """Enter a new mount namespace and make the paths read-only there. Host mounts and unmounts still arrive."""
    kernel.unshare(CLONE_NEWNS)
    kernel.mount(None, "/", None, MS_REC | MS_SLAVE)
    for path in paths:
        kernel.mount(path, path, None, MS_BIND | MS_REC)
        kernel.mount_setattr(AT_FDCWD, path, set_flags=MOUNT_ATTR_RDONLY, recursive=True)


def forget_mounts(kernel: MountKernel, mountinfo: str, directory: str) -> None:
    """Detach, in our namespace only, what is mounted below a directory: a copy here would keep alive what the daemon
    unmounts there later. Shims reach that directory through descriptors that the daemon opens."""
    below = os.path.realpath(directory) + os.sep
    for mount in reversed(read_mountinfo(mountinfo)):
        if mount.mount_point.startswith(below):
            kernel.umount(mount.mount_point, MNT_DETACH | UMOUNT_NOFOLLOW)


def execute(kernel: SealKernel, package: str, run_root: str, arguments: list[str]) -> None:
    """Replace this process by the sealed zygote; the caller has imported what the zygote imports. Raises OSError."""
    executable = os.path.realpath("/proc/self/exe")
    with open("/proc/self/maps") as file:
        maps = file.read()
    seal(kernel, sealed_paths(maps, executable, (os.path.dirname(os.__file__), package)))
    with open("/proc/self/mountinfo") as file:
        forget_mounts(kernel, file.read(), run_root)
    launcher = os.path.join(package, "shim", "__main__.py")
    os.execve(executable, [executable, *INTERPRETER_FLAGS, launcher, *arguments], {"LANG": "C.UTF-8"})


def _inside(path: str, directories: list[str]) -> bool:
    return any(path == directory or path.startswith(directory + os.sep) for directory in directories)


#: isolated, without site-packages or environment, without writing .pyc files
INTERPRETER_FLAGS = ("-I", "-S", "-E", "-B", "-X", "utf8")


def interpreter(python: str) -> str:
    """The interpreter's own file for a python that may be a virtual environment's link to it."""
    if python == sys.executable:
        python = getattr(sys, "_base_executable", python) or python
    return os.path.realpath(python)
