"""The sockets to the kernel that all networks share, and the firewall that speaks over one of them."""

from contextlib import ExitStack
from dataclasses import dataclass

from carrack.linux.conntrack import Conntrack
from carrack.linux.netlink import Netlink
from carrack.linux.nftables import Nftables
from carrack.network.firewall import Firewall


@dataclass(frozen=True, slots=True)
class Kernel:
    """For one thread at a time."""

    host: Netlink
    nftables: Nftables
    conntrack: Conntrack
    firewall: Firewall

    @classmethod
    def open(cls, table: str) -> "Kernel":
        """OSError when the kernel lacks one of them."""
        with ExitStack() as undo:
            host = undo.enter_context(Netlink())
            nftables = Nftables()
            undo.callback(nftables.close)
            conntrack = Conntrack()
            undo.pop_all()
        return cls(host, nftables, conntrack, Firewall(nftables, table))

    def close(self) -> None:
        """Close the sockets; what they have set up stays."""
        for socket in (self.host, self.nftables, self.conntrack):
            socket.close()
