"""Fills a new, empty volume with what the image holds at its mount point, as Docker does."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from carrack.errors import CarrackError
from carrack.linux.resolve import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS
from carrack.linux.syscalls import LINUX
from carrack.model.container import MountPoint
from carrack.model.idmap import is_idmap
from carrack.storage.copytree import copy_tree

if TYPE_CHECKING:
    from carrack.engine.volumes.store import VolumeStore
    from carrack.storage.snapshots.base import Owners, Snapshotter


async def populate(
    volumes: VolumeStore, snapshotter: Snapshotter, key: str, points: list[MountPoint], owners: Owners | None = None
) -> None:
    """Fill the volumes of these points from the file system ``key``, with ``owners`` as Snapshotter.mount has them.

    Those that have to be mounted for it are so for as long as it takes, and only if there is something to copy.
    """
    try:
        apart = volumes.to_mount(points)
        places: dict[str, str] = {}
        if apart:
            names = {volume.name for volume in apart}
            filled = await asyncio.to_thread(_present, snapshotter, key, [p for p in points if p["Name"] in names])
            points = [p for p in points if p["Name"] not in names or p["Destination"] in filled]
            names = {point["Name"] for point in points}
            apart = [volume for volume in apart if volume.name in names]
            places = await volumes.holds.take(apart, key)
        try:
            if points:
                await asyncio.to_thread(fill, snapshotter, key, points, places, owners)
        finally:
            if apart:
                await asyncio.shield(volumes.holds.give_back(apart, key))
    except CarrackError as error:
        raise type(error)(f"failed to populate volume: {error}") from error


def fill(
    snapshotter: Snapshotter,
    key: str,
    points: list[MountPoint],
    places: dict[str, str] | None = None,
    owners: Owners | None = None,
) -> None:
    """Copy the image's directory at each point's destination into its volume when that is empty (blocking).

    ``places``: directories of volumes by name, where they are not the point's source.
    """
    wanted = [
        (point, place)
        for point in points
        if not os.listdir(place := (places or {}).get(point["Name"]) or point["Source"])
    ]
    mapped = [pair for pair in wanted if any(map(is_idmap, pair[0]["Mode"].split(",")))]
    _fill(snapshotter, key, mapped, None)  # on disk those have the ids of the image
    _fill(snapshotter, key, [pair for pair in wanted if pair not in mapped], owners)


def _fill(snapshotter: Snapshotter, key: str, wanted: list[tuple[MountPoint, str]], owners: Owners | None) -> None:
    if not wanted:
        return
    root = snapshotter.mount(key, owners)
    try:
        for point, place in wanted:
            _fill_one(root, point, place)
    finally:
        os.close(root)


def _present(snapshotter: Snapshotter, key: str, points: list[MountPoint]) -> set[str]:
    """The destinations at which the image has a directory (blocking)."""
    root = snapshotter.mount(key)
    try:
        found = set()
        for point in points:
            fd = _open(root, point["Destination"])
            if fd >= 0:
                os.close(fd)
                found.add(point["Destination"])
        return found
    finally:
        os.close(root)


def _open(root: int, path: str) -> int:
    try:
        return LINUX.openat2(
            root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
        )
    except (FileNotFoundError, NotADirectoryError):
        return -1


def _fill_one(root: int, point: MountPoint, place: str) -> None:
    source = _open(root, point["Destination"])
    if source < 0:
        return
    try:
        target = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            copy_tree(LINUX, source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)
