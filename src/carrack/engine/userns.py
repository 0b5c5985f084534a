"""Users of containers as users of the host: the map of ``userns-remap``, and ids translated by a map.

A map is a list of extents (`IdMapping`), as in /proc/PID/uid_map: from an id in the container, to one of the host, so
many. See user_namespaces(7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from carrack.errors import InvalidArgument
from carrack.model.container import Document
from carrack.model.idmap import LIMIT, IdMap, Range
from carrack.oci.runtime_spec import IdMapping

#: whom the kernel shows where an id has no counterpart (/proc/sys/kernel/overflowuid)
NOBODY = 65534

Map = Sequence[IdMapping]
WHOLE: tuple[IdMapping, ...] = ({"containerID": 0, "hostID": 0, "size": LIMIT},)


class Remap(NamedTuple):
    """The user namespace of this daemon's containers; ``name`` is the user whose subordinate ids they get."""

    name: str
    uids: tuple[IdMapping, ...]
    gids: tuple[IdMapping, ...]

    @property
    def root(self) -> tuple[int, int]:
        """Whom a container's root is on the host."""
        return outside(self.uids, 0), outside(self.gids, 0)


class Ids(NamedTuple):
    """The two maps by which a running container's files are told from the outside, and back."""

    uids: Map
    gids: Map

    def inside(self, uid: int, gid: int) -> tuple[int, int]:
        """The container's ids of the host's; `NOBODY` for what it cannot see."""
        return inside(self.uids, uid), inside(self.gids, gid)

    def outside(self, uid: int, gid: int) -> tuple[int, int]:
        """The host's ids of the container's; ValueError for what it does not have."""
        return outside(self.uids, uid), outside(self.gids, gid)


def inside(extents: Map, identity: int) -> int:
    """The id in the container of one on the host; `NOBODY` when there is none."""
    for extent in extents:
        if extent["hostID"] <= identity < extent["hostID"] + extent["size"]:
            return identity - extent["hostID"] + extent["containerID"]
    return NOBODY


def outside(extents: Map, identity: int) -> int:
    """The id on the host of one in the container. ValueError when the map has none."""
    for extent in extents:
        if extent["containerID"] <= identity < extent["containerID"] + extent["size"]:
            return identity - extent["containerID"] + extent["hostID"]
    raise ValueError(f"id {identity} is not mapped in the container's user namespace")


def read(text: str) -> tuple[IdMapping, ...]:
    """A map of /proc/PID/uid_map or gid_map."""
    result: list[IdMapping] = []
    for line in text.splitlines():
        container, host, size = map(int, line.split())
        result.append({"containerID": container, "hostID": host, "size": size})
    return tuple(result)


def check(host: Document) -> None:
    """Refuse what a container in a user namespace of its own cannot have, in Docker's words. Raises InvalidArgument."""
    if host["Privileged"]:
        raise InvalidArgument(
            "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace "
            "when running privileged mode"
        )
    if host["NetworkMode"] == "host":
        raise InvalidArgument("cannot share the host's network namespace when user namespaces are enabled")
    if host["PidMode"] == "host":
        raise InvalidArgument("cannot share the host PID namespace when user namespaces are enabled")


def mount_maps(wanted: IdMap, own: Remap | None, owner: tuple[int, int], user: tuple[int, int]) -> tuple[Map, Map]:
    """The maps of a mount with the option idmap.

    Where nothing is said: in a user namespace of its own the container's map; else the ``owner`` of the source (uid,
    gid) is shown as the container's ``user``. Raises InvalidArgument.
    """
    silent = wanted.uids is None and wanted.gids is None
    result: list[Map] = []
    for side, (ranges, whole) in enumerate(zip(wanted, (own.uids, own.gids) if own else (WHOLE, WHOLE), strict=True)):
        if ranges is not None:
            result.append(_extents(ranges, whole))
        elif own is None and silent:
            result.append(exchanged(owner[side], user[side]))
        else:
            result.append(whole)
    return result[0], result[1]


def _extents(ranges: Sequence[Range], whole: Map) -> Map:
    result: list[IdMapping] = []
    for r in ranges:
        shown = r.shown
        if r.relative:
            try:
                shown, last = outside(whole, r.shown), outside(whole, r.shown + r.size - 1)
            except ValueError as error:
                raise InvalidArgument(f"idmap: {error}") from error
            if last - shown != r.size - 1:
                raise InvalidArgument(
                    f"idmap: the container's ids {r.shown} to {r.shown + r.size - 1} are not in a row on the host: "
                    "split the range"
                )
        result.append({"containerID": r.disk, "hostID": shown, "size": r.size})
    return result


def exchanged(owner: int, user: int) -> Map:
    """``owner`` on disk is shown as ``user``, all others as themselves; but ``user`` on disk as nobody, and who is
    ``owner`` in the container makes no files: else a file could change hands unseen."""
    if owner == user:
        return WHOLE
    low, high = sorted((owner, user))
    spans = ((0, low), (low + 1, high), (high + 1, LIMIT))
    same: list[IdMapping] = [{"containerID": a, "hostID": a, "size": b - a} for a, b in spans if b > a]
    return [*same, {"containerID": owner, "hostID": user, "size": 1}]
