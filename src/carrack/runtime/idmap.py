"""A user namespace that exists only to id-map a mount (mount_setattr(2), MOUNT_ATTR_IDMAP)."""

from __future__ import annotations

import os
import signal

from carrack.linux.namespaces import CLONE_NEWUSER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from carrack.linux.kernel import ProcessKernel
    from carrack.oci.runtime_spec import IdMapping
    from carrack.runtime.inroot import Procfs


def user_namespace(
    kernel: ProcessKernel, procfs: Procfs, uid_map: Sequence[IdMapping], gid_map: Sequence[IdMapping]
) -> int:
    """A descriptor of a new user namespace with these maps; no process stays in it. The caller closes it.

    procfs must be of the caller's pid namespace: in another, the same number is another process.
    """
    pid, pidfd = kernel.clone3(CLONE_NEWUSER)
    if pid == 0:
        signal.pause()
        os._exit(0)
    try:
        for name, mappings in (("uid_map", uid_map), ("gid_map", gid_map)):
            text = "".join(f"{m['containerID']} {m['hostID']} {m['size']}\n" for m in mappings)
            procfs.write(f"{pid}/{name}", text)
        return os.open(f"{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC, dir_fd=procfs.fd)
    finally:
        kernel.pidfd_send_signal(pidfd, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(pidfd)
