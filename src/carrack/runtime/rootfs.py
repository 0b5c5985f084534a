"""The container's root: attached by descriptor, then made the root of the mount namespace.

The root mount is attached on top of the namespace's own / : absolute paths still reach the host (a lookup starts
below what is stacked on /), pivot_root then swaps the two, and the old one is detached whole. No directory of the
host has to exist or be named for it. See pivot_root(2), ``pivot_root(".", ".")``.
"""

from __future__ import annotations

import os

from carrack.errors import InvalidArgument
from carrack.linux import mount as words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.linux.kernel import MountKernel
    from carrack.oci.runtime_spec import Spec

_PROPAGATIONS = {
    "": 0,
    "private": words.MS_PRIVATE,
    "rprivate": words.MS_PRIVATE | words.MS_REC,
    "slave": words.MS_SLAVE,
    "rslave": words.MS_SLAVE | words.MS_REC,
    "shared": words.MS_SHARED,
    "rshared": words.MS_SHARED | words.MS_REC,
    "unbindable": words.MS_UNBINDABLE,
    "runbindable": words.MS_UNBINDABLE | words.MS_REC,
}


def propagation(spec: Spec) -> int:
    """``linux.rootfsPropagation`` as MS_* flags; 0 when the spec says nothing."""
    name = spec.get("linux", {}).get("rootfsPropagation", "")
    if name not in _PROPAGATIONS:
        raise InvalidArgument(f"linux.rootfsPropagation: unknown value {name!r}")
    return _PROPAGATIONS[name]


def isolate(kernel: MountKernel, wanted: int) -> None:
    """Stop what we mount from reaching the host; what the host mounts may still reach us unless private is asked."""
    kind = words.MS_PRIVATE if wanted & (words.MS_PRIVATE | words.MS_UNBINDABLE) else words.MS_SLAVE
    kernel.mount(None, "/", None, kind | words.MS_REC)


def attach_root(kernel: MountKernel, spec: Spec, rootfs_fd: int | None, place: str = "/") -> int:
    """The root mount as a descriptor, attached in this mount namespace and sharing nothing with any other.

    ``place``: a directory of the host's to attach it on, for hooks that look for it.
    """
    if rootfs_fd is None:
        path = spec.get("root", {}).get("path", "")
        try:
            rootfs_fd = kernel.open_tree(words.AT_FDCWD, path, words.OPEN_TREE_CLONE | words.AT_RECURSIVE)
        except OSError as error:
            raise OSError(error.errno, f"root file system: {os.strerror(error.errno or 0)}", path) from None
    kernel.mount_setattr(rootfs_fd, "", propagation=words.MS_SLAVE, recursive=True)
    attach_on_top(kernel, rootfs_fd, place)
    return rootfs_fd


def attach_on_top(kernel: MountKernel, mount_fd: int, place: str = "/") -> None:
    """Stack a detached mount on / of this mount namespace, where no path leads to it, only its descriptor."""
    top = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        kernel.move_mount(mount_fd, top)
    finally:
        os.close(top)


def change_root(kernel: MountKernel, root_fd: int) -> None:
    """Make root_fd the root of the mount namespace and let go of everything else in it."""
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fchdir(root_fd)
        kernel.pivot_root(".", ".")
        os.fchdir(old)  # whatever "." is now, this is the old root
        kernel.mount(None, ".", None, words.MS_SLAVE | words.MS_REC)  # its unmounting must not reach the host
        kernel.umount(".", words.MNT_DETACH)
    finally:
        os.close(old)
    os.chdir("/")


def seal_root(kernel: MountKernel, spec: Spec, root_fd: int) -> None:
    """The last touches: the wanted propagation, then read-only if the spec says so."""
    wanted = propagation(spec)
    if wanted:
        kernel.mount(None, "/", None, wanted)
    if spec.get("root", {}).get("readonly"):
        kernel.mount_setattr(root_fd, "", set_flags=words.MOUNT_ATTR_RDONLY)
