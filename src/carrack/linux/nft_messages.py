"""What can be asked of nf_tables, as messages: tables, chains, rules, sets, maps and their entries, of either family.

Nothing is sent here. A set whose key has several parts takes a range in each of them (``key_end``); one whose key has a
single part takes ranges as two entries, the first of the range and the first behind it (``ends``).

Sources: linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h.
"""

import functools
import socket
import struct
from collections.abc import Iterable, Sequence

from carrack.linux.netlink import NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, Message, attribute, be32, nested, text
from carrack.linux.nft_expressions import IPV4, Family, value

# Hooks and priorities of the Internet protocols (linux/netfilter.h, linux/netfilter_ipv4.h)
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
TYPE_IPV6_ADDRESS = 8
TYPE_PROTOCOL = 12
TYPE_PORT = 13
TYPE_INTERFACE = 41
_TYPE_BITS = 6
_BYTES = {TYPE_IPV4_ADDRESS: 4, TYPE_IPV6_ADDRESS: 16, TYPE_PROTOCOL: 1, TYPE_PORT: 2, TYPE_INTERFACE: 16}

SUBSYSTEM = 10
NEWTABLE, GETTABLE, DELTABLE = 0, 1, 2
NEWCHAIN, GETCHAIN, DELCHAIN = 3, 4, 5
NEWRULE, GETRULE, DELRULE = 6, 7, 8
NEWSET, DELSET = 9, 11
NEWSETELEM, GETSETELEM, DELSETELEM = 12, 13, 14

_SET_INTERVAL = 0x4
_SET_MAP = 0x8
_SET_CONCAT = 0x80
_ELEMENT_ENDS = 1
_LIST_ELEMENT = 1
ELEMENTS_PER_MESSAGE = 400
COMMENT = 0  # of the user data that nft itself writes
#: More of it: the key is in the host's byte order, without which nft lists names as empty
_HOST_ORDER = b"\0\4" + struct.pack("=I", 1)


class Element:
    """An entry of a set or map: key parts, what they map to, and the last of each part of a range (inclusive).

    ``ends``: the key is the first that does not belong to the range before it.
    """

    __slots__ = ("data", "ends", "key", "key_end")

    def __init__(
        self,
        key: Sequence[bytes],
        data: Sequence[bytes] = (),
        key_end: Sequence[bytes] | None = None,
        *,
        ends: bool = False,
    ) -> None:
        self.key = joined(key)
        self.data = joined(data)
        self.key_end = joined(key_end) if key_end is not None else b""
        self.ends = ends

    @property
    def place(self) -> tuple[bytes, bytes, bool]:
        """What tells it from the other entries."""
        return self.key, self.key_end, self.ends

    def encode(self, *, with_data: bool = True) -> bytes:
        """The NFTA_LIST_ELEM of this entry."""
        body = _value_header(1, len(self.key)) + self.key
        if self.key_end:
            body += _value_header(10, len(self.key_end)) + self.key_end
        if self.ends:
            body += be32(3, _ELEMENT_ENDS)
        if with_data and self.data:
            body += _value_header(2, len(self.data)) + self.data
        return _element_header(len(body)) + body


@functools.cache
def _value_header(kind: int, length: int) -> bytes:
    """What precedes a value of whole words; the same for all entries of a set, of which there may be thousands."""
    return value(kind, bytes(length))[:-length]


@functools.cache
def _element_header(length: int) -> bytes:
    return nested(_LIST_ELEMENT, bytes(length))[:-length]


def joined(parts: Sequence[bytes]) -> bytes:
    """Parts of a concatenated key as the kernel keeps them: each padded to four bytes."""
    return b"".join([part + b"\0" * (-len(part) & 3) for part in parts])


def message(kind: int, flags: int, body: bytes, what: str, family: Family = IPV4) -> Message:
    """One request of the subsystem (struct nfgenmsg before the attributes)."""
    return Message(SUBSYSTEM << 8 | kind, flags, struct.pack(">BBH", family.number, 0, 0) + body, what)


def add_table(table: str, family: Family = IPV4, *, new: bool = False) -> Message:
    """Make a table; one that is there already stays as it is, or is refused (EEXIST) if ``new``."""
    flags = NLM_F_CREATE | (NLM_F_EXCL if new else 0)
    return message(NEWTABLE, flags, text(1, table), f"add nftables table {family.name} {table}", family)


def delete_table(table: str, family: Family = IPV4) -> Message:
    """Delete a table with all that is in it; ENOENT when there is none."""
    return message(DELTABLE, 0, text(1, table), f"delete nftables table {family.name} {table}", family)


