"""Mounts with mapped ids: a remapped container's root file system, and binds and volumes with the option ``idmap``.

The map of such a mount is that of a user namespace which nobody is in. The zygote makes it, since the daemon has
threads and never enters or makes one itself; it is kept for the next time. Whoever is given a descriptor owns a
duplicate.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack

from carrack.engine.containers.record import Container
from carrack.engine.userns import Map, Remap, mount_maps
from carrack.errors import CarrackError, InvalidArgument, Unavailable
from carrack.linux import idmap
from carrack.linux.syscalls import LINUX
from carrack.model.idmap import is_idmap, parse_idmap
from carrack.oci.runtime_spec import Mount
from carrack.runtime import users
from carrack.runtime.inroot import Procfs
from carrack.storage.snapshots.base import Owners, Snapshotter
from carrack.storage.snapshots.mappedparts import MOUNTER
from carrack.storage.snapshots.probe import trial

log = logging.getLogger(__name__)

_KEPT = 16

Key = tuple[tuple[tuple[int, int, int], ...], ...]


class IdMaps:
    """``make`` is that of a zygote, see there."""

    def __init__(self, make: Callable[[Map, Map], Awaitable[int]]) -> None:
        self._make = make
        self._spaces: OrderedDict[Key, int] = OrderedDict()

    async def space(self, uids: Map, gids: Map, held: ExitStack) -> int:
        """A user namespace with these maps; the descriptor is closed with ``held``.

        Raises InvalidArgument when the kernel refuses the maps, Unavailable without a zygote.
        """
        key = tuple(tuple((e["containerID"], e["hostID"], e["size"]) for e in extents) for extents in (uids, gids))
        if key not in self._spaces:
            try:
                made = await self._make(uids, gids)
            except OSError as error:
                raise InvalidArgument(f"the kernel refuses the id map {_told(key)}: {error.strerror}") from error
            if self._spaces.setdefault(key, made) != made:  # somebody else was as quick
                os.close(made)
        self._spaces.move_to_end(key)
        copy = os.dup(self._spaces[key])
        held.callback(os.close, copy)
        while len(self._spaces) > _KEPT:
            os.close(self._spaces.popitem(last=False)[1])
        return copy

    async def owners(self, remap: Remap | None, held: ExitStack) -> Owners | None:
        """What a snapshot driver needs to show a snapshot to containers with that map; closed with ``held``."""
        if remap is None:
            return None
        layers = await self.space(remap.uids, remap.gids, held)
        changes = await self.space(_with_mounter(remap.uids), _with_mounter(remap.gids), held)
        return Owners(layers, changes)

    async def try_remap(self, snapshotter: Snapshotter, remap: Remap | None) -> None:
        """See whether containers with that map can have their images: better known at once than at each start.

        Raises Unavailable that says what to do.
        """
        with ExitStack() as held:
            owners = await self.owners(remap, held)
            if owners is None:
                return
            try:
                await asyncio.to_thread(trial, snapshotter, owners)
            except (OSError, CarrackError) as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC and snapshotter.layers():
                    log.warning("the disk is too full to try userns-remap: %s", error)
                    return  # what fills it can be removed, and what cannot be started will be told then
                raise Unavailable(
                    f"userns-remap: the storage driver {snapshotter.name} cannot show image layers with other owners "
                    f"here: {error}; put the data root on ext4, xfs or btrfs, with Linux 5.19 or later, or leave "
                    "userns-remap out"
                ) from error

    async def map_mounts(
        self, c: Container, remap: Remap | None, mounts: Sequence[Mount], root: int, sources: dict[str, int]
    ) -> None:
        """Give the opened ``sources`` (by index in ``mounts``) that have the option idmap their maps, and write those
        into the mounts, as the runtime spec has them.

        Raises InvalidArgument, and NotSupported by a file system that has no such mounts.
        """
        user: tuple[int, int] | None = None
        for index, mount in enumerate(mounts):
            words = [word for word in mount.get("options", ()) if is_idmap(word)]
            if not words or str(index) not in sources:
                continue
            tree = sources[str(index)]
            if user is None:
                user = await asyncio.to_thread(_user, c, root)
            owner = os.fstat(tree)
            uids, gids = mount_maps(parse_idmap(words[0]), remap, (owner.st_uid, owner.st_gid), user)
            recursive = "rbind" in mount["options"]
            with ExitStack() as held:
                space = await self.space(uids, gids, held)
                await asyncio.to_thread(idmap.apply, LINUX, tree, space, mount["source"], recursive=recursive)
            mount["options"] = [o for o in mount["options"] if o not in words] + ["ridmap" if recursive else "idmap"]
            mount["uidMappings"], mount["gidMappings"] = list(uids), list(gids)

    def close(self) -> None:
        """Let go of all of them."""
        while self._spaces:
            os.close(self._spaces.popitem()[1])


def _user(c: Container, root_fd: int) -> tuple[int, int]:
    """The container's user, as its own files know it."""
    procfs = Procfs(LINUX)
    try:
        found = users.identify(c.config["User"], (), users.read_accounts(LINUX, procfs, root_fd))
    finally:
        procfs.close()
    return found.uid, found.gid


def _with_mounter(extents: Map) -> Map:
    """The host's root needs an id on disk for what it makes in a work directory."""
    return [*extents, {"containerID": MOUNTER, "hostID": 0, "size": 1}]


def _told(key: Key) -> str:
    return " and ".join(",".join("-".join(map(str, extent)) for extent in extents) for extents in key)
