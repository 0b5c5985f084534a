"""Host ports: which are free, and keeping them ours while a container is published on them.

A port is reserved by a bound socket that never listens. The kernel then refuses it to everybody else, and as the
container's shim holds the descriptor, the reservation outlives the daemon. A long range is only looked up in the
kernel's list of sockets, which takes one question, and bound afterwards.
"""

import errno
import os
from _socket import AF_INET, AF_INET6, IPPROTO_IPV6, IPV6_V6ONLY, SHUT_RDWR, SO_RCVBUF, SO_REUSEADDR, SOL_SOCKET
from _socket import socket as Socket  # the wrapper of the standard library costs more than the bind
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from socket import SOCK_DGRAM, SOCK_STREAM

from carrack.errors import Conflict, InvalidArgument, NotSupported, Unavailable
from carrack.model.ports import parse_range
from carrack.network import rivals, sysctl
from carrack.network.mappings import ANY, ANY6, PROTOCOLS
from carrack.network.portbook import PortBook, meeting

_EPHEMERAL = "net/ipv4/ip_local_port_range"
_EPHEMERAL_DEFAULT = (49153, 65535)
_KINDS = {"tcp": int(SOCK_STREAM), "udp": int(SOCK_DGRAM), "sctp": int(SOCK_STREAM)}
_NUMBERS = {name: int(number) for name, number in PROTOCOLS.items()}
_BOTH = (ANY, ANY6)


@dataclass(frozen=True, slots=True)
class Reservation:
    """A host port that is ours as long as ``fds`` (or duplicates of them) are open."""

    protocol: str
    addresses: tuple[str, ...]
    port: int
    fds: tuple[int, ...]


class PortAllocator:
    """All host ports this daemon has given out, and to whom. ``sys_root`` is where the range of free ports is read."""

    def __init__(self, sys_root: str = sysctl.PROC_SYS) -> None:
        self._sys_root = sys_root
        self._book = PortBook()
        self._last: dict[tuple[str, tuple[str, ...]], int] = {}

    def reserve(self, protocol: str, addresses: Sequence[str], host_port: str, owner: str = "") -> Reservation:
        """Bind one port on some addresses: a number, the first free of a range (``8000-8010``), or any (empty, ``0``).

        Conflict when this daemon has given it out already, Unavailable when another program has it or none is free;
        both name who has it, and a port that is free. ``owner`` is the name for such messages to others.
        """
        places = tuple(addresses)
        if host_port in ("", "0"):
            return self._any(protocol, places, *self._ephemeral(), owner)
        first, last = parse_range(host_port)
        if first != last:
            return self._any(protocol, places, first, last, owner)
        try:
            return self._bind(protocol, places, first, owner, blame=True)
        except (Conflict, Unavailable) as e:
            raise type(e)(f"{e}{self._proposal(protocol, places, first)}") from e

    def claim(self, protocol: str, addresses: Sequence[str], first: int, count: int, owner: str = "") -> list[int]:
        """Give out a range, to be bound by `bind_claimed` later; refuses as `reserve` does.

        Whether somebody is there is looked up but for sockets of TCP that are bound and do not listen, which would take
        long: the first and the last port are bound at once, for another range would meet one of them. Returns their
        descriptors.
        """
        places, last = tuple(addresses), first + count - 1
        try:
            self._check(protocol, places, first, count)
            for user in rivals.users(_NUMBERS[protocol], first, last, silent=False):
                if met := meeting(user.address, places):
                    raise Unavailable(_refusal(protocol, met, user.port, errno.EADDRINUSE))
            fds = self._bound_ends(protocol, places, (first, last))
        except (Conflict, Unavailable) as e:
            raise type(e)(f"{e}{self._proposal(protocol, places, last)}") from e
        self._book.take(protocol, places, first, count, owner)
        return fds

    def _bound_ends(self, protocol: str, addresses: tuple[str, ...], ends: Iterable[int]) -> list[int]:
        with ExitStack() as undo:
            fds = []
            for port in ends:
                for fd in _reserved(protocol, addresses, port, blame=True):
                    fds.append(fd)
                    undo.callback(os.close, fd)
            undo.pop_all()
        return fds

    def bind_claimed(self, protocol: str, addresses: Sequence[str], ports: Iterable[int]) -> list[int]:
        """Descriptors of sockets on ports that were given out; those that somebody has (we, for some) are left out."""
        found = []
        for port in ports:
            try:
                found += _bound(protocol, tuple(addresses), port)
            except (OSError, NotSupported):
                continue
        return found

    def adopt(self, protocol: str, addresses: Sequence[str], first: int, count: int = 1, owner: str = "") -> None:
        """Remember ports whose sockets a surviving shim holds."""
        self._book.take(protocol, addresses, first, count, owner)

    def release(self, protocol: str, addresses: Sequence[str], first: int, count: int = 1) -> None:
        """Forget ports; closing the descriptors is the holders' affair."""
        self._book.give_back(protocol, addresses, first, count)

    def _check(self, protocol: str, addresses: tuple[str, ...], first: int, count: int = 1) -> None:
        if protocol not in _NUMBERS:
            raise InvalidArgument(f"invalid proto: {protocol}")
        if clash := self._book.clash(protocol, addresses, first, count):
            by = f" to container {clash.owner}" if clash.owner else ""
            raise Conflict(f"Bind for {clash.address}:{clash.port} failed: port is already allocated{by}")

    def _ephemeral(self) -> tuple[int, int]:
        found = (sysctl.read(self._sys_root, _EPHEMERAL) or "").split()
        return (int(found[0]), int(found[1])) if len(found) == 2 else _EPHEMERAL_DEFAULT

    def _any(self, protocol: str, addresses: tuple[str, ...], first: int, last: int, owner: str) -> Reservation:
        count = last - first + 1
        start = self._last.get((protocol, addresses), first - 1) + 1
        if not first <= start <= last:
            start = first
        for step in range(count):
            port = first + (start - first + step) % count
            try:
                reservation = self._bind(protocol, addresses, port, owner)
            except (Conflict, Unavailable):
                continue
            self._last[protocol, addresses] = port
            return reservation
        raise Unavailable(f"Bind for {addresses[0]}:{first}-{last} failed: all ports are allocated")

    def _bind(
        self, protocol: str, addresses: tuple[str, ...], port: int, owner: str, *, blame: bool = False
    ) -> Reservation:
        self._check(protocol, addresses, port)
        fds = tuple(_reserved(protocol, addresses, port, blame=blame))
        self._book.take(protocol, addresses, port, 1, owner)
        return Reservation(protocol, addresses, port, fds)

    def _proposal(self, protocol: str, addresses: tuple[str, ...], port: int) -> str:
        """A free port close by, in words."""
        for other in range(port + 1, min(port + 100, 65536)):
            try:
                got = self._bind(protocol, addresses, other, "")
            except (Conflict, Unavailable, InvalidArgument, NotSupported):
                continue
            self.release(protocol, addresses, other)
            for fd in got.fds:
                os.close(fd)
            return f"; port {other} is free"
        return ""


def host_address(host_ip: str) -> str:
    """An address to bind, as the kernel writes it; InvalidArgument for nonsense."""
    try:
        return str(ip_address(host_ip))
    except ValueError:
        raise InvalidArgument(f"invalid IP address: {host_ip}") from None


def _reserved(protocol: str, addresses: tuple[str, ...], port: int, *, blame: bool) -> list[int]:
    try:
        return _bound(protocol, addresses, port)
    except OSError as e:
        raise Unavailable(_refusal(protocol, addresses[0], port, e.errno or errno.EADDRINUSE, blame=blame)) from e


def _refusal(protocol: str, address: str, port: int, code: int, *, blame: bool = True) -> str:
    """Docker's words; to name who has the port takes a look at every process of the host."""
    words = os.strerror(code).lower()
    who = rivals.who(_NUMBERS[protocol], port) if blame and code == errno.EADDRINUSE else ""
    return f"failed to bind host port {address}:{port}/{protocol}: {words}{' by ' + who if who else ''}"


def _bound(protocol: str, addresses: tuple[str, ...], port: int) -> list[int]:
    """Sockets on a port of some addresses; of all addresses of both families one is enough."""
    if protocol not in _KINDS:
        raise InvalidArgument(f"invalid proto: {protocol}")
    wanted = (ANY6,) if addresses == _BOTH else addresses
    found: list[int] = []
    try:
        for address in wanted:
            found.append(_bound_socket(protocol, address, port, both=addresses == _BOTH))
    except OSError as e:
        for fd in found:
            os.close(fd)
        if e.errno in (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT):
            raise NotSupported(f"this kernel has no {protocol}: port {port}/{protocol} cannot be published") from e
        raise
    return found


def _bound_socket(protocol: str, address: str, port: int, *, both: bool) -> int:
    family = AF_INET6 if ":" in address else AF_INET
    plain = Socket(family, _KINDS[protocol], _NUMBERS[protocol])
    try:
        if family == AF_INET6:
            plain.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0 if both else 1)
        plain.setsockopt(SOL_SOCKET, SO_RCVBUF, 0)  # nobody reads: a stray datagram must not pile up
        try:
            plain.bind((address, port))
        except OSError as e:
            if e.errno != errno.EADDRINUSE or protocol != "tcp":
                raise
            _bind_beside_closed(plain, address, port)
        return plain.detach()
    finally:
        plain.close()


def _bind_beside_closed(shared: Socket, address: str, port: int) -> None:
    """Bind although closed connections linger on the port (TIME_WAIT); anything alive there still refuses it.

    Only ``listen`` checks for the living when addresses may be reused; shutting down ends the listening, not the bind.
    """
    shared.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    shared.bind((address, port))
    shared.listen(0)
    shared.setsockopt(SOL_SOCKET, SO_REUSEADDR, 0)
    shared.shutdown(SHUT_RDWR)