def add_chain(
    table: str, name: str, kind: str, hook: int, priority: int, *, policy: int, family: Family = IPV4
) -> Message:
    """Make a base chain; ``kind`` is ``filter`` or ``nat``."""
    place = nested(4, be32(1, hook), attribute(2, struct.pack(">i", priority)))
    body = text(1, table) + text(3, name) + place + be32(5, policy) + text(7, kind)
    return message(NEWCHAIN, NLM_F_CREATE, body, f"add nftables chain {table} {name}", family)


def add_plain_chain(table: str, name: str, family: Family = IPV4) -> Message:
    """Make a chain that packets come to by a jump only."""
    what = f"add nftables chain {table} {name}"
    return message(NEWCHAIN, NLM_F_CREATE, text(1, table) + text(3, name), what, family)


def add_rule(table: str, chain: str, expressions: bytes, comment: str, family: Family = IPV4) -> Message:
    """Append a rule. The comment says what it is for, shows in ``nft list`` and is what verification looks at."""
    said = comment.encode() + b"\0"
    note = attribute(7, bytes([COMMENT, len(said)]) + said)
    body = text(1, table) + text(2, chain) + nested(4, expressions) + note
    what = f"add nftables rule {table} {chain} ({comment})"
    return message(NEWRULE, NLM_F_CREATE | NLM_F_APPEND, body, what, family)


def delete_rule(table: str, chain: str, handle: int, family: Family = IPV4) -> Message:
    """Delete one rule; ENOENT when it is gone."""
    body = text(1, table) + text(2, chain) + attribute(3, struct.pack(">Q", handle))
    return message(DELRULE, 0, body, f"delete nftables rule {handle} of {table} {chain}", family)


def add_set(
    table: str,
    name: str,
    number: int,
    key: Sequence[int],
    data: Sequence[int] = (),
    *,
    interval: bool = False,
    family: Family = IPV4,
) -> Message:
    """Make a set or, with ``data``, a map; ``number`` tells those of one batch apart."""
    flags = (_SET_MAP if data else 0) | (_SET_INTERVAL if interval else 0) | (_SET_CONCAT if len(key) > 1 else 0)
    body = text(1, table) + text(2, name) + be32(3, flags) + be32(4, _type(key)) + be32(5, _length(key))
    if data:
        body += be32(6, _type(data)) + be32(7, _length(data))
    if len(key) > 1:
        fields = nested(2, *(nested(_LIST_ELEMENT, be32(1, _BYTES[part])) for part in key))
        body += nested(9, fields)
    body += be32(10, number)
    if tuple(key) == (TYPE_INTERFACE,):
        body += attribute(13, _HOST_ORDER)
    return message(NEWSET, NLM_F_CREATE, body, f"add nftables set {table} {name}", family)


def _type(parts: Sequence[int]) -> int:
    number = 0
    for part in parts:
        number = number << _TYPE_BITS | part
    return number


def _length(parts: Sequence[int]) -> int:
    return sum(_BYTES[part] + 3 & ~3 for part in parts)


def add_elements(table: str, name: str, elements: Sequence[Element], family: Family = IPV4) -> list[Message]:
    """Put entries into a set or map; one that is there with other data is refused (EEXIST)."""
    what = f"add nftables elements to {table} {name}"
    bodies = _element_bodies(table, name, elements, True)
    return [message(NEWSETELEM, NLM_F_CREATE, body, what, family) for body in bodies]


def delete_elements(table: str, name: str, elements: Sequence[Element], family: Family = IPV4) -> list[Message]:
    """Take entries out of a set or map; ENOENT when one is not there."""
    what = f"delete nftables elements of {table} {name}"
    bodies = _element_bodies(table, name, elements, False)
    return [message(DELSETELEM, 0, body, what, family) for body in bodies]


def _element_bodies(table: str, name: str, elements: Sequence[Element], with_data: bool) -> Iterable[bytes]:
    for start in range(0, len(elements), ELEMENTS_PER_MESSAGE):
        part = elements[start : start + ELEMENTS_PER_MESSAGE]
        encoded = (element.encode(with_data=with_data) for element in part)
        yield text(1, table) + text(2, name) + nested(3, *encoded)


def marker(kind: int) -> Message:
    """The message that begins (16) or ends (17) a transaction."""
    return Message(kind, 0, struct.pack(">BBH", socket.AF_UNSPEC, 0, SUBSYSTEM), "nftables transaction")
