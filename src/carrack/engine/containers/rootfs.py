"""Opens everything a container mounts as detached trees, so that its own mount namespace needs no path of the host.

Blocking functions; the callers run them in a thread. Every descriptor goes to the given exit stack.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from carrack.engine.defaults import HOST_MQUEUE
from carrack.engine.volumes.specs import open_part, part_of_view
from carrack.errors import InvalidArgument, NotFound
from carrack.linux.mount import AT_FDCWD, AT_RECURSIVE, OPEN_TREE_CLONE, read_mountinfo
from carrack.linux.syscalls import LINUX
from carrack.model.container import MountPoint
from carrack.oci.runtime_spec import Mount

if TYPE_CHECKING:
    from carrack.storage.snapshots.base import Owners, Snapshotter

log = logging.getLogger(__name__)


def open_root(
    snapshotter: Snapshotter,
    key: str,
    layers: Sequence[str],
    held: ExitStack,
    size: int = 0,
    owners: Owners | None = None,
    label: str = "",
) -> int:
    """A detached mount of a container's root file system; ``owners`` and ``label``: see Snapshotter.mount.

    A power cut may have taken a snapshot whose record stands: it is made again, without what was written in it.
    """
    try:
        fd: int = snapshotter.mount(key, owners, label)
    except NotFound:
        log.warning("container %s has lost its file system (a power cut?); it begins afresh from its image", key)
        snapshotter.prepare(key, layers, size)
        fd = snapshotter.mount(key, owners, label)
    held.callback(os.close, fd)
    return fd


def open_sources(
    mounts: list[Mount],
    held: ExitStack,
    points: Sequence[MountPoint] = (),
    snapshotter: Snapshotter | None = None,
    directory: str = "",
    owners: Owners | None = None,
    label: str = "",
) -> dict[str, int]:
    """Detached clones of every bind mount's source: index in ``mounts`` (as text) to descriptor.

    ``points`` tell which mounts show an image or a part of a volume; ``directory`` is the container's run directory.
    Raises InvalidArgument naming a source that is not there any more.
    """
    special = {point["Destination"]: point for point in points if "Subpath" in point or point["Type"] == "image"}
    sources = {}
    for index, mount in enumerate(mounts):
        if mount.get("type") != "bind":
            continue
        point = special.get(mount["destination"])
        if point is None:
            sources[str(index)] = _open_source(mount, held)
        elif point["Type"] == "image":
            assert snapshotter is not None
            view = snapshotter.view(point["Layers"], owners, label)
            sources[str(index)] = _part_of_image(view, point, os.path.join(directory, "image"), held)
        else:
            sources[str(index)] = open_part(mount["source"], point["Subpath"], held)
    return sources


def _open_source(mount: Mount, held: ExitStack) -> int:
    _check_propagation(mount)
    flags = OPEN_TREE_CLONE | os.O_CLOEXEC
    if "rbind" in mount["options"]:
        flags |= AT_RECURSIVE
    try:
        if mount == HOST_MQUEUE:  # the host itself may have none mounted
            fd = LINUX.new_mount("mqueue", [("source", "mqueue")])
        else:
            fd = LINUX.open_tree(AT_FDCWD, mount["source"], flags)
    except OSError as error:
        raise InvalidArgument(
            f"error mounting {mount['source']!r} to rootfs at {mount['destination']!r}: {error.strerror}"
        ) from error
    held.callback(os.close, fd)
    return fd


def _part_of_image(fd: int, point: MountPoint, place: str, held: ExitStack) -> int:
    held.callback(os.close, fd)
    subpath = point.get("Subpath")
    return part_of_view(fd, subpath, point["Name"], place, held) if subpath else fd


def _check_propagation(mount: Mount) -> None:
    """Refuse a propagation that would carry nothing: only mounts below a shared (or slave) mount are passed on.

    Source: mount_namespaces(7); the texts are Docker's.
    """
    kinds = {option.removeprefix("r") for option in mount["options"]} & {"shared", "slave"}
    if not kinds:
        return
    path = os.path.realpath(mount["source"])
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        above = [info for info in read_mountinfo(file.read()) if _holds(info.mount_point, path)]
    place = max(reversed(above), key=lambda info: len(info.mount_point))
    tags = {tag.partition(":")[0] for tag in place.optional}
    if "shared" in tags or (kinds == {"slave"} and "master" in tags):
        return
    wanted = "shared or slave" if kinds == {"slave"} else "shared"
    raise InvalidArgument(f"path {mount['source']} is mounted on {place.mount_point} but it is not a {wanted} mount")


def _holds(mount_point: str, path: str) -> bool:
    return path == mount_point or path.startswith(mount_point.rstrip("/") + "/")
