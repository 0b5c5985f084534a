"""The kernel's table of known connections: read it, and make it forget some.

Address translation is decided for the first packet of a connection only; a UDP "connection" lives as long as packets
come, so that one which began before a rule was there never sees the rule.

Source: linux/netfilter/nfnetlink_conntrack.h.
"""

import errno
import socket
import struct
from collections.abc import Callable

from carrack.linux.netlink import NETLINK_NETFILTER, NLA_F_NESTED, Message, Netlink, attribute, attributes, nested

_SUBSYSTEM = 1
_GET, _DELETE = 1, 2
_TUPLE_ORIGINAL, _TUPLE_REPLY = 1, 2
_FAMILY = struct.pack(">BBH", socket.AF_INET, 0, 0)
_NO_ADDRESS = bytes(4)


class Connection:
    """One known IPv4 connection: its first packet's addresses and ports, and those of the answers to it."""

    __slots__ = ("destination", "key", "port", "protocol", "reply_destination", "reply_source", "source")

    def __init__(self, body: bytes) -> None:
        parts = attributes(body[4:])
        self.key = parts.get(_TUPLE_ORIGINAL, b"")
        self.source, self.destination, self.protocol, self.port = _tuple(self.key)
        self.reply_source, self.reply_destination, _, _ = _tuple(parts.get(_TUPLE_REPLY, b""))

    @property
    def translated(self) -> bool:
        """Whether an address of it is rewritten."""
        return (self.source, self.destination) != (self.reply_destination, self.reply_source)


def _tuple(data: bytes) -> tuple[str, str, int, int]:
    """Source, destination, protocol and destination port."""
    parts = attributes(data)
    addresses, ports = attributes(parts.get(1, b"")), attributes(parts.get(2, b""))
    source, destination = (socket.inet_ntoa(addresses.get(kind, _NO_ADDRESS)[:4]) for kind in (1, 2))
    return source, destination, ports.get(1, b"\0")[0], int.from_bytes(ports.get(3, b"")[:2], "big")


class Conntrack:
    """One socket to the table of the network namespace it was made in. For one thread at a time."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_NETFILTER)

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def connections(self) -> list[Connection]:
        """All known IPv4 connections."""
        answers = self._netlink.dump(Message(_SUBSYSTEM << 8 | _GET, 0, _FAMILY, "list known connections"))
        return [Connection(body) for body in answers]

    def forget(self, choose: Callable[[Connection], bool]) -> int:
        """Forget the chosen connections; returns how many there were. One that ended meanwhile is no error."""
        count = 0
        for connection in self.connections():
            if choose(connection):
                count += 1
                self._delete(connection)
        return count

    def _delete(self, connection: Connection) -> None:
        inner = attributes(connection.key)
        key = nested(_TUPLE_ORIGINAL, *(attribute(kind | NLA_F_NESTED, inner[kind]) for kind in (1, 2)))
        try:
            self._netlink.batch([Message(_SUBSYSTEM << 8 | _DELETE, 0, _FAMILY + key, "forget a connection")])
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise
