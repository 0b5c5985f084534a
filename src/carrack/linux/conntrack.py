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
_NO_ADDRESS = bytes(4)


class Connection:
    """One known connection: its first packet's addresses and port, and those of the answers to it."""

    __slots__ = ("destination", "family", "key", "port", "protocol", "reply_destination", "reply_source", "source")

    def __init__(self, body: bytes) -> None:
        self.family = body[0]
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
    source, destination = (_address(addresses.get(kind) or addresses.get(kind + 2, _NO_ADDRESS)) for kind in (1, 2))
    return source, destination, ports.get(1, b"\0")[0], int.from_bytes(ports.get(3, b"")[:2], "big")


def _address(data: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET6, data) if len(data) == 16 else socket.inet_ntoa(data[:4])


def _header(family: int) -> bytes:
    return struct.pack(">BBH", family, 0, 0)


class Conntrack:
    """One socket to the table of the network namespace it was made in. For one thread at a time."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_NETFILTER)

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def connections(self, family: int = socket.AF_INET) -> list[Connection]:
        """All known connections of an address family."""
        answers = self._netlink.dump(Message(_SUBSYSTEM << 8 | _GET, 0, _header(family), "list known connections"))
        return [Connection(body) for body in answers]

    def answered_by(self, protocol: int, source: tuple[str, int], destination: tuple[str, int]) -> Connection | None:
        """The connection whose answers go from ``source`` to ``destination``, if one is known."""
        kinds, family = ((3, 4), socket.AF_INET6) if ":" in source[0] else ((1, 2), socket.AF_INET)
        places = zip(kinds, (source[0], destination[0]), strict=True)
        ip = nested(1, *(attribute(kind, socket.inet_pton(family, address)) for kind, address in places))
        numbers = (attribute(kind, struct.pack(">H", port)) for kind, port in ((2, source[1]), (3, destination[1])))
        key = nested(_TUPLE_REPLY, ip, nested(2, attribute(1, bytes([protocol])), *numbers))
        request = Message(_SUBSYSTEM << 8 | _GET, 0, _header(family) + key, "look up a connection")
        try:
            answers = self._netlink.get(request)
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise
            return None
        return Connection(answers[0]) if answers else None

    def forget(self, choose: Callable[[Connection], bool], family: int = socket.AF_INET) -> int:
        """Forget the chosen connections; returns how many there were. One that ended meanwhile is no error."""
        count = 0
        for connection in self.connections(family):
            if choose(connection):
                count += 1
                self._delete(connection)
        return count

    def _delete(self, connection: Connection) -> None:
        inner = attributes(connection.key)
        key = nested(_TUPLE_ORIGINAL, *(attribute(kind | NLA_F_NESTED, inner[kind]) for kind in (1, 2)))
        body = _header(connection.family) + key
        try:
            self._netlink.batch([Message(_SUBSYSTEM << 8 | _DELETE, 0, body, "forget a connection")])
        except OSError as e:
            if e.errno != errno.ENOENT:
                raise
