"""Which descriptors are sockets bound to a port."""

import contextlib
import os
import socket
from collections.abc import Collection, Iterable
from socket import SOCK_DGRAM, SOCK_STREAM

#: Protocol, addresses of which any will do, port
Place = tuple[str, Collection[str], int]

_KINDS = {"tcp": SOCK_STREAM, "sctp": SOCK_STREAM, "udp": SOCK_DGRAM}


def on_ports(fds: Iterable[int], places: Collection[Place]) -> list[int]:
    """Those of the descriptors, all still their owner's, that are sockets bound to one of the places."""
    return [fd for fd in fds if _is_on(fd, places)]


def _is_on(fd: int, places: Collection[Place]) -> bool:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as sock:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            address, port = sock.getsockname()[:2]
            wanted = ((_KINDS.get(protocol), addresses, number) for protocol, addresses, number in places)
            return any(sock.type == kind and port == number and address in at for kind, at, number in wanted)
    return False
