"""nf_tables without the nft program: transactions in, and reading back what the kernel holds.

A change that is only half made would leave ports open, so everything of one change goes in one batch: the kernel takes
it whole or not at all, and each refusal comes back with the words of the request that caused it. The requests are in
`nft_messages`.

Sources: linux/netfilter/nf_tables.h, net/netfilter/nfnetlink.c (order of the answers).
"""

import errno
import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from carrack.linux.netlink import (
    NETLINK_NETFILTER,
    NLM_F_ACK,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    Message,
    Netlink,
    attribute_list,
    attributes,
    failure,
    frame,
    nested,
    split,
    text,
)
from carrack.linux.nft_expressions import IPV4, Family
from carrack.linux.nft_messages import (
    COMMENT,
    DELCHAIN,
    DELRULE,
    DELSET,
    DELSETELEM,
    DELTABLE,
    GETCHAIN,
    GETRULE,
    GETSETELEM,
    NEWCHAIN,
    SUBSYSTEM,
    Element,
    marker,
    message,
)

#: Multicast group that carries every change of the rule set
GROUP_CHANGES = 7

_BATCH_BEGIN = 16
_BATCH_END = 17
#: What is announced when somebody takes something away
REMOVALS = frozenset(SUBSYSTEM << 8 | kind for kind in (DELTABLE, DELCHAIN, DELRULE, DELSET, DELSETELEM))
_NEW_CHAIN = SUBSYSTEM << 8 | NEWCHAIN
_GONE_RULE = SUBSYSTEM << 8 | DELRULE
_HOOK = 4
_FORWARD = b"FORWARD\0"

#: As many entries are looked up one by one; of more the whole set is read
_FEW = 32

#: kind, hook, priority, policy
BaseChain = tuple[str, int, int, int]


class Rule(NamedTuple):
    """A rule as it is listed: in which chain, its number, what it says of itself, and its expressions."""

    chain: str
    handle: int
    comment: str
    expressions: bytes


