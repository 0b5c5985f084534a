"""Published ports between what a client wrote and what the firewall holds: bindings, pure.

A binding is a run of ports, so that a range of a thousand is one of them on its way. Its document, as
``NetworkSettings.Ports`` has it, says all that is needed to make it again after a restart of the daemon.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import pairwise
from typing import Any

from carrack.errors import InvalidArgument, NotSupported
from carrack.model import port_ranges
from carrack.model.ports import PublishedPort
from carrack.network.bridge import NAT, ROUTED, BridgeSettings
from carrack.network.mappings import ANY, ANY6, PortMapping
from carrack.network.ports import host_address

PortsDocument = dict[str, list[dict[str, Any]] | None]

#: What a network is that says nothing of itself
PLAIN = BridgeSettings()


@dataclass(frozen=True, slots=True)
class Way:
    """How a container is reached: its addresses (empty: none in that family), and the bridges that they are on.

    ``ipv6``: the host takes clients over IPv6; ``relay``: also for what only the relay can do.
    """

    address4: str
    address6: str
    bridge4: BridgeSettings = PLAIN
    bridge6: BridgeSettings = PLAIN
    ipv6: bool = True
    relay: bool = True

    def routed(self, host_ip: str) -> bool:
        """Whether such clients come straight to the container's own address: no port of the host is taken."""
        if ":" in host_ip:
            return bool(self.address6) and self.bridge6.gateway_mode6 == ROUTED
        return self.bridge4.gateway_mode4 == ROUTED


@dataclass(frozen=True, slots=True)
class Binding:
    """``count`` ports of a container, and the host's ports that lead there on each of some addresses.

    ``host_port`` 0 takes none of the host's (`Way.routed`).
    """

    protocol: str
    addresses: tuple[str, ...]
    host_port: int
    container_port: int
    count: int = 1
    allow: tuple[str, ...] = ()


def places(host_ip: str, way: Way, protocol: str = "tcp") -> tuple[str, ...]:
    """The host's addresses that a port is published on. InvalidArgument when the container cannot be reached so.

    What needs the relay is left out for protocols that it does not speak, or refused where it was asked for.
    """
    relayed = way.ipv6 if protocol != "sctp" else bool(way.address6)
    if host_ip:
        address = host_address(host_ip)
        if ":" not in address and not way.address4:
            raise InvalidArgument(f"cannot publish on {address}: the container has no IPv4 address")
        if ":" in address and not way.relay and (not way.address6 or ip_address(address).is_loopback):
            lacking = "" if way.address6 else "the container has no IPv6 address, and "
            raise InvalidArgument(f"cannot publish on [{address}]: {lacking}the relay is switched off (userland-proxy)")
        if ":" in address and not (way.address6 or relayed):
            what = f"{protocol} on {address}" if way.ipv6 else f"on {address}, this host has no IPv6"
            raise NotSupported(f"cannot publish {what}: the container has no IPv6 address to lead it to")
        return (address,)
    default = way.bridge4.host_binding
    if default not in ("", ANY):
        return (default,) if ":" in default or way.address4 else ()
    return tuple(a for a, there in ((ANY, way.address4), (ANY6, relayed)) if there)


def runs(wanted: Sequence[PublishedPort]) -> Iterator[tuple[PublishedPort, int]]:
    """Neighbours with numbers of their own (on both sides one more) as the first of them and how many they are. What is
    wanted may hold ranges (`port_ranges`)."""
    first: PublishedPort | None = None
    count = host = inner = 0
    protocol = next_host = next_container = ""
    for port in wanted:
        if "-" in port.container:
            if first is not None:
                yield first, count
            first = None
            yield from _ranged(port)
            continue
        follows = first is not None and port.container == next_container and port.host_port == next_host
        if follows and first is not None and (first.host_ip, first.allow) == (port.host_ip, port.allow):
            count += 1
            next_host, next_container = str(host + count), f"{inner + count}/{protocol}"
            continue
        if first is not None:
            yield first, count
        first, count = port, 1
        number, _, protocol = port.container.partition("/")
        host, inner = int(port.host_port) if port.host_port.isdigit() else 0, int(number)
        next_host, next_container = str(host + 1) if host else "", f"{inner + 1}/{protocol}" if host else ""
    if first is not None:
        yield first, count


def _ranged(port: PublishedPort) -> Iterator[tuple[PublishedPort, int]]:
    first, last, protocol = port_ranges.span(port.container)
    host, count = port.host_port.partition("-")[0], last - first + 1
    if host:
        yield PublishedPort(f"{first}/{protocol}", port.host_ip, host, port.allow), count
        return
    for n in range(count):  # any port, for each another
        yield PublishedPort(f"{first + n}/{protocol}", port.host_ip, "", port.allow), 1


def document(bindings: Iterable[Binding], exposed: Iterable[str] = ()) -> PortsDocument:
    """``NetworkSettings.Ports``: each container port with its places on the host, None for one only exposed. In what is
    exposed and in the document long ranges are one entry (`port_ranges`)."""
    made, found = list(bindings), dict.fromkeys(exposed)
    if not any("-" in key for key in found) and all(b.count < port_ranges.SHORTEST for b in made):
        return _filled(found, _singles(made))
    if _apart({port_ranges.span(key) for key in found} | {_span(b) for b in made}):
        return _filled(found, made)
    return port_ranges.folded(_filled(port_ranges.unfolded(found), _singles(made)))


