"""Cheap moves into cgroups: the kernel's option ``favordynmods``, switched on without touching the host's hierarchies.

Moving a process from one cgroup to another (every ``exec``, and every slot made on cgroup v1) stops all forks of the
machine with one global lock, which its first user gets only after an RCU grace period: 10 to 20 ms on an idle machine.
A hierarchy mounted with ``favordynmods`` (since Linux 6.0) does away with the wait; the lock being global, a named one
without controllers, of our own and mounted nowhere, does it for all. What that costs depends on the kernel:

- From 6.18 on it switches to a lock per process, for good (until the next boot), so that the hierarchy can go at once.
- Before, each fork of the machine takes the slow path of the global lock for as long as such a hierarchy exists.

Source: the kernel's Documentation/admin-guide/cgroup-v2.rst and kernel/cgroup/cgroup.c (cgroup_favor_dynmods).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from carrack.linux.kernel import MountKernel

NAME = "carrack"
MODES = ("auto", "on", "off")
_SINCE = (6, 0)
_PER_PROCESS_SINCE = (6, 18)


def favor(kernel: MountKernel, mode: str, release: str) -> int | None:
    """Switch it on as ``mode`` says: ``auto`` only where it costs nothing, ``on`` wherever there is such an option.

    ``release`` is the kernel's own version. Returns a descriptor that must stay open for as long as it shall be in
    effect, None where there is nothing to hold. Raises OSError when the kernel refuses.
    """
    version = _version(release)
    if mode == "off" or version < (_SINCE if mode == "on" else _PER_PROCESS_SINCE):
        return None
    fd = kernel.new_mount("cgroup", [("none", None), ("name", NAME), ("favordynmods", None)])
    if version < _PER_PROCESS_SINCE:
        return fd
    os.close(fd)
    return None


def _version(release: str) -> tuple[int, int]:
    """Major and minor number of ``6.18.44-cloud-amd64``; zeros when there are none."""
    major, _, rest = release.partition(".")
    minor = ""
    for letter in rest:
        if not letter.isdecimal():
            break
        minor += letter
    return (int(major), int(minor or 0)) if major.isdecimal() else (0, 0)
