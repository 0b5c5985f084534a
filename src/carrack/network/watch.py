"""Notice when somebody takes our firewall away (``nft flush ruleset``, a firewalld reload) and have it put back.

Between the loss and the repair ports of 127.0.0.1 would be open to the neighbourhood (CVE-2025-54388), so the kernel's
own notices are used, not a clock.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from carrack.linux.nftables import ChangeListener

_LOG = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0


class FirewallWatch:
    """Calls ``repair`` after every removal from ``table`` that did not come from netlink port ``own_port``.

    ``repair`` returns whether anything was missing; when it fails it is called again a second later, until it works.
    ``alarmed`` is true from the notice to the end of the repair.
    """

    def __init__(self, table: str, own_port: int, repair: Callable[[], Awaitable[bool]]) -> None:
        self._table = table
        self._own_port = own_port
        self._repair = repair
        self._wanted = asyncio.Event()
        self.alarmed = False
        self._listener: ChangeListener | None = None
        self._job: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Listen from now on; to be called in the event loop."""
        self._listener = ChangeListener()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listener.fileno(), self._read)
        self._job = loop.create_task(self._work(), name=f"watch nftables table {self._table}")

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
        if self._listener.lost(self._table, self._own_port):
            self.alarmed = True
            self._wanted.set()

    async def _work(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                if await self._repair():
                    _LOG.warning("nftables table %s was changed by another program: restored", self._table)
                self.alarmed = self._wanted.is_set()
            except Exception:
                _LOG.exception("nftables table %s could not be restored: trying again", self._table)
                await asyncio.sleep(_RETRY_SECONDS)
                self._wanted.set()
