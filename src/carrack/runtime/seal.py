"""Execute this command again from an executable that nothing in a container can write.

Until it executes the container's program, what enters a container is our interpreter, and a program like
``#!/proc/self/exe`` makes it so for longer: /proc/PID/exe leads from inside to the interpreter's file on the host
(CVE-2019-5736). So the verbs that enter containers run from a *detached, read-only* clone of the executable's mount:
a descriptor got through /proc belongs to that mount, writing is EROFS for ever, and no mount namespace holds it that
could change its mind. Nothing of the host's mounts changes. (The daemon's zygote seals itself in its own way.)
"""

from __future__ import annotations

import os
import sys

from carrack.linux.mount import AT_FDCWD, MOUNT_ATTR_RDONLY, OPEN_TREE_CLONE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.linux.kernel import MountKernel


def is_sealed() -> bool:
    """Whether this process was executed from a read-only mount."""
    return bool(os.statvfs("/proc/self/exe").f_flag & os.ST_RDONLY)


def ensure_sealed(kernel: MountKernel, environment: Mapping[str, str]) -> None:
    """Return when sealed; else start over in this process, with the same arguments, sealed. OSError if it cannot be."""
    if is_sealed():
        return
    clone = kernel.open_tree(AT_FDCWD, "/proc/self/exe", OPEN_TREE_CLONE)
    kernel.mount_setattr(clone, "", set_flags=MOUNT_ATTR_RDONLY)
    os.execve(clone, [sys.executable, *sys.orig_argv[1:]], environment)