def _span(binding: Binding) -> tuple[int, int, str]:
    return binding.container_port, binding.container_port + binding.count - 1, binding.protocol


def _apart(spans: Iterable[tuple[int, int, str]]) -> bool:
    """Whether no port is in two of them."""
    ordered = sorted((protocol, first, last) for first, last, protocol in spans)
    return all(one[0] != next_[0] or one[2] < next_[1] for one, next_ in pairwise(ordered))


def _singles(bindings: Iterable[Binding]) -> Iterator[Binding]:
    for one in bindings:
        for n in range(one.count):
            host_port = one.host_port + n if one.host_port else 0
            yield Binding(one.protocol, one.addresses, host_port, one.container_port + n, 1, one.allow)


def _filled(found: PortsDocument, bindings: Iterable[Binding]) -> PortsDocument:
    for one in bindings:
        more = {"Allow": list(one.allow)} if one.allow else {}
        host = port_ranges.numbers(one.host_port, one.count) if one.host_port else ""
        new = [{"HostIp": address, "HostPort": host, **more} for address in one.addresses]
        key = f"{port_ranges.numbers(one.container_port, one.count)}/{one.protocol}"
        old = found.get(key)
        found[key] = old + new if old else new
    return found


def parse(ports: Mapping[str, Any]) -> list[Binding]:
    """The bindings of a document."""
    found: list[Binding] = []
    for key, listed in ports.items():
        first, last, protocol = port_ranges.span(key)
        groups: dict[tuple[str, tuple[str, ...]], list[list[str]]] = {}
        for place in listed or ():
            rows = groups.setdefault((place["HostPort"], tuple(place.get("Allow") or ())), [[]])
            if place["HostIp"] in rows[-1]:
                rows.append([])
            rows[-1].append(place["HostIp"])
        for (port, allow), rows in groups.items():
            host, count = int(port.partition("-")[0] or 0), last - first + 1
            found += [Binding(protocol, tuple(row), host, first, count, allow) for row in rows]
    return joined(found)


def joined(bindings: Iterable[Binding]) -> list[Binding]:
    """Neighbours as runs."""
    found: list[Binding] = []
    last, count = None, 0
    for one in sorted(bindings, key=lambda b: (b.protocol, b.addresses, b.allow, b.container_port, b.host_port)):
        if last is not None and last.host_port and _is_behind(one, last, count):
            count += one.count
            continue
        if last is not None:
            found.append(replace(last, count=count))
        last, count = one, one.count
    return [*found, replace(last, count=count)] if last is not None else found


def _is_behind(one: Binding, last: Binding, count: int) -> bool:
    same = (one.protocol, one.addresses, one.allow) == (last.protocol, last.addresses, last.allow)
    return same and (one.host_port - last.host_port, one.container_port - last.container_port) == (count, count)


def without(bindings: Iterable[Binding], word: str) -> tuple[list[Binding], list[Binding]]:
    """(what stays, what goes) when ``80/tcp``, ``8080:80/tcp`` or ``127.0.0.1:8080:80/tcp`` is taken away."""
    before, _, container = word.rpartition(":")
    host_ip, _, host = before.rpartition(":")
    number, _, protocol = container.partition("/")
    stay: list[Binding] = []
    go: list[Binding] = []
    for binding in bindings:
        for one in _singles([binding]):
            meant = str(one.container_port) == number and one.protocol == (protocol or "tcp")
            there = host in ("", str(one.host_port)) and host_ip.strip("[]") in ("", *one.addresses)
            (go if meant and there else stay).append(one)
    return joined(stay), joined(go)


def mappings(bindings: Iterable[Binding], way: Way, *, direct_routing: bool = False) -> list[PortMapping]:
    """What the firewall is to do, coalesced; nothing for a family that the container has lost."""
    found: list[PortMapping] = []
    for binding in bindings:
        for address in binding.addresses:
            target = way.address6 if ":" in address and way.address6 else way.address4
            if target:
                found += _mapped(binding, address, target, way, direct_routing)
    return found


def _mapped(binding: Binding, host_ip: str, target: str, way: Way, direct_routing: bool) -> Iterator[PortMapping]:
    bridge, mode = way.bridge4, way.bridge4.gateway_mode4
    if ":" in target:
        bridge, mode = way.bridge6, way.bridge6.gateway_mode6
    same_family = (":" in host_ip) == (":" in target)
    opened = mode == ROUTED or (mode == NAT and (direct_routing or bool(bridge.trusted_interfaces)))
    direct = same_family and opened
    host_port = 0 if way.routed(host_ip) else binding.host_port
    first = (binding.protocol, host_ip, host_port, target, binding.container_port)
    if host_port == binding.container_port or not host_port or binding.count == 1:
        yield PortMapping(*first, binding.count, binding.allow, direct)
        return
    for n in range(binding.count):
        inner = binding.container_port + n
        yield PortMapping(binding.protocol, host_ip, host_port + n, target, inner, 1, binding.allow, direct)
