"""Which address a container gets: a pool over one IPv4 subnet, pure bookkeeping.

Addresses are handed out in a circle, not lowest first: a container's network namespace is taken down by the kernel some
time after its last process ended, and until then it still answers for its address.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from carrack.errors import Conflict, InvalidArgument, Unavailable


class AddressPool:
    """Free and taken addresses of ``subnet``; network, broadcast and gateway are never given.

    ``ip_range`` limits what is chosen by the pool; an address asked for by name may lie anywhere in the subnet.
    """

    def __init__(
        self,
        subnet: str | IPv4Network,
        gateway: str | IPv4Address,
        ip_range: str | IPv4Network | None = None,
        taken: Iterable[str | IPv4Address] = (),
    ) -> None:
        self.subnet = IPv4Network(subnet)
        self.gateway = IPv4Address(gateway)
        choice = IPv4Network(ip_range) if ip_range is not None else self.subnet
        if not choice.subnet_of(self.subnet):
            raise InvalidArgument(f"IP range {choice} is not inside the subnet {self.subnet}")
        self._reserved = {int(self.gateway)}
        if self.subnet.prefixlen < 31:
            self._reserved |= {int(self.subnet.network_address), int(self.subnet.broadcast_address)}
        self._first, self._count = int(choice.network_address), choice.num_addresses
        self._taken = {int(IPv4Address(address)) for address in taken}
        self._next = 0

    def allocate(self, wanted: str | IPv4Address | None = None) -> IPv4Address:
        """Take the wanted address or the next free one.

        InvalidArgument when it is outside the subnet, Conflict when it is taken, Unavailable when none is left.
        """
        number = self._named(wanted) if wanted is not None else self._search()
        self._taken.add(number)
        return IPv4Address(number)

    def release(self, address: str | IPv4Address) -> None:
        """Give an address back; one that is not taken is ignored."""
        self._taken.discard(int(IPv4Address(address)))

    def is_taken(self, address: str | IPv4Address) -> bool:
        """Whether the address is handed out now."""
        return int(IPv4Address(address)) in self._taken

    def _named(self, wanted: str | IPv4Address) -> int:
        try:
            address = IPv4Address(wanted)
        except ValueError:
            raise InvalidArgument(f"invalid IPv4 address: {wanted}") from None
        if address not in self.subnet:
            raise InvalidArgument(f"invalid address {address}: It does not belong to any of this network's subnets")
        if int(address) in self._taken or int(address) in self._reserved:
            raise Conflict(f"Address already in use: {address}")
        return int(address)

    def _search(self) -> int:
        for step in range(self._count):
            offset = (self._next + step) % self._count
            number = self._first + offset
            if number not in self._taken and number not in self._reserved:
                self._next = offset + 1
                return number
        raise Unavailable(f"no available IPv4 addresses on this network's address pools: {self.subnet}")
