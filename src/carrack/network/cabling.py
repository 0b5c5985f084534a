"""The bridge with the cables on it, and bringing both back into shape when somebody has meddled with them."""

import errno
import logging
import secrets
from collections.abc import Sequence
from contextlib import ExitStack

from carrack.errors import Conflict
from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.network import bridge, endpoint, graves, sysctl
from carrack.network.bridge import BridgeSettings
from carrack.network.endpoint import Endpoint, ParkedVeth, Socket
from carrack.network.ipam import Addresses
from carrack.network.sandbox import Sandbox, switch
from carrack.network.wire import Wire

_LOG = logging.getLogger(__name__)


def park(host: Netlink, netns_fd: int, peer: str = endpoint.INTERFACE) -> ParkedVeth:
    """A cable into a sandbox, with a name of its own on the host."""
    return endpoint.park(host, netns_fd, f"veth{secrets.token_hex(4)[:7]}", peer)


class Cabling(Wire):
    """One bridge and the host's ends of its containers' cables, by container id. For one thread at a time.

    ``mark`` is the note that the bridge carries when it is we who made it.
    """

    def __init__(self, settings: BridgeSettings, mark: str = "", sys_root: str = sysctl.PROC_SYS) -> None:
        self.settings = settings
        self._mark = mark
        self._sys_root = sys_root
        self._cables: dict[str, ParkedVeth] = {}
        self.index = 0
        """The bridge's interface index; another one after it was made anew."""

    @property
    def what(self) -> str:
        """``bridge br0``"""
        return f"bridge {self.settings.name}"

    @property
    def followed(self) -> int:
        """The bridge."""
        return self.index

    def check(self, others: Sequence[Wire]) -> None:
        """Two networks cannot have one bridge."""
        if any(isinstance(other, Cabling) and other.settings.name == self.settings.name for other in others):
            raise Conflict(f"bridge {self.settings.name} is another network's: choose another name for it")

    def lay(self, host: Netlink) -> None:
        """Make the bridge or bring the present one into shape; as `bridge.ensure`."""
        self.index = bridge.ensure(host, self.settings, self._sys_root, self._mark)

    def open(self) -> None:
        """Let the bridge carry what comes from 127.0.0.1; the firewall must stand before."""
        sysctl.ensure(self._sys_root, sysctl.route_localnet(self.settings.name), "1")

    def retire(self, host: Netlink) -> None:
        """The bridge, unless it was lent."""
        link = rtnetlink.find_link(host, self.settings.name)
        if link is not None and link.kind == "bridge" and (not self.settings.lent or link.alias == self._mark):
            graves.retire(host, link)

    def adopt(self, container_id: str, link: rtnetlink.Link) -> None:
        """Remember the host's end of a surviving container's cable."""
        self._cables[container_id] = ParkedVeth(link.index, link.name)

    def replug(self, host: Netlink) -> None:
        """Put all cables on the bridge; one whose sandbox has ended meanwhile is no error."""
        for container_id, cable in self._cables.items():
            try:
                endpoint.replug(host, cable, self._socket)
            except OSError as e:
                if e.errno != errno.ENODEV:
                    raise
                _LOG.debug("container %s has ended, with its cable: %s", container_id, e)

    @property
    def _socket(self) -> Socket:
        return Socket(self.index, self.settings.isolated and not bridge.can_filter(self._sys_root))

    def plug(
        self,
        host: Netlink,
        sandbox: Sandbox,
        container_id: str,
        inside: Endpoint,
        cable: ParkedVeth | None,
    ) -> None:
        """Connect a sandbox, by the cable that was parked there or a new one. Raises OSError, Unavailable.

        A new one that cannot be plugged is cut again; one that was parked there spoils the sandbox.
        """
        with ExitStack() as undo:
            if cable is None:
                cable = park(host, sandbox.netns_fd, inside.interface)
                undo.callback(endpoint.unplug, host, cable)
            if switches := inside.named_switches(cable.peer):
                switch(sandbox.netns_fd, switches)
            self._plug(host, sandbox, cable, inside)
            undo.pop_all()
        self._cables[container_id] = cable

    def _plug(self, host: Netlink, sandbox: Sandbox, cable: ParkedVeth, inside: Endpoint) -> None:
        """A bridge that was taken away a moment ago is made again."""
        with sandbox.netlink() as inner:
            try:
                endpoint.plug(host, inner, cable, inside, self._socket)
            except OSError:
                if not self.restore(host):
                    raise
                endpoint.plug(host, inner, cable, inside, self._socket)

    def pull(self, host: Netlink, container_id: str, addresses: Addresses, sandbox: Sandbox | None) -> None:
        """Forget a container's cable, which dies with its sandbox; that of one that lives on is cut now."""
        cable = self._cables.pop(container_id, None)
        if cable is not None and sandbox is not None:
            endpoint.unplug(host, cable)

    def restore(self, host: Netlink) -> str:
        """Mend the bridge and plug all cables again if it is not as it was made; what was wrong, in words."""
        damage = bridge.damage(host, self.settings, self.index, self._sys_root)
        if damage:
            self.lay(host)
            self.open()
            self.replug(host)
        return damage
