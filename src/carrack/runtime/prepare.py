"""Open (and id-map) the sources of a spec's bind mounts while the host's mount namespace is still ours.

A container in a user namespace may not be able to reach them by path, and a mount made on the host after the
container's process was cloned would not be seen.
"""

from __future__ import annotations

import os

from carrack.runtime import idmap, inroot, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import Kernel
    from carrack.oci.runtime_spec import Mount, Spec


def open_sources(kernel: Kernel, spec: Spec) -> dict[int, int]:
    """Index in spec["mounts"] → descriptor of a detached clone, for each bind mount; the caller's to close.

    OSError names the source that cannot be opened; nothing stays open then.
    """
    opened: dict[int, int] = {}
    try:
        for index, mount in enumerate(spec.get("mounts", ())):
            if mounts.is_bind(mount) and "remount" not in mount.get("options", ()):
                opened[index] = mounts.open_source(kernel, mount)
                if mounts.is_mapped(mount):
                    _map_ids(kernel, mount, opened[index])
    except BaseException:
        for fd in opened.values():
            os.close(fd)
        raise
    return opened


def _map_ids(kernel: Kernel, mount: Mount, tree: int) -> None:
    procfs = inroot.Procfs(kernel)
    try:
        space = idmap.user_namespace(kernel, procfs, mount.get("uidMappings", []), mount.get("gidMappings", []))
        try:
            kernel.mount_setattr(tree, "", userns_fd=space, recursive="ridmap" in mount.get("options", ()))
        finally:
            os.close(space)
    finally:
        procfs.close()
