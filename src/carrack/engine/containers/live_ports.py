"""Publishing more ports of a container that exists, or fewer: at once when it runs, else for its next start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from carrack.engine.containers import publishing
from carrack.engine.containers.live import closing
from carrack.engine.containers.record import Container
from carrack.errors import InvalidArgument
from carrack.model import port_ranges
from carrack.model.container import Document
from carrack.model.ports import PublishedPort

if TYPE_CHECKING:
    from carrack.network.fabric import Fabric
    from carrack.shim.client import Shim


class LivePorts:
    """Changes the published ports of containers."""

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric

    async def change(
        self, c: Container, add: Mapping[str, Sequence[Document] | None], remove: Sequence[str], undo: AsyncExitStack
    ) -> publishing.Bindings:
        """The bindings of a container after the change, which is made where it runs, and undone with ``undo``.

        Its lock is the caller's. Raises InvalidArgument for one without ports of its own, NotFound and Conflict for
        what is not published or is already, Internal (as at start) when a host port is taken.
        """
        if not c.has_sandbox:
            mode = c.host_config["NetworkMode"]
            raise InvalidArgument(f"container {c.name} has no ports of its own to publish: its network mode is {mode}")
        more = publishing.completed(add)
        bindings = publishing.together(publishing.without(c.host_config["PortBindings"] or {}, remove), more)
        if c.shim is not None and c.wants_cable:
            await self._change(c, c.shim, publishing.published(more), remove, undo)
        return bindings

    async def _change(
        self,
        c: Container,
        shim: Shim,
        add: Sequence[PublishedPort],
        remove: Sequence[str],
        undo: AsyncExitStack,
    ) -> None:
        before = c.ports
        published = await self._fabric.republish(c.id, add, remove, name=c.name)
        undo.push_async_callback(self._restore, c, shim, before, published.ports)
        with closing(published.fds):
            await shim.hold(published.fds)
            await shim.release(published.gone)
        c.ports = dict(published.ports)

    async def _restore(self, c: Container, shim: Shim, before: Document, after: Document) -> None:
        old, new = port_ranges.unfolded(before), port_ranges.unfolded(after)
        lost = {port: [place for place in places or () if place not in (new.get(port) or ())]
                for port, places in old.items()}  # fmt: skip
        again = publishing.published({port: places for port, places in lost.items() if places})
        published = await self._fabric.republish(c.id, again, publishing.as_words(old, new), name=c.name)
        with closing(published.fds):
            await shim.hold(published.fds)
            await shim.release(published.gone)
        c.ports = before
