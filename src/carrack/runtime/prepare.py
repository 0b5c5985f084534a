"""Open (and id-map) the sources of a spec's bind mounts while the host's mount namespace is still ours.

A container in a user namespace may not be able to reach them by path, and a mount made on the host after the
container's process was cloned would not be seen.
"""

from __future__ import annotations

import os

from carrack.errors import InvalidArgument
from carrack.linux import idmap as mapped
from carrack.runtime import idmap, inroot, mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
                    _map_ids(kernel, spec, mount, opened[index])
    except BaseException:
        for fd in opened.values():
            os.close(fd)
        raise
    return opened


def _map_ids(kernel: Kernel, spec: Spec, mount: Mount, tree: int) -> None:
    """With the mount's own maps, else with those of the container (OCI runtime spec, config.md, "idmap")."""
    space = _user_namespace(kernel, spec, mount)
    try:
        recursive = "ridmap" in mount.get("options", ())
        mapped.apply(kernel, tree, space, mount.get("source", ""), recursive=recursive)
    finally:
        os.close(space)


def _user_namespace(kernel: Kernel, spec: Spec, mount: Mount) -> int:
    linux = spec.get("linux", {})
    maps: Any = mount if mount.get("uidMappings") or mount.get("gidMappings") else linux
    uids, gids = maps.get("uidMappings"), maps.get("gidMappings")
    if not uids and not gids:
        for path in [space.get("path") for space in linux.get("namespaces", ()) if space["type"] == "user"]:
            if path:
                return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if not uids or not gids:
        raise InvalidArgument(
            f"mount {mount['destination']}: to id-map it takes uidMappings and gidMappings, its own or the container's"
        )
    procfs = inroot.Procfs(kernel)
    try:
        return idmap.user_namespace(kernel, procfs, uids, gids)
    finally:
        procfs.close()
