"""What a shim keeps for the daemon: descriptors that must last as long as the container and longer than a daemon.

They are the reservations of published ports and the resolver's sockets inside the sandbox. A daemon that comes back
asks for duplicates; who wants some of them knows them by what they are.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from carrack.errors import Unavailable

if TYPE_CHECKING:
    from carrack.linux.portfds import Place
    from carrack.shim.connection import Connection


class Holding:
    """The part of a running container's shim that keeps descriptors."""

    container_id: str
    exited: "asyncio.Future[Any]"
    _connection: "Connection | None"

    async def hold(self, fds: Sequence[int]) -> None:
        """Have it keep these too. OSError from a shim of an earlier version, Unavailable when it has gone."""
        if fds:
            await self._connected().request("hold", fds)

    async def held(self) -> list[int]:
        """Duplicates of all that it keeps, which are the caller's. Raises as hold() does."""
        count, fds = await self._connected().exchange("held")
        if len(fds) != count:  # its socket was full, and no message with descriptors waits
            for fd in fds:
                os.close(fd)
            raise Unavailable(f"the shim of container {self.container_id} could not send what it holds: try again")
        return fds

    async def release(self, places: "Sequence[Place]") -> None:
        """Have it close the sockets that it keeps on these ports. Raises as hold() does."""
        if places:
            wanted = [[protocol, list(addresses), port] for protocol, addresses, port in places]
            await self._connected().request("release", places=wanted)

    def _connected(self) -> "Connection":
        if self._connection is None or self.exited.done():
            raise Unavailable(f"container {self.container_id} has ended")
        return self._connection
