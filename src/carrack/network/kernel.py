"""The sockets to the kernel that all networks share, and the firewall that speaks over one of them."""

import logging
from contextlib import ExitStack
from dataclasses import dataclass

from carrack.linux.conntrack import Conntrack
from carrack.linux.netlink import Netlink
from carrack.linux.nft_expressions import IPV4, IPV6
from carrack.linux.nftables import Nftables
from carrack.network import sysctl
from carrack.network.firewall import Firewall
from carrack.network.relaying import Relays, Row
from carrack.network.stance import USUAL, Stance

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Kernel:
    """For one thread at a time; ``relays`` belongs to the event loop, and is None without IPv6 or the wish for it."""

    host: Netlink
    nftables: Nftables
    conntrack: Conntrack
    firewall: Firewall
    relays: Relays | None = None

    @classmethod
    def open(cls, table: str, sys_root: str = sysctl.PROC_SYS, stance: Stance = USUAL) -> "Kernel":
        """OSError when the kernel lacks one of them."""
        families = (IPV4, IPV6) if sysctl.has_ipv6(sys_root) else (IPV4,)
        with ExitStack() as undo:
            host = undo.enter_context(Netlink())
            nftables = Nftables()
            undo.callback(nftables.close)
            conntrack = Conntrack()
            undo.callback(conntrack.close)
            relays = _relays(table) if IPV6 in families and stance.relay else None
            port = relays.port if relays is not None else 0
            firewall = Firewall(nftables, table, stance=stance, families=families, relay=port)
            undo.pop_all()
        return cls(host, nftables, conntrack, firewall, relays)

    def tell_relay(self, rows: list[Row]) -> None:
        """Have the relay serve these ports; in the event loop."""
        if self.relays is not None:
            self.relays.change(rows)

    def abandon(self) -> None:
        """`close` before anything was set up; the relay's sockets too, from any thread."""
        self.close()
        if self.relays is not None:
            self.relays.abandon()

    def close(self) -> None:
        """Close the sockets; what they have set up stays."""
        for socket in (self.host, self.nftables, self.conntrack):
            socket.close()


def _relays(table: str) -> Relays | None:
    try:
        return Relays(table)
    except OSError as e:
        _LOG.info("ports are published on IPv4 only: %s", e)
        return None
