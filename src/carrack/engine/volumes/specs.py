"""From mount points to the mounts of the runtime spec, and to the descriptors of what they show.

Sources are opened here, in the daemon, as detached clones; a part of a volume or an image (``subpath``) is resolved by
the kernel and cannot lead out of it, whatever links lie in it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from carrack.engine.volumes.checks import target_of, tmpfs_options
from carrack.errors import InvalidArgument
from carrack.linux.mount import AT_FDCWD, AT_RECURSIVE, MNT_DETACH, OPEN_TREE_CLONE
from carrack.linux.resolve import RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS
from carrack.linux.syscalls import LINUX
from carrack.model.container import MountPoint
from carrack.model.idmap import is_idmap
from carrack.oci.runtime_spec import Mount

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container
    from carrack.linux.kernel import Kernel

_TMPFS_VALUES = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks", "mpol")
_TMPFS_FLAGS = frozenset(
    """defaults ro rw suid nosuid dev nodev exec noexec sync async dirsync remount mand nomand atime noatime diratime
    nodiratime relatime norelatime strictatime nostrictatime bind rbind private rprivate shared rshared slave rslave
    unbindable runbindable""".split()
)
_BENEATH = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
_CLONE = OPEN_TREE_CLONE | AT_RECURSIVE | os.O_CLOEXEC


def spec_mounts(c: Container, places: Mapping[str, str] | None = None) -> list[Mount]:
    """The runtime spec's mounts of a container's mount points and tmpfs requests.

    ``places``: the directories of volumes that have been mounted for this start, by name.
    """
    result: list[Mount] = []
    for point in c.mounts:
        if point["Type"] == "tmpfs":
            result.append(_tmpfs(point["Destination"], _options_of_tmpfs(c, point)))
            continue
        words = point["Mode"].split(",")
        options = ["bind" if "nonrecursive" in words else "rbind", point["Propagation"] or "rprivate"]
        options += [word for word in words if is_idmap(word)]
        if not point["RW"]:
            options.append("ro" if point["Type"] != "bind" or "ro-nonrecursive" in words else "rro")
        source = (places or {}).get(point.get("Name", "")) or point["Source"] or point.get("Name", "")
        result.append({"destination": point["Destination"], "type": "bind", "source": source, "options": options})
    for target, text in (c.host_config["Tmpfs"] or {}).items():
        words = [word for word in text.split(",") if word]
        for word in words:
            if word not in _TMPFS_FLAGS and word.partition("=")[0] not in _TMPFS_VALUES:
                raise InvalidArgument(f'invalid tmpfs option "{word.partition("=")[0]}"')
        result.append(_tmpfs(target_of(target), words))
    return result


def _options_of_tmpfs(c: Container, point: MountPoint) -> list[str]:
    if "Options" in point:
        options = list(point["Options"])
    else:  # recorded before points had them
        own = [m for m in c.host_config["Mounts"] or [] if m["Type"] == "tmpfs"]
        options = next((tmpfs_options(m) for m in own if target_of(m["Target"]) == point["Destination"]), [])
    return options if point["RW"] or "ro" in options else [*options, "ro"]


def _tmpfs(target: str, options: list[str]) -> Mount:
    return {
        "destination": target,
        "type": "tmpfs",
        "source": "tmpfs",
        "options": ["noexec", "nosuid", "nodev", *options],
    }


def open_part(directory: str, subpath: str, held: ExitStack, kernel: Kernel = LINUX) -> int:
    """A detached clone of what ``subpath`` names in a volume's directory (blocking); ``held`` closes it.

    Raises InvalidArgument for one that is not there, or leads out.
    """
    with ExitStack() as scratch:
        try:
            root = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise InvalidArgument(f"cannot access path {directory}: {(error.strerror or '').lower()}") from error
        scratch.callback(os.close, root)
        part = resolve_part(root, subpath, directory, kernel)
        scratch.callback(os.close, part)
        fd = kernel.open_tree(part, "", _CLONE)
    held.callback(os.close, fd)
    return fd


def part_of_view(view: int, subpath: str, name: str, place: str, held: ExitStack, kernel: Kernel = LINUX) -> int:
    """The same in a detached mount, an image's. Kernels before 6.15 clone no part of what is attached nowhere: there
    it is attached at ``place`` for the moment (blocking)."""
    with ExitStack() as scratch:
        part = resolve_part(view, subpath, name, kernel)
        scratch.callback(os.close, part)
        try:
            fd = kernel.open_tree(part, "", _CLONE)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            os.makedirs(place, mode=0o700, exist_ok=True)
            kernel.move_mount(view, AT_FDCWD, place)
            scratch.callback(kernel.umount, place, MNT_DETACH)
            fd = kernel.open_tree(part, "", _CLONE)
    held.callback(os.close, fd)
    return fd


def resolve_part(root: int, subpath: str, base: str, kernel: Kernel = LINUX) -> int:
    """An O_PATH descriptor of what ``subpath`` names below ``root``, which messages call ``base``.

    Raises InvalidArgument for one that is not there, or leads out.
    """
    try:
        return kernel.openat2(root, subpath, os.O_PATH, resolve=_BENEATH)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.ELOOP):
            told = f"path concatenation escapes the base directory, base: {base}, subpath: {subpath}"
            raise InvalidArgument(told) from error
        told = f"{base}/{subpath}: lstat {base}/{subpath}: {os.strerror(error.errno or 0).lower()}"
        raise InvalidArgument(f"cannot access path {told}") from error
