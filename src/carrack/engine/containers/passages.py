"""What links open on a default bridge that keeps its containers apart (``icc`` off): the target's exposed ports.

Where containers may talk to each other a link opens nothing, for all is open.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from carrack.engine.containers import networking
from carrack.engine.containers.linking import BRIDGE
from carrack.engine.containers.record import Container
from carrack.network.mappings import Passage
from carrack.network.option_names import ICC

if TYPE_CHECKING:
    from carrack.engine.containers.linking import Links
    from carrack.engine.networks.store import Networks
    from carrack.network.doors import Doors


class Passages:
    """Kept in step with addresses by the connector; the end of either side closes what it had."""

    def __init__(self, doors: Doors, networks: Networks, links: Links) -> None:
        self._doors = doors
        self._networks = networks
        self._links = links

    async def open(self, c: Container) -> None:
        """Let a container that has come, or has other links, through to its targets, and to it those linked to it.

        NotSupported where the kernel cannot.
        """
        if not self._apart():
            return
        sources = [one for one in self._links.sources(c) if one.state.status in ("running", "paused")]
        for one in (c, *sources):
            await self._doors.let_through(one.id, self.of(one))

    def of(self, c: Container) -> tuple[Passage, ...]:
        """From a container's present addresses to those of its links' targets."""
        own = _addresses(c)
        if not own or not c.host_config["Links"] or not self._apart():
            return ()
        return tuple(
            Passage(source, address, protocol, int(number))
            for other, _ in self._links.of(c)
            for source in own
            for address in _addresses(other)
            for number, _, protocol in (key.partition("/") for key in other.config["ExposedPorts"] or ())
            if (":" in source) == (":" in address)
        )

    def _apart(self) -> bool:
        network = networking.known(self._networks.find, BRIDGE)
        return network is not None and network.options.get(ICC) == "false"


def _addresses(c: Container) -> list[str]:
    endpoint = c.endpoints.get(BRIDGE, {})
    return [address for key in ("IPAddress", "GlobalIPv6Address") if (address := endpoint.get(key))]
