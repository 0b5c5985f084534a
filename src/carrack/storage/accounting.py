"""What lies below the data root, byte for byte: how much the disk gives to each thing that has a place there.

Bytes are those that the file system has allocated (stat(2), st_blocks), directories and links too, and a file with
several names counts once: the sum is what du(1) tells. What is mounted below counts where it comes from, not here.

The places are those that docs/on-disk.md draws; what lies nowhere among them is ``unknown``.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from carrack.linux.mount import read_mountinfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: what a thing can be; names are: a digest's hex, a container's id, a volume's or a driver's name, or a path
BLOB, PARTIAL, INGEST, LAYER, CHAIN, SNAPSHOT, FILES, LOG, VOLUME, RECORDS, DAMAGED, RESERVE, ENGINE, QUARANTINE = (
    "blob", "partial", "ingest", "layer", "chain", "snapshot", "files", "log", "volume", "records", "damaged",
    "reserve", "engine", "quarantine",
)  # fmt: skip
#: what builds keep beside their layers
BUILD = "build"
#: chains of layers unpacked, by drivers that have no other way
TREE = "tree"
UNKNOWN = "unknown"

_HEX = re.compile(r"[0-9a-f]{64}")
_LONG: Final = 3000  # of a path that the kernel takes at most 4096 bytes of
_HOLD: Final = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Place(NamedTuple):
    """``kind`` is one of the words above. ``driver``: whose tree it lies in, of what storage drivers keep."""

    kind: str
    name: str = ""
    driver: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """The allocated bytes of all that lies at one place."""

    place: Place
    size: int


def measure(root: Path, mountinfo: str = "/proc/self/mountinfo") -> list[Share]:
    """What each place takes. Blocks until every file has been looked at; what vanishes meanwhile is left out."""
    sizes: dict[Place, int] = {}
    seen: set[tuple[int, int]] = set()
    with open(mountinfo, encoding="utf-8", errors="surrogateescape") as file:
        mounts = frozenset(mount.mount_point for mount in read_mountinfo(file.read()))
    for place, status in _walk(os.path.realpath(root), mounts):
        if status.st_nlink > 1:
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
        sizes[place] = sizes.get(place, 0) + status.st_blocks * 512
    return [Share(place, size) for place, size in sizes.items()]


def place_of(parts: tuple[str, ...]) -> tuple[Place, bool]:
    """Where something lies by its path below the data root, and whether all below it lies at the same place."""
    head = parts[0] if parts else ""
    if not parts:
        return Place(ENGINE), False
    if head.startswith("meta.db"):
        return Place(DAMAGED if ".damaged" in head else RECORDS), True
    if head in _WHOLE:
        return Place(_WHOLE[head]), True
    below = _BELOW.get(head)
    if head == "layers":
        return _of_driver(parts)
    if below is None:
        return Place(UNKNOWN, head), True
    kind, depth = below
    if len(parts) < depth:
        inside = len(parts) == 1 or parts[1] == "sha256"
        return (Place(ENGINE), False) if inside else (Place(UNKNOWN, "/".join(parts)), True)
    name = parts[depth - 1]
    if kind in (BLOB, PARTIAL) and not _HEX.fullmatch(name):
        return Place(UNKNOWN, "/".join(parts[:depth])), True
    if kind == FILES:
        return _of_container(parts)
    return Place(kind, name), True


#: what has one owner with all that is in it
_WHOLE: Final = {
    "engine-id": ENGINE, "carrackd.lock": ENGINE, "reserve": RESERVE, "ingest": INGEST, "bootstrap": INGEST,
    "quarantine": QUARANTINE, "build": BUILD,
}  # fmt: skip
#: what has an owner each, that many names below the data root
_BELOW: Final = {"blobs": (BLOB, 3), "partial": (PARTIAL, 2), "containers": (FILES, 2), "volumes": (VOLUME, 2)}
_IN_DRIVER: Final = {"layers": LAYER, "containers": SNAPSHOT, "init": CHAIN, "mended": CHAIN, "chains": TREE}


def _of_driver(parts: tuple[str, ...]) -> tuple[Place, bool]:
    if len(parts) < 3:
        return Place(ENGINE), False
    driver, folder = parts[1], parts[2]
    if folder == "ingest":
        return Place(INGEST, "", driver), True
    if folder == "empty":
        return Place(ENGINE), True
    if folder not in _IN_DRIVER:
        return Place(UNKNOWN, "/".join(parts[:3])), True
    if len(parts) == 3:
        return Place(ENGINE), False
    kind = _IN_DRIVER[folder]
    if kind in (LAYER, CHAIN, TREE) and not _HEX.fullmatch(parts[3]):
        return Place(UNKNOWN, "/".join(parts[:4])), True
    return Place(kind, parts[3], driver), True


def _of_container(parts: tuple[str, ...]) -> tuple[Place, bool]:
    if len(parts) == 2:
        return Place(FILES, parts[1]), False
    logs = parts[2] in ("local-logs", "log-status") or parts[2].startswith(f"{parts[1]}-json.log")
    return Place(LOG if logs else FILES, parts[1]), True


def _walk(root: str, mounts: frozenset[str]) -> Iterator[tuple[Place, os.stat_result]]:
    """Everything below with its place. Directories that a container has nested beyond the length of a path are reached
    by way of a descriptor."""
    try:
        yield Place(ENGINE), os.lstat(root)
    except FileNotFoundError:
        return
    with ExitStack() as held:
        waiting: list[tuple[str, tuple[str, ...], Place | None]] = [(root, (), None)]
        while waiting:
            path, parts, owner = waiting.pop()
            if len(path) > _LONG:
                path = _shortened(path, held)
            for entry, status in _entries(path):
                if entry.path in mounts:
                    continue
                if owner is not None:
                    place, whole = owner, True
                else:
                    place, whole = place_of((*parts, entry.name))
                yield place, status
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, () if whole else (*parts, entry.name), place if whole else None))


def _entries(path: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                try:
                    yield entry, entry.stat(follow_symlinks=False)
                except OSError:
                    continue
    except OSError:
        return


def _shortened(path: str, held: ExitStack) -> str:
    try:
        fd = os.open(path, _HOLD)
    except OSError:
        return path
    held.callback(os.close, fd)
    return f"/proc/self/fd/{fd}"
