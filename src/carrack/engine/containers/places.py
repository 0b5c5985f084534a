"""Where a path of a stopped container lies: in its own root, or in something that would be mounted there.

Volumes that have to be mounted for that are so for as long as it takes; nothing is mounted for the container itself.
"""

from __future__ import annotations

import os
import posixpath
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from carrack.engine.volumes.specs import resolve_part

if TYPE_CHECKING:
    from carrack.engine.containers.record import Container
    from carrack.engine.volumes.store import VolumeStore
    from carrack.engine.volumes.volume import Volume
    from carrack.model.container import MountPoint
    from carrack.storage.snapshots.base import Snapshotter


def points_of(c: Container, path: str) -> list[tuple[MountPoint, str]]:
    """The mount points that a path is below, the innermost first, and the path below each."""
    ordered = sorted(c.mounts, key=lambda p: -len(p["Destination"]))
    found = [(point, below(path, point["Destination"])) for point in ordered]
    return [(point, rest) for point, rest in found if rest is not None]


def below(path: str, mount: str) -> str | None:
    """A container's path as seen from a mount point of its; None when it is not below it."""
    clean = "/" + posixpath.normpath("/" + path).lstrip("/")  # normpath keeps two slashes at the beginning
    if clean == mount:
        return "/." if path.endswith("/.") else "/"
    return clean[len(mount) :] if clean.startswith(mount + "/") else None


def to_mount(volumes: VolumeStore, c: Container, path: str) -> list[Volume]:
    """The volumes that must be mounted before the path can be looked at."""
    return [] if c.shim is not None else volumes.to_mount([point for point, _ in points_of(c, path)])


@asynccontextmanager
async def mounted(volumes: VolumeStore, c: Container, path: str) -> AsyncIterator[Mapping[str, str]]:
    """The directory of the volume that the path lies in, by its name, as long as the context lasts."""
    wanted = to_mount(volumes, c, path)
    if not wanted:
        yield {}
        return
    holder = f"{c.id}-{secrets.token_hex(8)}"  # of its own: others may look at the same time
    places = await volumes.holds.take(wanted, holder)
    try:
        yield places
    finally:
        await volumes.holds.give_back(wanted, holder)


def open_root(
    snapshotter: Snapshotter, c: Container, path: str, places: Mapping[str, str]
) -> tuple[int, str, MountPoint | None]:
    """A descriptor of the root that a stopped container's path is to be looked up in, the path below it, and the mount
    point that it is, if any.

    Blocking. Raises InvalidArgument for a part of a volume that is not there.
    """
    for point, rest in points_of(c, path):
        place = places.get(point.get("Name", "")) or point["Source"]
        if point["Type"] == "image":
            fd, place = snapshotter.view(point["Layers"]), point["Name"]
        elif place and os.path.isdir(place):
            fd = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        else:  # a file, or a tmpfs, which has nothing while its container does not run
            continue
        if "Subpath" not in point:
            return fd, rest, point
        try:
            return resolve_part(fd, point["Subpath"], place), rest, point
        finally:
            os.close(fd)
    return snapshotter.mount(c.id, label=c.mount_label), path, None
