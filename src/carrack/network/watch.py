"""Notice when somebody takes away what the networks stand on, and have it put back.

``nft flush ruleset``, a firewalld reload, ``ip link delete``, ``sysctl net.ipv4.ip_forward=0``: between a loss and its
repair ports of 127.0.0.1 would be open to the neighbourhood (CVE-2025-54388), or containers cut off, so the kernel's
own notices are used, not a clock.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from carrack.linux.nftables import ChangeListener

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


class Listener(Protocol):
    """A socket on which the kernel tells of changes."""

    def fileno(self) -> int:
        """The descriptor to wait on."""
        ...

    def lost(self) -> bool:
        """Read all that has come, without waiting: may it be that something was taken away?"""
        ...

    def close(self) -> None:
        """Listen no longer."""
        ...


class Watch:
    """Calls ``repair`` after every loss that ``listener``, which it closes in the end, tells of.

    ``repair`` returns what was wrong ("bridge br0 was deleted"), empty for a false alarm; when it fails it is called
    again a second later, until it works. ``alarmed`` is true from the notice to the end of the repair. ``what`` names
    it in the log.
    """

    def __init__(self, what: str, listener: Listener, repair: Callable[[], Awaitable[str]]) -> None:
        self._what = what
        self._repair = repair
        self._wanted = asyncio.Event()
        self.alarmed = False
        self._listener: Listener | None = listener
        self._job: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Act upon notices from now on; to be called in the event loop."""
        assert self._listener is not None
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listener.fileno(), self._read)
        self._job = loop.create_task(self._work(), name=f"watch {self._what}")

    async def stop(self) -> None:
        """Stop listening; harmless when done twice."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        if self._job is not None:
            self._job.cancel()
            await asyncio.wait([self._job])
            self._job = None

    def _read(self) -> None:
        assert self._listener is not None
        if self._listener.lost():
            self.alarmed = True
            self._wanted.set()

    async def _work(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                if damage := await self._repair():
                    _LOG.warning("%s by another program: restored", damage)
                self.alarmed = self._wanted.is_set()
            except Exception:
                _LOG.exception("%s could not be restored: trying again", self._what)
                await asyncio.sleep(_RETRY_SECONDS)
                self._wanted.set()


class TableListener:
    """Hears of removals from one nftables table that did not come from netlink port ``own_port``."""

    def __init__(self, table: str, own_port: int) -> None:
        self._table = table
        self._own_port = own_port
        self._changes = ChangeListener()

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._changes.fileno()

    def lost(self) -> bool:
        """Whether anything was removed."""
        return self._changes.lost(self._table, self._own_port)

    def close(self) -> None:
        """Close the socket."""
        self._changes.close()
