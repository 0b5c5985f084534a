"""One network as the fabric has it: its plan, the addresses it gives, and the wire its containers hang on."""

from carrack.errors import InvalidArgument
from carrack.linux.rtnetlink import mac_bytes
from carrack.network import sysctl
from carrack.network.endpoint import ANY_INTERFACE, Endpoint, mac_of
from carrack.network.ipam import Addresses, AddressPool, Pools
from carrack.network.kinds import kind_of
from carrack.network.plan import EndpointPlan, NetworkPlan

#: in bytes; the kernel takes IPv6 from interfaces with less (RFC 8200, 5)
SMALLEST_MTU6 = 1280


class Net:
    """``table`` names the daemon that it belongs to. For one thread at a time."""

    def __init__(self, plan: NetworkPlan, sys_root: str = sysctl.PROC_SYS, table: str = "carrack") -> None:
        self.plan = plan
        self._kind = kind_of(plan, table, sys_root)
        self.wire = self._kind.wire
        self.settings = self._kind.bridge
        """What the firewall's rules are made of; None where it has no say."""
        self.interface_prefix = self._kind.interface_prefix
        label = f"{plan.name} ({plan.id})"
        self._four = Pools([subnet for subnet in plan.subnets if subnet.version == 4], label)
        self._six = Pools([subnet for subnet in plan.subnets if subnet.version == 6], label)
        self._kernel_has_ipv6 = sysctl.has_ipv6(sys_root)

    def take(self, wanted: EndpointPlan) -> Addresses:
        """Addresses of each family the network has: all of them or none. InvalidArgument for a bad wish of any kind."""
        if wanted.mac:
            _check_mac(wanted.mac)
            if not self._kind.own_mac:
                raise InvalidArgument(f"{self.plan.driver} interfaces do not support custom mac address assignment")
        for address, pools, version in ((wanted.address, self._four, 4), (wanted.address6, self._six, 6)):
            if address and not pools:
                raise InvalidArgument(f"invalid address {address}: network {self.plan.name} has no IPv{version}")
        four = str(self._four.allocate(wanted.address)) if self._four else ""
        try:
            six = str(self._six.allocate(wanted.address6)) if self._six else ""
        except Exception:
            self._give(self._four, four)
            raise
        return Addresses(four, six)

    def release(self, addresses: Addresses) -> None:
        """Give addresses back."""
        self._give(self._four, addresses.four)
        self._give(self._six, addresses.six)

    @staticmethod
    def _give(pools: Pools, address: str) -> None:
        if address:
            pools.release(address)

    def gateways(self, addresses: Addresses) -> Addresses:
        """Where those who have these addresses leave by; none on an internal network."""
        return self._kind.way_out(addresses, Addresses(self._gateway(addresses.four), self._gateway(addresses.six)))

    def _gateway(self, address: str) -> str:
        """The gateway that goes with an address: on a bridge, one that the plan reserves under Docker's name first."""
        if not address:
            return ""
        pool = self._pool(address)
        name = f"DefaultGatewayIPv{pool.subnet.version}"
        named = [subnet.reserved[name] for subnet in self.plan.subnets if name in subnet.reserved]
        return named[0] if named and self.settings is not None else str(pool.gateway or "")

    def holds(self, address: str) -> bool:
        """Whether an address is of one of its subnets."""
        return any(pool.holds(address) for pools in (self._four, self._six) for pool in pools.pools)

    def prefix(self, address: str) -> int:
        """The prefix length that goes with one of the network's addresses, 0 for none."""
        return self._pool(address).subnet.prefixlen if address else 0

    def _pool(self, address: str) -> AddressPool:
        return (self._six if ":" in address else self._four).of(address)

    def inside(self, addresses: Addresses, interface: str, gateways: Addresses, wanted: EndpointPlan) -> Endpoint:
        """What the sandbox's end is to be. ``gateways`` are those that lead outside now."""
        own = tuple(f"{address}/{self.prefix(address)}" for address in addresses)
        mac = wanted.mac or mac_of(addresses.four or addresses.six)
        return Endpoint(
            own + tuple(_with_prefix(address) for address in wanted.link_local),
            tuple(gateways),
            mac if self._kind.own_mac else "",
            self._kind.mtu,
            interface,
            self._kernel_has_ipv6 and not 0 < self._kind.mtu < SMALLEST_MTU6,
            tuple((_path(name), value) for name, value in wanted.sysctls),
        )


def _with_prefix(link_local: str) -> str:
    return f"{link_local}/{64 if ':' in link_local else 16}"


def _path(name: str) -> str:
    """``net.ipv4.conf.IFNAME.forwarding`` as the path that it is. InvalidArgument for what is no switch of the one."""
    parts = name.split(".")
    if len(parts) < 5 or parts[0] != "net" or parts[3] != ANY_INTERFACE or not all(parts) or "/" in name:
        raise InvalidArgument(f"invalid sysctl {name}: one of an endpoint is net.X.Y.{ANY_INTERFACE}.Z")
    return "/".join(parts)


def _check_mac(text: str) -> None:
    try:
        first = mac_bytes(text)[0]
    except ValueError:
        raise InvalidArgument(f"invalid MAC address: {text}") from None
    if first & 1:
        raise InvalidArgument(f"invalid MAC address: {text} is a multicast address")
