"""nf_tables without the nft program: tables, chains, rules and maps as messages, sent as one transaction.

A change that is only half made would leave ports open, so everything of one change goes in one batch: the kernel takes
it whole or not at all, and each refusal comes back with the words of the request that caused it.

Sources: linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h, net/netfilter/nfnetlink.c (order of the answers).
"""

import errno
import socket
import struct
from collections.abc import Iterable, Sequence

from carrack.linux.netlink import (
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_APPEND,
    NLM_F_CREATE,
    NLM_F_EXCL,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    Message,
    Netlink,
    attribute,
    attribute_list,
    attributes,
    be32,
    failure,
    frame,
    nested,
    split,
    text,
)
from carrack.linux.nft_expressions import value

# Hooks and priorities of IPv4 (linux/netfilter.h, linux/netfilter_ipv4.h)
PREROUTING = 0
INPUT = 1
FORWARD = 2
OUTPUT = 3
POSTROUTING = 4
PRIORITY_RAW = -300
PRIORITY_DSTNAT = -100
PRIORITY_FILTER = 0
PRIORITY_SRCNAT = 100

# Data types as nft numbers them, so that its listings read well
TYPE_IPV4_ADDRESS = 7
TYPE_PROTOCOL = 12
TYPE_PORT = 13
_TYPE_BITS = 6
_BYTES = {TYPE_IPV4_ADDRESS: 4, TYPE_PROTOCOL: 1, TYPE_PORT: 2}

#: Multicast group that carries every change of the rule set
GROUP_CHANGES = 7

_BATCH_BEGIN = 16
_BATCH_END = 17
_SUBSYSTEM = 10
_NEWTABLE, _GETTABLE, _DELTABLE = 0, 1, 2
_NEWCHAIN, _GETCHAIN = 3, 4
_NEWRULE, _GETRULE = 6, 7
_NEWSET = 9
_NEWSETELEM, _GETSETELEM, _DELSETELEM = 12, 13, 14
#: What is announced when somebody takes something away: table, chain, rule, set, element
REMOVALS = frozenset(_SUBSYSTEM << 8 | kind for kind in (_DELTABLE, 5, 8, 11, _DELSETELEM))

_SET_INTERVAL = 0x4
_SET_MAP = 0x8
_SET_CONCAT = 0x80
_LIST_ELEMENT = 1
_ELEMENTS_PER_MESSAGE = 400
_COMMENT = 0  # of the user data that nft itself writes


#: kind, hook, priority, policy
BaseChain = tuple[str, int, int, int]


class Element:
    """An entry of a map: key parts, what they map to, and for an interval the last of each key part (inclusive)."""

    __slots__ = ("data", "key", "key_end")

    def __init__(self, key: Sequence[bytes], data: Sequence[bytes], key_end: Sequence[bytes] | None = None) -> None:
        self.key = joined(key)
        self.data = joined(data)
        self.key_end = joined(key_end) if key_end is not None else None

    def encode(self, *, with_data: bool = True) -> bytes:
        """The NFTA_LIST_ELEM of this entry."""
        parts = [value(1, self.key)]
        if self.key_end is not None:
            parts.append(value(10, self.key_end))
        if with_data:
            parts.append(value(2, self.data))
        return nested(_LIST_ELEMENT, *parts)


def joined(parts: Sequence[bytes]) -> bytes:
    """Parts of a concatenated key as the kernel keeps them: each padded to four bytes."""
    return b"".join(part + b"\0" * (-len(part) & 3) for part in parts)


