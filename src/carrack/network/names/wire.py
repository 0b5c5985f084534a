"""Messages between the daemon and its resolver process: plain values, and descriptors beside them.

One message is one packet of a SOCK_SEQPACKET socket in Python's own marshal format: both ends are the same
interpreter, and the reader starts faster without a parser. Only the daemon is ever believed here.

========================================== ==========================================================================
daemon → resolver
========================================== ==========================================================================
``attach, id, view`` + UDP and TCP socket  answer there, with this view: (networks, servers, own, outside, names)
``change, id, view``                       another view
``detach, id``                             close the sockets
``endpoint, network, id, names,            the container's names and addresses in a network; ``full`` is the name
addresses, full``                          that is told for an address
``gone, network, id``                      none any more
``count, number``                          answered by ``counts, number, {name: how many}``
========================================== ==========================================================================

Names and addresses are bytes as in DNS packets.
"""

from __future__ import annotations

import _socket
import marshal
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

#: bytes of one message, far below what a socket takes at once
LIMIT = 64 * 1024
_MAX_FDS = 8
_RIGHTS = (int(_socket.SOL_SOCKET), int(_socket.SCM_RIGHTS))
_CUT = int(_socket.MSG_TRUNC | _socket.MSG_CTRUNC)
_CLOEXEC = int(_socket.MSG_CMSG_CLOEXEC)
_NOSIGNAL = int(_socket.MSG_NOSIGNAL)


def encode(*message: Any) -> bytes:
    """A message as bytes. ValueError when it is too long."""
    body = marshal.dumps(message)
    if len(body) > LIMIT:
        raise ValueError(f"a message of {len(body)} bytes to the resolver is over the limit of {LIMIT}")
    return body


def send(sock: _socket.socket, body: bytes, fds: Sequence[int] = ()) -> None:
    """Send an encoded message; the descriptors stay open here. BlockingIOError when there is no room just now."""
    ancillary = [(*_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []
    sock.sendmsg([body], ancillary, _NOSIGNAL)


def receive(sock: _socket.socket) -> tuple[tuple[Any, ...] | None, list[int]]:
    """A message and its descriptors, which are the caller's; ``(None, [])`` at the end of file. OSError, ValueError."""
    data, ancillary, flags, _ = sock.recvmsg(LIMIT, _socket.CMSG_SPACE(4 * _MAX_FDS), _CLOEXEC)
    fds: list[int] = []
    for level, kind, packed in ancillary:
        if (level, kind) == _RIGHTS:
            fds += struct.unpack(f"{len(packed) // 4}i", packed[: len(packed) // 4 * 4])
    if flags & _CUT:
        raise ValueError("a message was cut")
    return (marshal.loads(data) if data else None), fds  # our own daemon's