def _string(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")


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
        begin = netlink.next_sequence()
        framed = [frame(marker(_BATCH_BEGIN), begin, NLM_F_REQUEST)]
        sent: dict[int, str] = {begin: "commit nftables batch"}
        for one in messages:
            sequence = netlink.next_sequence()
            sent[sequence] = one.what
            framed.append(frame(one, sequence, NLM_F_REQUEST | (NLM_F_ACK if len(sent) > len(messages) else 0)))
        framed.append(frame(marker(_BATCH_END), netlink.next_sequence(), NLM_F_REQUEST))
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

    def chains(self, family: Family = IPV4) -> list[tuple[str, str]]:
        """(table, name) of all chains of a family, everybody's."""
        found = self._netlink.dump(message(GETCHAIN, 0, b"", "list nftables chains", family))
        return [(_string(parts[1]), _string(parts[3])) for parts in (attributes(body[4:]) for body in found)]

    def base_chain(self, table: str, name: str, family: Family = IPV4) -> BaseChain | None:
        """Where one chain hooks in; None when it is not there, or is no base chain."""
        request = message(GETCHAIN, 0, text(1, table) + text(3, name), f"look up nftables chain {table} {name}", family)
        try:
            found = [attributes(body[4:]) for body in self._netlink.get(request)]
        except OSError as e:
            if e.errno == errno.ENOENT:
                return None
            raise
        return next((_base_chain(parts) for parts in found if _HOOK in parts), None)

    def base_chains(self, family: Family = IPV4) -> dict[tuple[str, str], BaseChain]:
        """All base chains of a family, everybody's: (table, name) → (kind, hook, priority, policy)."""
        found = {}
        for body in self._netlink.dump(message(GETCHAIN, 0, b"", "list nftables chains", family)):
            parts = attributes(body[4:])
            if _HOOK in parts:
                found[_string(parts[1]), _string(parts[3])] = _base_chain(parts)
        return found

    def rules(self, table: str, family: Family = IPV4) -> list[tuple[str, str]]:
        """(chain, comment) of each rule of a table, in order within each chain."""
        return [(rule.chain, rule.comment) for rule in self.listing(table, family)]

    def listing(self, table: str, family: Family = IPV4) -> list[Rule]:
        """Each rule of a table, in order within each chain."""
        found = []
        request = message(GETRULE, 0, text(1, table), f"list nftables rules of {table}", family)
        for body in self._netlink.dump(request):
            parts = attributes(body[4:])
            if parts[1] == table.encode() + b"\0":
                note = parts.get(7, b"")
                comment = _string(note[2 : 2 + note[1]]) if note[:1] == bytes([COMMENT]) else ""
                handle = int.from_bytes(parts[3], "big")
                found.append(Rule(_string(parts[2]), handle, comment, parts.get(4, b"")))
        return found

    def elements(self, table: str, name: str, family: Family = IPV4) -> dict[tuple[bytes, bytes, bool], bytes]:
        """All entries of a set or map: their `Element.place` → data."""
        body = text(1, table) + text(2, name)
        what = f"list nftables elements of {table} {name}"
        answers = self._netlink.dump(message(GETSETELEM, 0, body, what, family))
        return dict(entry for answer in answers for entry in _entries(answer))

    def lacks(self, table: str, name: str, elements: Sequence[Element], family: Family = IPV4) -> list[Element]:
        """Those of the elements that the kernel does not hold with the same data."""
        if len(elements) > _FEW:
            held = self.elements(table, name, family)
            return [element for element in elements if held.get(element.place) != element.data]
        return [element for element in elements if not self._holds(table, name, element, family)]

    def _holds(self, table: str, name: str, element: Element, family: Family) -> bool:
        body = text(1, table) + text(2, name) + nested(3, element.encode(with_data=False))
        what = f"look up an element of {table} {name}"
        try:
            answers = self._netlink.get(message(GETSETELEM, 0, body, what, family))
        except OSError as e:
            if e.errno == errno.ENOENT:
                return False
            raise
        return any(data == element.data for answer in answers for _, data in _entries(answer))


def _base_chain(parts: dict[int, bytes]) -> BaseChain:
    place = attributes(parts[_HOOK])
    hook, priority = struct.unpack(">i", place[1])[0], struct.unpack(">i", place[2])[0]
    return _string(parts[7]), hook, priority, int.from_bytes(parts[5], "big")


def _entries(answer: bytes) -> Iterable[tuple[tuple[bytes, bytes, bool], bytes]]:
    for _, entry in attribute_list(attributes(answer[4:]).get(3, b"")):
        parts = attributes(entry)
        key, end, data = (attributes(parts.get(kind, b"")).get(1, b"") for kind in (1, 10, 2))
        yield (key, end, bool(parts.get(3, b"\0\0\0\0")[3] & 1)), data


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
        """Read all that has come: did anyone but the socket with ``own_port`` take something from the table (of either
        family), hook a chain of its own in, or take a rule from a chain FORWARD, iptables' one?

        Also true when notices were lost, since one of them may have told of it.
        """
        found = False
        try:
            while datagram := self._netlink.receive(wait=False):
                found = found or _concerns(datagram, table.encode() + b"\0", own_port)
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                raise
            return True
        return found


def _concerns(datagram: bytes, table: bytes, own_port: int) -> bool:
    sender = struct.unpack_from("=I", datagram, 12)[0]
    if sender == own_port:
        return False
    return any(_alarming(kind, attributes(body[4:]), table) for kind, _, _, body in split(datagram))


def _alarming(kind: int, parts: dict[int, bytes], table: bytes) -> bool:
    if parts.get(1) == table:
        return kind in REMOVALS
    return (kind == _NEW_CHAIN and _HOOK in parts) or (kind == _GONE_RULE and parts.get(2) == _FORWARD)