def _string(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")


def _message(kind: int, flags: int, body: bytes, what: str) -> Message:
    return Message(_SUBSYSTEM << 8 | kind, flags, struct.pack(">BBH", socket.AF_INET, 0, 0) + body, what)


def add_table(table: str, *, new: bool = False) -> Message:
    """Make a table of family ``ip``; one that is there already stays as it is, or is refused (EEXIST) if ``new``."""
    return _message(_NEWTABLE, NLM_F_CREATE | (NLM_F_EXCL if new else 0), text(1, table), f"add nftables table {table}")


def delete_table(table: str) -> Message:
    """Delete a table with all that is in it; ENOENT when there is none."""
    return _message(_DELTABLE, 0, text(1, table), f"delete nftables table {table}")


def add_chain(table: str, name: str, kind: str, hook: int, priority: int, *, policy: int) -> Message:
    """Make a base chain; ``kind`` is ``filter`` or ``nat``."""
    place = nested(4, be32(1, hook), attribute(2, struct.pack(">i", priority)))
    body = text(1, table) + text(3, name) + place + be32(5, policy) + text(7, kind)
    return _message(_NEWCHAIN, NLM_F_CREATE, body, f"add nftables chain {table} {name}")


def add_rule(table: str, chain: str, expressions: bytes, comment: str) -> Message:
    """Append a rule. The comment says what it is for, shows in ``nft list`` and is what verification looks at."""
    said = comment.encode() + b"\0"
    note = attribute(7, bytes([_COMMENT, len(said)]) + said)
    body = text(1, table) + text(2, chain) + nested(4, expressions) + note
    return _message(_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, body, f"add nftables rule {table} {chain} ({comment})")


def add_map(table: str, name: str, number: int, key: Sequence[int], data: Sequence[int], *, interval: bool) -> Message:
    """Make a map with a concatenated key; ``number`` tells the maps of one batch apart."""
    flags = _SET_MAP | _SET_CONCAT | (_SET_INTERVAL if interval else 0)
    fields = nested(2, *(nested(_LIST_ELEMENT, be32(1, _BYTES[part])) for part in key))
    body = text(1, table) + text(2, name) + be32(3, flags)
    body += be32(4, _type(key)) + be32(5, _length(key)) + be32(6, _type(data)) + be32(7, _length(data))
    body += nested(9, fields) + be32(10, number)
    return _message(_NEWSET, NLM_F_CREATE, body, f"add nftables map {table} {name}")


def _type(parts: Sequence[int]) -> int:
    number = 0
    for part in parts:
        number = number << _TYPE_BITS | part
    return number


def _length(parts: Sequence[int]) -> int:
    return sum(_BYTES[part] + 3 & ~3 for part in parts)


def add_elements(table: str, name: str, elements: Sequence[Element]) -> list[Message]:
    """Put entries into a map; one that is there with other data is refused (EEXIST)."""
    what = f"add nftables elements to {table} {name}"
    return [_message(_NEWSETELEM, NLM_F_CREATE, body, what) for body in _element_bodies(table, name, elements, True)]


def delete_elements(table: str, name: str, elements: Sequence[Element]) -> list[Message]:
    """Take entries out of a map; ENOENT when one is not there."""
    what = f"delete nftables elements of {table} {name}"
    return [_message(_DELSETELEM, 0, body, what) for body in _element_bodies(table, name, elements, False)]


def _element_bodies(table: str, name: str, elements: Sequence[Element], with_data: bool) -> Iterable[bytes]:
    for start in range(0, len(elements), _ELEMENTS_PER_MESSAGE):
        part = elements[start : start + _ELEMENTS_PER_MESSAGE]
        encoded = (element.encode(with_data=with_data) for element in part)
        yield text(1, table) + text(2, name) + nested(3, *encoded)


class Nftables:
    """One nfnetlink socket: transactions in, and reading back what the kernel holds. For one thread at a time."""

    def __init__(self, *, fd: int | None = None) -> None:
        self._netlink = Netlink(NETLINK_NETFILTER, fd=fd)
        self.port_id = self._netlink.port_id()

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def commit(self, messages: Sequence[Message]) -> None:
        """Apply all messages or none; OSError with the kernel's reason for the first that was refused.

        Refusals are always answered; an acknowledgement is asked of the last message only, so that a batch of any
        size needs no room for thousands of answers. A transaction that fails as a whole is answered to its header.
        """
        if not messages:
            return
        netlink = self._netlink
        marker = struct.pack(">BBH", socket.AF_UNSPEC, 0, _SUBSYSTEM)
        begin = netlink.next_sequence()
        framed = [frame(Message(_BATCH_BEGIN, 0, marker, "begin"), begin, NLM_F_REQUEST)]
        sent: dict[int, str] = {begin: "commit nftables batch"}
        for message in messages:
            sequence = netlink.next_sequence()
            sent[sequence] = message.what
            framed.append(frame(message, sequence, NLM_F_REQUEST | (NLM_F_ACK if len(sent) > len(messages) else 0)))
        framed.append(frame(Message(_BATCH_END, 0, marker, "end"), netlink.next_sequence(), NLM_F_REQUEST))
        netlink.send(b"".join(framed))
        self._collect(sent, begin, begin + len(messages))

    def _collect(self, sent: dict[int, str], begin: int, last: int) -> None:
        error = None
        while True:
            for kind, flags, sequence, body in split(self._netlink.receive()):
                if kind != NLMSG_ERROR or sequence not in sent:
                    continue
                error = error or failure(flags, body, sent[sequence])
                if sequence in (begin, last):
                    if error:
                        raise error
                    return

    def has_table(self, table: str) -> bool:
        """Whether the table is there."""
        try:
            self._netlink.get(_message(_GETTABLE, 0, text(1, table), f"look up nftables table {table}"))
        except OSError as e:
            if e.errno == errno.ENOENT:
                return False
            raise
        return True

    def base_chains(self) -> dict[tuple[str, str], BaseChain]:
        """All base chains of family ip, everybody's: (table, name) → (kind, hook, priority, policy)."""
        found = {}
        for body in self._netlink.dump(_message(_GETCHAIN, 0, b"", "list nftables chains")):
            parts = attributes(body[4:])
            if 4 in parts:
                place = attributes(parts[4])
                hook, priority = struct.unpack(">i", place[1])[0], struct.unpack(">i", place[2])[0]
                key = _string(parts[1]), _string(parts[3])
                found[key] = (_string(parts[7]), hook, priority, int.from_bytes(parts[5], "big"))
        return found

    def rules(self, table: str) -> list[tuple[str, str]]:
        """(chain, comment) of each rule of a table, in order within each chain."""
        found = []
        request = _message(_GETRULE, 0, text(1, table), f"list nftables rules of {table}")
        for body in self._netlink.dump(request):
            parts = attributes(body[4:])
            if parts[1] == table.encode() + b"\0":
                note = parts.get(7, b"")
                comment = _string(note[2 : 2 + note[1]]) if note[:1] == bytes([_COMMENT]) else ""
                found.append((_string(parts[2]), comment))
        return found

    def elements(self, table: str, name: str) -> dict[tuple[bytes, bytes], bytes]:
        """All entries of a map: (key, last key or b"") → data."""
        body = text(1, table) + text(2, name)
        answers = self._netlink.dump(_message(_GETSETELEM, 0, body, f"list nftables elements of {table} {name}"))
        return dict(entry for answer in answers for entry in _entries(answer))

    def lacks(self, table: str, name: str, elements: Sequence[Element]) -> list[Element]:
        """Those of the elements that the kernel does not hold with the same data."""
        if len(elements) > _ELEMENTS_PER_MESSAGE:
            held = self.elements(table, name)
            return [e for e in elements if held.get((e.key, e.key_end or b"")) != e.data]
        return [element for element in elements if not self._holds(table, name, element)]

    def _holds(self, table: str, name: str, element: Element) -> bool:
        body = text(1, table) + text(2, name) + nested(3, element.encode(with_data=False))
        try:
            answers = self._netlink.get(_message(_GETSETELEM, 0, body, f"look up an element of {table} {name}"))
        except OSError as e:
            if e.errno == errno.ENOENT:
                return False
            raise
        return any(data == element.data for answer in answers for _, data in _entries(answer))


def _entries(answer: bytes) -> Iterable[tuple[tuple[bytes, bytes], bytes]]:
    for _, entry in attribute_list(attributes(answer[4:]).get(3, b"")):
        parts = attributes(entry)
        key, end, data = (attributes(parts.get(kind, b"")).get(1, b"") for kind in (1, 10, 2))
        yield (key, end), data


class ChangeListener:
    """A socket, never blocking, on which the kernel tells of every change of the rule set."""

    def __init__(self) -> None:
        self._netlink = Netlink(NETLINK_NETFILTER, groups=1 << GROUP_CHANGES - 1)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._netlink.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._netlink.close()

    def lost(self, table: str, own_port: int) -> bool:
        """Read all that has come: did anyone but the socket with ``own_port`` take something from the table?

        Also true when notices were lost, since one of them may have told of it.
        """
        found = False
        try:
            while datagram := self._netlink.receive(wait=False):
                found = found or _takes_away(datagram, table.encode() + b"\0", own_port)
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                raise
            return True
        return found


def _takes_away(datagram: bytes, table: bytes, own_port: int) -> bool:
    sender = struct.unpack_from("=I", datagram, 12)[0]
    return sender != own_port and any(
        kind in REMOVALS and attributes(body[4:]).get(1) == table for kind, _, _, body in split(datagram)
    )
