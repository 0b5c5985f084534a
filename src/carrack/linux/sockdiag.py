"""Which sockets use a port, from the kernel's own list, and which processes hold them.

Sources: sock_diag(7), linux/inet_diag.h.
"""

import os
import socket
import struct
from collections.abc import Collection, Iterator

from carrack.linux.netlink import Message, Netlink, attribute

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_BYTECODE = 1
_PORT_AT_LEAST, _PORT_AT_MOST = 2, 3
_ESTABLISHED, _CLOSED, _LISTEN, _BOUND_ONLY = 1, 7, 10, 13
#: States of sockets that have a port for themselves, by protocol. Bound without listening is told since Linux 6.8.
_STATES = {
    socket.IPPROTO_TCP: 1 << _LISTEN | 1 << _BOUND_ONLY,
    socket.IPPROTO_UDP: 1 << _CLOSED | 1 << _ESTABLISHED,
}
_REQUEST = struct.Struct("=BBBBI")
_SOCKET_ID_BYTES = 48
_INODE = 68


class PortUser:
    """A socket on a port: its local address (``0.0.0.0`` and ``::`` are all) and its number among sockets."""

    __slots__ = ("address", "inode", "port")

    def __init__(self, body: bytes) -> None:
        family = body[0]
        self.port = int.from_bytes(body[4:6], "big")
        raw = body[8:24] if family == socket.AF_INET6 else body[8:12]
        self.address = socket.inet_ntop(family, raw)
        self.inode = int(struct.unpack_from("=I", body, _INODE)[0])


class SockDiag:
    """One socket to the list of the network namespace it was made in. For one thread at a time."""

    def __init__(self) -> None:
        self._netlink = Netlink(_NETLINK_SOCK_DIAG)

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def users(self, protocol: int, first: int, last: int, *, silent: bool = True) -> list[PortUser]:
        """Sockets of both families that have a port of ``first`` to ``last`` for themselves.

        ``silent``: also those of TCP that are bound and do not listen, for which the kernel looks through all there
        are. Nothing for protocols other than TCP and UDP. OSError when the kernel cannot tell.
        """
        states = _STATES.get(protocol)
        if states is None:
            return []
        if not silent:
            states &= ~(1 << _BOUND_ONLY)
        found = []
        for family in (socket.AF_INET, socket.AF_INET6):
            body = _REQUEST.pack(family, protocol, 0, 0, states) + bytes(_SOCKET_ID_BYTES) + _only(first, last)
            answers = self._netlink.dump(Message(_SOCK_DIAG_BY_FAMILY, 0, body, "list sockets"))
            found += [PortUser(answer) for answer in answers]
        return found


def _only(first: int, last: int) -> bytes:
    """The kernel's filter program: each test is two words, and leads past the end when it fails."""
    program = struct.pack("=BBHBBH", _PORT_AT_LEAST, 8, 20, 0, 0, first)
    return attribute(_BYTECODE, program + struct.pack("=BBHBBH", _PORT_AT_MOST, 8, 12, 0, 0, last))


def processes(inodes: Collection[int], root: str = "/proc") -> Iterator[tuple[int, str]]:
    """(pid, command) of the processes that hold any of these sockets, as far as we may look."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in sorted(int(name) for name in os.listdir(root) if name.isdigit()):
        try:
            fds = os.listdir(f"{root}/{pid}/fd")
        except OSError:  # ended, or not ours to see
            continue
        if any(_target(f"{root}/{pid}/fd/{fd}") in wanted for fd in fds):
            yield pid, _command(root, pid)


def _target(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _command(root: str, pid: int) -> str:
    try:
        with open(f"{root}/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "?"
