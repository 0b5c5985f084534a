"""Interfaces on their way out: the kernel takes long to delete one, and nobody needs to wait for it.

What is retired is down, under a name that nobody wants, and does what a deleted one does, which is nothing. All that is
retired belongs to one group, which the kernel deletes in the time of one. If the daemon dies before that, the marks
(`marks`) tell the next one.
"""

import asyncio
import errno
import logging
from concurrent.futures import ThreadPoolExecutor

from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.linux.rtnetlink import Link

_LOG = logging.getLogger(__name__)

#: A group that nobody else puts interfaces in
GROUP = 0x63726B21
_PAUSE_SECONDS, _LATEST_SECONDS = 0.25, 3.0


def retire(host: Netlink, link: Link) -> None:
    """Put an interface out of use at once."""
    name = f"gone{link.index:x}"
    host.batch([rtnetlink.set_link(link.index, up=False), rtnetlink.set_link(link.index, name=name, group=GROUP)])


def delete(host: Netlink) -> None:
    """Delete what is retired; nothing is no error."""
    try:
        host.batch([rtnetlink.delete_group(GROUP)])
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise


class Graves:
    """Deletes retired interfaces on a thread of its own, when no network has come or gone for a moment: all that change
    networks wait for each other in the kernel. To be used in the event loop."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="graves")
        self._timer: asyncio.TimerHandle | None = None
        self._latest = 0.0

    def bury(self) -> None:
        """Delete soon what is retired."""
        if self._timer is None:
            self._latest = asyncio.get_running_loop().time() + _LATEST_SECONDS
        self._set()

    def rest(self) -> None:
        """Something else is about to change networks: later."""
        if self._timer is not None:
            self._set()

    def _set(self) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(min(loop.time() + _PAUSE_SECONDS, self._latest), self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._thread.submit(self._work)

    @staticmethod
    def _work() -> None:
        try:
            with Netlink() as host:
                delete(host)
        except OSError as e:
            _LOG.warning("interfaces that are not needed stay until the next start: %s", e)

    async def close(self) -> None:
        """Delete what is left, and wait until that is done."""
        if self._timer is not None:
            self._timer.cancel()
            self._begin()
        await asyncio.to_thread(self._thread.shutdown)
