"""Whom the owners of files are for a container, seen from the host: what `cp` and `export` write and read.

A running container's files are looked at through its own mounts, which show the ids of its user namespace. A stopped
one's snapshot shows what is on disk, as the container has it; but its volumes and binds are the host's files.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from carrack.engine.userns import Ids, Map, Remap, inside, mount_maps, outside, read
from carrack.errors import InvalidArgument
from carrack.model.container import MountPoint
from carrack.model.idmap import is_idmap, parse_idmap
from carrack.storage.walk import Translate, same_ids


class FileIds(NamedTuple):
    """How to tell a file's owner: ``inside`` the container, of the host's; and ``outside``, of the container's, which
    raises InvalidArgument for one that it does not have."""

    inside: Translate = same_ids
    outside: Translate = same_ids


SAME = FileIds()


def of_process(pid: int) -> FileIds:
    """Of a running container, by its first process. Raises OSError when that has ended."""
    if os.path.samefile(f"/proc/{pid}/ns/user", "/proc/self/ns/user"):
        return SAME
    return _file_ids(Ids(_read(pid, "uid_map"), _read(pid, "gid_map")))


def of_mount(point: MountPoint, remap: Remap | None, owner: tuple[int, int], user: tuple[int, int]) -> FileIds:
    """Of a source on the host, as a container with this map would be shown it; ``owner`` is the source's, ``user`` the
    container's (uid, gid)."""
    own = Ids(remap.uids, remap.gids) if remap is not None else None
    words = [word for word in point["Mode"].split(",") if is_idmap(word)]
    if not words:
        return _file_ids(own) if own is not None else SAME
    disk = mount_maps(parse_idmap(words[0]), remap, owner, user)
    return FileIds(
        lambda uid, gid: (_shown(disk[0], own and own.uids, uid), _shown(disk[1], own and own.gids, gid)),
        lambda uid, gid: (_stored(disk[0], own and own.uids, uid), _stored(disk[1], own and own.gids, gid)),
    )


def is_idmapped(point: MountPoint) -> bool:
    """Whether a mount point has the option idmap."""
    return any(is_idmap(word) for word in point["Mode"].split(","))


def _file_ids(ids: Ids) -> FileIds:
    return FileIds(
        lambda uid, gid: (inside(ids.uids, uid), inside(ids.gids, gid)),
        lambda uid, gid: (_outside(ids.uids, uid), _outside(ids.gids, gid)),
    )


def _outside(extents: Map, identity: int) -> int:
    try:
        return outside(extents, identity)
    except ValueError as error:
        raise InvalidArgument(f"Container ID {identity} cannot be mapped to a host ID") from error


def _shown(disk: Map, own: Map | None, identity: int) -> int:
    shown = inside(_turned(disk), identity)
    return shown if own is None else inside(own, shown)


def _stored(disk: Map, own: Map | None, identity: int) -> int:
    return _outside(_turned(disk), identity if own is None else _outside(own, identity))


def _turned(extents: Map) -> Map:
    return [{"containerID": e["hostID"], "hostID": e["containerID"], "size": e["size"]} for e in extents]


def _read(pid: int, name: str) -> Map:
    with open(f"/proc/{pid}/{name}") as file:
        return read(file.read())
