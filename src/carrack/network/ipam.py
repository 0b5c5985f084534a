"""Which address a container gets: pools over subnets of either family, pure bookkeeping.

Addresses are handed out in a circle, not lowest first: a container's network namespace is taken down by the kernel some
time after its last process ended, and until then it still answers for its address.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from carrack.errors import Forbidden, Internal, InvalidArgument, Unavailable
from carrack.network.plan import Subnet

Address = IPv4Address | IPv6Address
_Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Addresses:
    """One address of each family, without prefix length; empty where there is none."""

    four: str = ""
    six: str = ""

    def __iter__(self) -> Iterator[str]:
        return filter(None, (self.four, self.six))


class AddressPool:
    """Free and taken addresses of ``subnet``; network, broadcast (of IPv4), gateway and reserved ones are never given.

    ``ip_range`` limits what is chosen by the pool; an address asked for by name may lie anywhere in the subnet. What is
    taken is kept, never what is free: a /64 costs no more than a /29.
    """

    def __init__(self, subnet: str, gateway: str = "", ip_range: str = "", taken: Iterable[str] = ()) -> None:
        self.subnet = ip_network(subnet)
        self.gateway = ip_address(gateway) if gateway else None
        choice = ip_network(ip_range) if ip_range else self.subnet
        if not _within(choice, self.subnet):
            raise InvalidArgument(f"IP range {choice} is not inside the subnet {self.subnet}")
        self._reserved = {int(self.gateway)} if self.gateway is not None else set()
        if self.subnet.num_addresses > 2:
            self._reserved.add(int(self.subnet.network_address))
            if self.subnet.version == 4:
                self._reserved.add(int(self.subnet.broadcast_address))
        self._first, self._count = int(choice.network_address), choice.num_addresses
        self._taken = {int(ip_address(address)) for address in taken}
        self._next = 0

    def allocate(self, wanted: str = "") -> Address:
        """Take the wanted address or the next free one.

        InvalidArgument when it is outside the subnet, Forbidden when it is taken, Unavailable when none is left.
        """
        number = self._named(wanted) if wanted else self._search()
        self._taken.add(number)
        return self._address(number)

    def release(self, address: str) -> None:
        """Give an address back; one that is not taken is ignored."""
        self._taken.discard(int(ip_address(address)))

    def holds(self, address: str) -> bool:
        """Whether the address belongs to the subnet. InvalidArgument when it is none."""
        return _parsed(address) in self.subnet

    def _address(self, number: int) -> Address:
        return IPv6Address(number) if self.subnet.version == 6 else IPv4Address(number)

    def _named(self, wanted: str) -> int:
        address = _parsed(wanted)
        if address not in self.subnet:
            raise InvalidArgument(f"invalid address {address}: It does not belong to any of this network's subnets")
        if int(address) in self._taken or int(address) in self._reserved:
            raise Forbidden(f"Address already in use: {address}")
        return int(address)

    def _search(self) -> int:
        for step in range(min(self._count, len(self._taken) + len(self._reserved) + 1)):
            offset = (self._next + step) % self._count
            number = self._first + offset
            if number not in self._taken and number not in self._reserved:
                self._next = offset + 1
                return number
        words = f"no available IPv{self.subnet.version} addresses on this network's address pools"
        raise Unavailable(f"{words}: {self.subnet}")


class Pools:
    """The pools of one family of a network, in the order of its plan; none where the network lacks the family."""

    def __init__(self, subnets: Sequence[Subnet], network: str = "") -> None:
        self._network = network
        self.pools = [
            AddressPool(subnet.subnet, subnet.gateway, subnet.ip_range, subnet.reserved.values()) for subnet in subnets
        ]

    def __bool__(self) -> bool:
        return bool(self.pools)

    def allocate(self, wanted: str = "") -> Address:
        """As a pool's; without a wish the first that has one left gives it. Internal, as with Docker, when none has."""
        if wanted:
            return self._owner(wanted).allocate(wanted)
        for pool in self.pools[:-1]:
            try:
                return pool.allocate()
            except Unavailable:
                continue
        try:
            return self.pools[-1].allocate()
        except Unavailable as e:
            version = self.pools[-1].subnet.version
            words = f"no available IPv{version} addresses on this network's address pools"
            raise Internal(f"{words}: {self._network}") from e

    def release(self, address: str) -> None:
        """Give an address back; one of no pool is ignored."""
        for pool in self.pools:
            if pool.holds(address):
                pool.release(address)

    def of(self, address: str) -> AddressPool:
        """The pool that an address which was given belongs to."""
        return self._owner(address)

    def _owner(self, address: str) -> AddressPool:
        for pool in self.pools:
            if pool.holds(address):
                return pool
        raise InvalidArgument(f"invalid address {address}: It does not belong to any of this network's subnets")


def _parsed(address: str) -> Address:
    try:
        return ip_address(address)
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {address}") from None


def _within(inner: _Network, outer: _Network) -> bool:
    same = inner.version == outer.version
    return same and inner[0] in outer and inner[-1] in outer
