"""Fills a new, empty volume with what the image holds at its mount point, as Docker does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from carrack.linux.resolve import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS
from carrack.linux.syscalls import LINUX
from carrack.model.container import MountPoint
from carrack.storage.copytree import copy_tree

if TYPE_CHECKING:
    from carrack.storage.snapshots.base import Snapshotter


def fill(snapshotter: Snapshotter, key: str, points: list[MountPoint]) -> None:
    """Copy the image's directory at each point's destination into its volume when that is empty (blocking)."""
    wanted = [point for point in points if not os.listdir(point["Source"])]
    if not wanted:
        return
    root = snapshotter.mount(key)
    try:
        for point in wanted:
            _fill_one(root, point)
    finally:
        os.close(root)


def _fill_one(root: int, point: MountPoint) -> None:
    try:
        source = LINUX.openat2(
            root,
            point["Destination"],
            os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC,
            resolve=RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        )
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        target = os.open(point["Source"], os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            copy_tree(LINUX, source, target)
        finally:
            os.close(target)
    finally:
        os.close(source)
