"""Interfaces on their way out: the kernel takes long to delete one, and nobody needs to wait for it.

What is retired is down, under a name that nobody wants, and does what a deleted one does, which is nothing. If the
daemon dies before it is deleted, its mark tells the next one (`marks`).
"""

import errno
import logging
from concurrent.futures import ThreadPoolExecutor

from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.linux.rtnetlink import Link

_LOG = logging.getLogger(__name__)


def retire(host: Netlink, link: Link) -> int:
    """Put an interface out of use at once; returns its index, for `Graves.bury`."""
    host.batch([rtnetlink.set_link(link.index, up=False), rtnetlink.set_link(link.index, name=f"gone{link.index:x}")])
    return link.index


def delete(host: Netlink, index: int) -> None:
    """Delete an interface; one that is gone already, or none (0), is no error."""
    try:
        if index:
            host.batch([rtnetlink.delete_link(index)])
    except OSError as e:
        if e.errno != errno.ENODEV:
            raise


class Graves:
    """Deletes retired interfaces one after another on a thread of its own; from any thread, until `close`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="graves")

    def bury(self, index: int) -> None:
        """Delete an interface soon."""
        if index:
            self._thread.submit(self._work, index)

    @staticmethod
    def _work(index: int) -> None:
        try:
            with Netlink() as host:
                delete(host, index)
        except OSError as e:
            _LOG.warning("interface %d stays until the next start: %s", index, e)

    def close(self) -> None:
        """Wait until all is deleted."""
        self._thread.shutdown()
