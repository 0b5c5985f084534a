"""Host ports: which are free, and keeping them ours while a container is published on them.

A port is reserved by a bound socket that never listens. The kernel then refuses it to everybody else, and as the
container's shim holds the descriptor, the reservation outlives the daemon.
"""

import errno
import ipaddress
import os
import socket
from dataclasses import dataclass

from carrack.errors import Conflict, InvalidArgument, NotSupported, Unavailable
from carrack.model.ports import parse_range
from carrack.network import sysctl

ANY = "0.0.0.0"
_EPHEMERAL = "net/ipv4/ip_local_port_range"
_EPHEMERAL_DEFAULT = (49153, 65535)
_SOCKETS = {
    "tcp": (socket.SOCK_STREAM, socket.IPPROTO_TCP),
    "udp": (socket.SOCK_DGRAM, socket.IPPROTO_UDP),
    "sctp": (socket.SOCK_STREAM, socket.IPPROTO_SCTP),
}


@dataclass(frozen=True, slots=True)
class Reservation:
    """A host port that is ours as long as ``fd`` (or a duplicate of it) is open."""

    protocol: str
    host_ip: str
    port: int
    fd: int


class PortAllocator:
    """All host ports this daemon has given out. ``sys_root`` is where the range of free ports is read."""

    def __init__(self, sys_root: str = sysctl.PROC_SYS) -> None:
        self._sys_root = sys_root
        self._taken: dict[tuple[str, int], set[str]] = {}  # the addresses on which a port is given out
        self._last: dict[tuple[str, str], int] = {}

    def reserve(self, protocol: str, host_ip: str, host_port: str) -> Reservation:
        """Bind one port: a number, the first free of a range (``8000-8010``), or any free one (empty, ``0``).

        Conflict when this daemon has given it out already, Unavailable when another program has it or none is free.
        """
        address = host_address(host_ip)
        if host_port in ("", "0"):
            return self._any(protocol, address, *self._ephemeral())
        first, last = parse_range(host_port)
        if first == last:
            return self._bind(protocol, address, first)
        return self._any(protocol, address, first, last)

    def adopt(self, protocol: str, host_ip: str, port: int) -> None:
        """Remember a port whose socket a surviving shim holds."""
        self._taken.setdefault((protocol, port), set()).add(host_address(host_ip))

    def release(self, protocol: str, host_ip: str, port: int) -> None:
        """Forget a port; closing the descriptors is the holders' affair."""
        places = self._taken.get((protocol, port), set())
        places.discard(host_ip)
        if not places:
            self._taken.pop((protocol, port), None)

    def _ephemeral(self) -> tuple[int, int]:
        found = (sysctl.read(self._sys_root, _EPHEMERAL) or "").split()
        return (int(found[0]), int(found[1])) if len(found) == 2 else _EPHEMERAL_DEFAULT

    def _any(self, protocol: str, address: str, first: int, last: int) -> Reservation:
        count = last - first + 1
        start = self._last.get((protocol, address), first - 1) + 1
        if not first <= start <= last:
            start = first
        for step in range(count):
            port = first + (start - first + step) % count
            try:
                reservation = self._bind(protocol, address, port)
            except (Conflict, Unavailable):
                continue
            self._last[protocol, address] = port
            return reservation
        raise Unavailable(f"Bind for {address}:{first}-{last} failed: all ports are allocated")

    def _bind(self, protocol: str, address: str, port: int) -> Reservation:
        if self._is_taken(protocol, address, port):
            raise Conflict(f"Bind for {address}:{port} failed: port is already allocated")
        try:
            fd = _bound_socket(protocol, address, port)
        except OSError as e:
            words = os.strerror(e.errno or errno.EADDRINUSE).lower()
            raise Unavailable(f"failed to bind host port {address}:{port}/{protocol}: {words}") from e
        self.adopt(protocol, address, port)
        return Reservation(protocol, address, port, fd)

    def _is_taken(self, protocol: str, address: str, port: int) -> bool:
        places = self._taken.get((protocol, port), set())
        return bool(places) and (address == ANY or ANY in places or address in places)


def host_address(host_ip: str) -> str:
    """The IPv4 address to bind; empty is any. InvalidArgument for nonsense, NotSupported for IPv6."""
    try:
        address = ipaddress.ip_address(host_ip or ANY)
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {host_ip}") from None
    if address.version == 6:
        raise NotSupported(f"publishing on the IPv6 address {host_ip} is not supported yet: use an IPv4 address")
    return str(address)


def _bound_socket(protocol: str, address: str, port: int) -> int:
    if protocol not in _SOCKETS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    try:
        with socket.socket(socket.AF_INET, *_SOCKETS[protocol]) as plain:
            _narrow(plain)
            plain.bind((address, port))
            return plain.detach()
    except OSError as e:
        if e.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            raise NotSupported(f"this kernel has no {protocol}: port {port}/{protocol} cannot be published") from e
        if e.errno != errno.EADDRINUSE or protocol != "tcp":
            raise
    return _bound_beside_closed(address, port)


def _bound_beside_closed(address: str, port: int) -> int:
    """Bind although closed connections linger on the port (TIME_WAIT); anything alive there still refuses it.

    Only ``listen`` checks for the living when addresses may be reused; shutting down ends the listening, not the bind.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as shared:
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        shared.bind((address, port))
        shared.listen(0)
        shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        shared.shutdown(socket.SHUT_RDWR)
        return shared.detach()


def _narrow(plain: socket.socket) -> None:
    """Nobody reads from a reservation: a stray datagram must not pile up in it."""
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
