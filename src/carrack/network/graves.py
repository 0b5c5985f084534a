"""Interfaces on their way out: the kernel takes long to delete one, and nobody needs to wait for it.

What is retired is down, under a name that nobody wants, and does what a deleted one does, which is nothing. All that is
retired belongs to one group, which the kernel deletes in the time of one. If the daemon dies before that, the marks
(`marks`) tell the next one.
"""

import errno
import logging
from concurrent.futures import ThreadPoolExecutor

from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.linux.rtnetlink import Link

_LOG = logging.getLogger(__name__)

#: A group that nobody else puts interfaces in
GROUP = 0x63726B21


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
    """Deletes retired interfaces on a thread of its own; from any thread, until `close`."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="graves")

    def bury(self) -> None:
        """Delete soon what is retired."""
        self._thread.submit(self._work)

    @staticmethod
    def _work() -> None:
        try:
            with Netlink() as host:
                delete(host)
        except OSError as e:
            _LOG.warning("interfaces that are not needed stay until the next start: %s", e)

    def close(self) -> None:
        """Wait until all is deleted."""
        self._thread.shutdown()
