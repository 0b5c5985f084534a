"""Connecting and disconnecting containers after they were made: at once when they run, else for their next start.

All or nothing: what was done to a running container is undone when the record cannot be written, and the answer is
given only when it is on disk.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from carrack.engine.containers import endpoints, naming, networking, publishing
from carrack.engine.containers.announce import tell_network
from carrack.engine.containers.connect import Connector, worded
from carrack.engine.containers.record import Container
from carrack.errors import Conflict, Forbidden, Internal, InvalidArgument, NotFound, Unavailable
from carrack.model import port_ranges
from carrack.model.container import Document
from carrack.network.sandbox import Sandbox, open_sandbox

if TYPE_CHECKING:
    from carrack.engine.containers.naming import Naming
    from carrack.engine.containers.store import ContainerStore
    from carrack.engine.events import Events
    from carrack.engine.networks.network import Network
    from carrack.engine.networks.store import Networks
    from carrack.network.fabric import Fabric
    from carrack.shim.client import Shim


class LiveNetworks:
    """Changes the networks of containers that exist."""

    def __init__(
        self,
        store: ContainerStore,
        networks: Networks,
        fabric: Fabric,
        connector: Connector,
        names: Naming,
        events: Events,
    ) -> None:
        self._store = store
        self._networks = networks
        self._fabric = fabric
        self._connector = connector
        self._naming = names
        self._events = events

    async def connect(self, network: str, container: str, given: Document | None = None) -> None:
        """Connect a container to a network. NotFound for what there is not, InvalidArgument for what cannot be,
        Forbidden when it is on the network already."""
        c, found = self._store.find(container), self._networks.find(network)
        wanted = endpoints.wanted(given)
        async with c.lock:
            _check_present(c)
            self._check(c, found, wanted)
            shim = _running(c)
            if shim is None:
                if found.name not in c.wanted:
                    await self._record(c, {**c.wanted, found.name: wanted}, found)
                return
            if found.name in c.wanted:
                raise Forbidden(f"endpoint with name {c.name} already exists in network {found.name}")
            async with inside(c, shim) as sandbox, AsyncExitStack() as undo:
                await self._join(c, shim, sandbox, found, wanted, undo)
                undo.pop_all()
        tell_network(self._events, "connect", c, found)

    def _check(self, c: Container, network: Network, wanted: Document) -> None:
        if c.config["NetworkDisabled"]:
            raise Conflict(f"container {c.name} was created without networking, so it cannot be connected")
        networking.check_together(c.host_config["NetworkMode"], {**c.wanted, network.name: wanted})
        networking.check(wanted, network.name, network, "")

    async def _record(self, c: Container, wanted: dict[str, Document], network: Network) -> None:
        """For a container that does not run only the record changes."""
        before = c.networking, c.endpoints
        c.networking = {"EndpointsConfig": dict(sorted(wanted.items()))}
        shown = dict(c.endpoints)
        shown.pop(network.name, None)
        if network.name in wanted:
            shown[network.name] = {**naming.shown(c, network), "NetworkID": ""}
        c.endpoints = dict(sorted(shown.items()))
        try:
            await self._store.save(c)
        except BaseException:
            c.networking, c.endpoints = before
            raise

    async def _join(
        self, c: Container, shim: Shim, sandbox: Sandbox, network: Network, wanted: Document, undo: AsyncExitStack
    ) -> None:
        networking.check_joinable(network)
        undo.push_async_callback(self._restore, c, shim, (c.networking, c.endpoints, c.ports), network)
        undo.push_async_callback(self._fabric.disconnect, c.id, network.id, sandbox=sandbox)
        plan = endpoints.plan(wanted)
        self._connector.check_mac(c, network, plan.mac)
        with worded(c, plan):
            given = await self._fabric.connect(c.id, sandbox.netns_fd, sandbox.netlink_fd, network.id, plan)
        c.networking = {"EndpointsConfig": dict(sorted({**c.wanted, network.name: wanted}.items()))}
        now = endpoints.connected(naming.shown(c, network), given)
        c.endpoints = dict(sorted({**c.endpoints, network.name: now}.items()))
        await self._publish(c, shim)
        _check_runs(c, shim)
        await self._name(c, network)
        self._connector.write_hosts(c)
        await self._connector.passages.open(c)
        await self._store.save(c)
        _check_runs(c, shim)

    async def _restore(
        self, c: Container, shim: Shim, before: tuple[Document, Document, Document], network: Network
    ) -> None:
        c.networking, c.endpoints, c.ports = before
        if shim.exited.done():
            self._naming.detach(c, [network.id])
            if c.shim is not shim:  # else its end comes yet, and takes back what it had before
                self._connector.forget(c)
        else:
            self._naming.left(c, network.id)
            self._connector.write_hosts(c)

    async def _publish(self, c: Container, shim: Shim) -> None:
        """The ports of a container that no network led out of before."""
        if any(c.ports.values()) or not publishing.any_wanted(c):
            return
        wanted, exposed = publishing.wanted(c), list(c.ranges[0])
        published = await self._fabric.publish(c.id, wanted, exposed=exposed, name=c.name)
        with closing(published.fds):
            await shim.hold(published.fds)
        c.ports = dict(published.ports)

    async def _name(self, c: Container, network: Network) -> None:
        """Its names there; and a resolver, if it had none because it had no network with names."""
        if self._naming.knows(c) or not self._naming.wanted(c):
            self._naming.joined(c, network.name)
            return
        await asyncio.to_thread(self._connector.files.resolve, c)
        self._naming.attach(c, ())

    async def disconnect(self, network: str, container: str, force: bool = False) -> None:
        """Disconnect a container from a network. NotFound for what there is not, Internal (as with Docker) when it is
        not connected. ``force``: also from a network that is gone."""
        found = networking.known(self._networks.find, network)
        try:
            c = self._store.find(container)
        except NotFound:
            if force and found is not None:
                raise NotFound(f"endpoint {container} not found") from None
            raise
        async with c.lock:
            _check_present(c)
            shim = _running(c)
            if found is None:
                if shim is not None and not force:
                    raise NotFound(f"network {network} not found")
                await self._drop(c, network)
                return
            if shim is not None and c.host_config["NetworkMode"] == "host" and found.name == "host":
                told = "container was created in host network mode"
                raise InvalidArgument(f"cannot disconnect container from host network - {told}")
            if shim is None:
                await self._drop(c, found.name)
                return
            if found.name not in c.endpoints:
                raise Internal(f"container {c.id} is not connected to network {found.name}")
            await self._leave(c, shim, found)
        tell_network(self._events, "disconnect", c, found)

    async def _drop(self, c: Container, name: str) -> None:
        """Of one that does not run, or from a network that is gone, only the record changes."""
        if name not in c.wanted:
            raise Internal(f"container {c.id} is not connected to the network {name}")
        before = c.networking, c.endpoints
        c.networking = {"EndpointsConfig": {word: one for word, one in c.wanted.items() if word != name}}
        c.endpoints = {word: one for word, one in c.endpoints.items() if word != name}
        try:
            await self._store.save(c)
        except BaseException:
            c.networking, c.endpoints = before
            raise

    async def _leave(self, c: Container, shim: Shim, network: Network) -> None:
        """The record first: an interface that nobody has on record is removed when a daemon starts."""
        async with inside(c, shim) as sandbox:
            await self._drop(c, network.name)
            await self._fabric.disconnect(c.id, network.id, sandbox=sandbox)
        self._naming.left(c, network.id)
        gone = port_ranges.unfolded({} if c.endpoints else c.ports)
        if not c.endpoints:
            c.ports = {}
        if not shim.exited.done():
            self._connector.write_hosts(c)
            await shim.release(publishing.host_ports(gone))


@contextmanager
def closing(fds: Sequence[int]) -> Iterator[None]:
    """Close descriptors in the end."""
    try:
        yield
    finally:
        for fd in fds:
            os.close(fd)


@asynccontextmanager
async def inside(c: Container, shim: Shim) -> AsyncIterator[Sandbox]:
    """The sandbox of a container that runs, entered off the event loop. Raises Conflict when it has just ended."""
    with ExitStack() as held:
        try:
            sandbox = await asyncio.to_thread(held.enter_context, open_sandbox(shim.pid))
        except Unavailable as error:
            raise Conflict(f"container {c.name} has just ended") from error
        _check_runs(c, shim)
        yield sandbox


def _check_runs(c: Container, shim: Shim) -> None:
    if shim.exited.done():
        raise Conflict(f"container {c.name} has just ended")


def _running(c: Container) -> Shim | None:
    """The shim of a container that runs, paused or not."""
    return c.shim if c.shim is not None and not c.shim.exited.done() else None


def _check_present(c: Container) -> None:
    if c.state.status in ("removing", "dead"):
        told = "is marked for removal and cannot be connected or disconnected to the network"
        raise Conflict(f"Container {c.id} {told}")
