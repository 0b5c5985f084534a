"""The resolver's sockets of containers: made in their slots, kept by their shims, given back when asked for."""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING

from carrack.errors import Unavailable
from carrack.network.endpoint import with_own
from carrack.network.names.client import Resolver
from carrack.network.names.sockets import ours

if TYPE_CHECKING:
    from carrack.engine.containers.store import ContainerStore
    from carrack.shim.client import Slot

log = logging.getLogger(__name__)


class Resolving:
    """Joins the resolver to slots and shims."""

    def __init__(self, store: ContainerStore) -> None:
        self.resolver = Resolver(self.held)
        self._store = store

    async def sockets(self, slot: Slot) -> list[int]:
        """Make them in a slot; the descriptors are the caller's. OSError, Unavailable when the slot has gone."""
        return await asyncio.to_thread(with_own(self.resolver.sockets, slot.netns_fd))

    async def held(self, container_id: str) -> list[int]:
        """Those of a running container, perhaps among other descriptors, which are the caller's. OSError, CarrackError.

        Where its shim keeps none, as one of an earlier version does, they are made anew.
        """
        c = self._store.find(container_id)
        if c.shim is None:
            raise Unavailable(f"container {c.name} has ended")
        try:
            fds = await c.shim.held()
        except OSError as error:
            log.debug("the shim of container %s keeps no sockets: %s", c.name, error)
            fds = []
        if ours(fds):
            return fds
        for fd in fds:
            os.close(fd)
        netns = os.open(f"/proc/{c.shim.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            made = await asyncio.to_thread(with_own(self.resolver.sockets, netns))
        finally:
            os.close(netns)
        try:
            await c.shim.hold(made)
        except OSError as error:
            log.debug("the shim of container %s keeps no sockets: %s", c.name, error)
        return made
