"""Networks without a bridge: each container has an interface of its own on top of one of the host's (macvlan, ipvlan).

The host's firewall does not see their packets, and the host itself cannot speak with them through the parent: so the
kernel has it.
"""

import errno
import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack

from carrack.errors import Conflict, InvalidArgument, NotSupported, Unavailable
from carrack.linux import rtnetlink, rtnetlink_kinds
from carrack.linux.netlink import Message, Netlink
from carrack.linux.rtnetlink import Link
from carrack.network import endpoint, graves
from carrack.network.endpoint import Endpoint, ParkedVeth
from carrack.network.ipam import Addresses
from carrack.network.plan import MACVLAN
from carrack.network.sandbox import Sandbox, switch
from carrack.network.sublink_options import SublinkSettings
from carrack.network.wire import Wire

_LOG = logging.getLogger(__name__)

#: seconds that the kernel may take to clear away a sandbox, and between two looks
_LEAVING, _PAUSE = 2.0, 0.005


class Sublinks(Wire):
    """``mark`` is the note that parents of ours carry, by which they are known again."""

    def __init__(self, settings: SublinkSettings, mark: str) -> None:
        self.settings = settings
        self._mark = mark
        self._ours = False
        self.index = 0

    @property
    def what(self) -> str:
        """``parent interface eth0``"""
        return f"parent interface {self.settings.parent}"

    @property
    def followed(self) -> int:
        """The parent when it is ours."""
        return self.index if self._ours else 0

    def check(self, others: Sequence[Wire]) -> None:
        """A parent that is passed through, and one of ipvlan in another mode, cannot be shared."""
        for other in others:
            if isinstance(other, Sublinks) and other.settings.parent == self.settings.parent:
                mine, theirs = self.settings, other.settings
                if "passthru" in (mine.mode, theirs.mode):
                    raise Conflict(
                        f"cannot use mode {mine.mode}, another {theirs.kind} network (mode {theirs.mode}) is already "
                        f"using parent interface {mine.parent}"
                    )
                if (mine.kind, theirs.kind) != (MACVLAN, MACVLAN) and mine != theirs:
                    raise Conflict(f"another network is already using parent interface {mine.parent}")

    def lay(self, host: Netlink) -> None:
        """Find the parent or make it, where it is a VLAN's or none is wanted; a parent of others is left as it is."""
        if not rtnetlink_kinds.knows(host, self.settings.kind):
            raise NotSupported(f"this kernel has no {self.settings.kind}: use another driver")
        link = rtnetlink.find_link(host, self.settings.parent)
        if link is None:
            self._make(host)
            link = rtnetlink.find_link(host, self.settings.parent)
            if link is None:
                raise Unavailable(f"interface {self.settings.parent} vanished as soon as it was made")
        self._ours = link.alias == self._mark
        self.index = link.index
        if self._ours:
            host.batch([rtnetlink.set_link(link.index, up=True)])

    def _make(self, host: Netlink) -> None:
        settings = self.settings
        if settings.hollow:
            self._make_hollow(host)
            return
        if not settings.vlan:
            raise InvalidArgument(
                f"-o parent interface was not found on the host: {settings.parent} (a VLAN's is called like eth0.10)"
            )
        base = rtnetlink.find_link(host, settings.base)
        if base is None:
            raise InvalidArgument(f"-o parent interface was not found on the host: {settings.base}")
        try:
            self._marked(host, rtnetlink_kinds.add_vlan(settings.parent, base.index, settings.vlan))
        except OSError as e:
            raise _lacking(e, f"VLANs (8021q): parent interface {settings.parent} cannot be made") from e

    def _make_hollow(self, host: Netlink) -> None:
        """A dummy; where the kernel has none, one of two ends that lead to each other."""
        name = self.settings.parent
        try:
            self._marked(host, rtnetlink_kinds.add_dummy(name))
        except OSError as e:
            if e.errno != errno.EOPNOTSUPP:
                raise
            other = f"{name[:-1]}~"
            self._marked(host, rtnetlink_kinds.add_pair(name, other))
            peer = rtnetlink.find_link(host, other)
            if peer is not None:
                host.batch([rtnetlink.set_link(peer.index, up=True)])

    def _marked(self, host: Netlink, making: Message) -> None:
        """In one go, so that no crash leaves one that nobody knows to be ours."""
        host.batch([making, rtnetlink_kinds.mark(self.settings.parent, self._mark)])

    def open(self) -> None:
        """The host's own programs do not come this way."""

    def plug(
        self, host: Netlink, sandbox: Sandbox, container_id: str, inside: Endpoint, cable: ParkedVeth | None
    ) -> None:
        """Give the sandbox an interface on the parent; a cable that was parked there goes.

        The MAC address may still be in use for a moment, by a container that has ended.
        """
        if cable is not None:
            endpoint.unplug(host, cable)
        deadline = time.monotonic() + _LEAVING
        while True:
            try:
                self._plug(host, sandbox, inside)
                return
            except OSError as e:
                if e.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                    raise
            time.sleep(_PAUSE)

    def _plug(self, host: Netlink, sandbox: Sandbox, inside: Endpoint) -> None:
        with sandbox.netlink() as inner, ExitStack() as undo:
            self._add(host, sandbox.netns_fd, inside.interface)
            link = rtnetlink.find_link(inner, inside.interface)
            if link is None:
                raise Unavailable(f"no interface {inside.interface} in the sandbox: it has ended")
            undo.callback(inner.batch, [rtnetlink.delete_link(link.index)])
            if switches := inside.named_switches(inside.interface):
                switch(sandbox.netns_fd, switches)
            inner.batch(endpoint.configuration(link.index, inside.interface, inside))
            undo.pop_all()

    def _add(self, host: Netlink, netns_fd: int, name: str) -> None:
        settings = self.settings
        if settings.kind == MACVLAN:
            message = rtnetlink_kinds.add_macvlan(name, self.index, netns_fd, settings.mode)
        else:
            message = rtnetlink_kinds.add_ipvlan(name, self.index, netns_fd, settings.mode, settings.flag)
        try:
            host.batch([message])
        except OSError as e:
            if e.errno in (errno.EBUSY, errno.EINVAL):
                raise Conflict(
                    f"parent interface {settings.parent} takes no {settings.kind} of mode {settings.mode}: it is used "
                    f"in another way already ({e.strerror})"
                ) from e
            raise _lacking(e, f"{settings.kind}: use another driver") from e

    def pull(self, host: Netlink, container_id: str, addresses: Addresses, sandbox: Sandbox | None) -> None:
        """The interface is found by its addresses, whatever it is called by now."""
        if sandbox is None:
            return
        with sandbox.netlink() as inner:
            owners = rtnetlink.owners(inner)
            index = next((owners[address] for address in addresses if address in owners), 0)
            if index:
                inner.batch([rtnetlink.delete_link(index)])

    def adopt(self, container_id: str, cable: Link) -> None:
        """There is nothing of it on the host."""

    def replug(self, host: Netlink) -> None:
        """What is in the sandboxes is in them."""

    def restore(self, host: Netlink) -> str:
        """Make a parent of ours again; the containers' interfaces have gone with the old one."""
        if not self._ours:
            return ""
        link = rtnetlink.find_link(host, self.settings.parent)
        if link is not None and link.index == self.index and link.up:
            return ""
        self.lay(host)
        return "put down" if link is not None else "deleted (containers on it must be connected again)"

    def retire(self, host: Netlink) -> None:
        """A parent of ours."""
        link = rtnetlink.find_link(host, self.settings.parent)
        if link is not None and link.alias == self._mark:
            graves.retire(host, link)


def _lacking(error: OSError, what: str) -> Exception:
    """A kernel that does not know a kind of interface says EOPNOTSUPP."""
    if error.errno == errno.EOPNOTSUPP:
        return NotSupported(f"this kernel has no {what}")
    return error
