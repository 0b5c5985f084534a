"""DNS packets as bytes: questions are read, answers are written; nothing in them is trusted.

Only what a resolver between a program and other resolvers needs: the one question of a query and its EDNS(0) record.
Answers of other servers pass as they are once their question was compared, so no compressed name is ever followed:
a pointer in a question is refused, one in a record that is skipped just ends its name.

Names are kept as they travel (labels with their lengths, in lower case), since a dot may be part of a label.
Sources: RFC 1035, RFC 2308 (no such data), RFC 3596 (AAAA), RFC 6891 (EDNS(0)), RFC 9619 (one question).
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

A, PTR, AAAA, OPT, ANY = 1, 12, 28, 41, 255
INTERNET = 1

NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = range(6)
BAD_VERSION = 16

#: what a UDP answer may take when its reader says nothing
PLAIN_SIZE = 512
#: what we say we take, and the most that we send by UDP: it passes everywhere in one piece
EDNS_SIZE = 1232

HEADER = 12
_MAX_NAME = 255
_MAX_LABEL = 63
_RESPONSE, _TRUNCATED, _RECURSION_DESIRED, _RECURSION_AVAILABLE = 0x8000, 0x0200, 0x0100, 0x0080
_OPCODE = 0x7800
_DNSSEC_OK = 0x8000
_TRANSFERS = (251, 252)
_TO_QUESTION = b"\xc0\x0c"


class Malformed(ValueError):
    """Bytes that are no query: there is nobody who could be answered."""


class Question:
    """A query. ``name`` in lower case, as it travels; ``raw``: the question as it was asked, name, type and class.

    ``rcode`` is not NO_ERROR when the query can only be refused. ``size``: what the asker takes by UDP; ``edns``:
    whether he speaks EDNS(0), ``dnssec``: whether he wants signatures.
    """

    __slots__ = ("dnssec", "edns", "flags", "kind", "name", "raw", "rcode", "size")

    def __init__(self, flags: int, raw: bytes, rcode: int = NO_ERROR) -> None:
        self.flags = flags
        self.raw = raw
        self.rcode = rcode
        self.name = raw[:-4].lower()  # lengths are below 64, so that no letter is among them
        self.kind = int.from_bytes(raw[-4:-2], "big")
        self.size = PLAIN_SIZE
        self.edns = self.dnssec = False


def question(data: bytes) -> Question:
    """Read a query. Malformed when it is too short, an answer itself, or not whole."""
    if len(data) < HEADER:
        raise Malformed("shorter than a header")
    _, flags, questions, answers, authorities, additional = struct.unpack_from(">6H", data)
    if flags & _RESPONSE:
        raise Malformed("an answer, not a query")
    if flags & _OPCODE:
        return Question(flags, b"", NOT_IMPLEMENTED)
    if questions != 1 or flags & _TRUNCATED:
        return Question(flags, b"", FORMAT_ERROR)
    end = _end_of_name(data, HEADER, pointers=False) + 4
    if end > len(data):
        raise Malformed("the question is cut off")
    asked = Question(flags, data[HEADER:end])
    if data[end - 2 : end] != b"\0\1" or asked.kind in _TRANSFERS:
        asked.rcode = REFUSED  # another class than that of the internet, or whole zones
    _read_options(asked, data, end, answers + authorities, additional)
    return asked


def _read_options(asked: Question, data: bytes, at: int, skipped: int, additional: int) -> None:
    """Find the EDNS(0) record among the additional ones, of which there may be one."""
    for number in range(skipped + additional):
        start = at
        at = _end_of_name(data, at)
        if at + 10 > len(data):
            raise Malformed("a record is cut off")
        kind, size, ttl, length = struct.unpack_from(">HHIH", data, at)
        at += 10 + length
        if at > len(data):
            raise Malformed("a record is longer than the packet")
        if kind != OPT or number < skipped:
            continue
        if asked.edns or data[start]:  # a second one, or one with a name
            asked.rcode = FORMAT_ERROR
        elif ttl >> 16 & 0xFF:
            asked.rcode = BAD_VERSION
        asked.edns, asked.dnssec = True, bool(ttl & _DNSSEC_OK)
        asked.size = min(max(size, PLAIN_SIZE), EDNS_SIZE)


def _end_of_name(data: bytes, at: int, *, pointers: bool = True) -> int:
    """Where a name ends; pointers, where there may be one, are not followed."""
    start = at
    while True:
        if at >= len(data):
            raise Malformed("a name is cut off")
        length = data[at]
        if not length:
            return at + 1
        if length > _MAX_LABEL:
            if length < 0xC0 or not pointers or at + 2 > len(data):
                raise Malformed("a label of no known kind")
            return at + 2
        at += length + 1
        if at - start >= _MAX_NAME:
            raise Malformed("a name longer than 255 bytes")


def wire_name(text: str) -> bytes | None:
    """A name as it travels, in lower case; None when it cannot: a label is empty or over 63 bytes, or all over 255."""
    labels = text.rstrip(".").lower().encode("utf-8", "replace").split(b".")
    if any(not 0 < len(label) <= _MAX_LABEL for label in labels):
        return None
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return name if len(name) <= _MAX_NAME else None


def reverse_name(address: bytes) -> bytes:
    """The name under which an address (4 or 16 bytes) is looked up, as it travels."""
    if len(address) == 4:
        labels = [b"%d" % byte for byte in reversed(address)] + [b"in-addr"]
    else:
        labels = [b"%x" % digit for byte in reversed(address) for digit in (byte & 15, byte >> 4)] + [b"ip6"]
    return b"".join(bytes([len(label)]) + label for label in (*labels, b"arpa")) + b"\0"


def answer(
    asked: Question, records: Sequence[bytes] = (), ttl: int = 0, rcode: int | None = None, limit: int = 0
) -> bytes:
    """The answer but for its number, which comes first; ``records`` are the data of those of the asked type.

    With a ``limit`` (bytes of the whole packet) what does not fit is left out and the answer is marked as cut.
    """
    code = asked.rcode if rcode is None else rcode
    options = _options(asked, code) if asked.edns else b""
    room = (limit - HEADER - len(asked.raw) - len(options)) if limit else 0xFFFF
    body, count, flags = b"", 0, 0
    for data in records:
        record = _TO_QUESTION + struct.pack(">HHIH", asked.kind, INTERNET, ttl, len(data)) + data
        if len(body) + len(record) > room:
            flags = _TRUNCATED
            break
        body += record
        count += 1
    flags |= _RESPONSE | _RECURSION_AVAILABLE | asked.flags & (_OPCODE | _RECURSION_DESIRED) | code & 15
    head = struct.pack(">5H", flags, bool(asked.raw), count, 0, bool(options))
    return head + asked.raw + body + options


def _options(asked: Question, code: int) -> bytes:
    flags = (code >> 4) << 24 | (_DNSSEC_OK if asked.dnssec else 0)
    return b"\0" + struct.pack(">HHIH", OPT, EDNS_SIZE, flags, 0)


def answers_to(asked: Question, data: bytes) -> bool:
    """Whether a packet is an answer to that question (its number was looked at already)."""
    end = HEADER + len(asked.raw)
    return (
        len(data) >= HEADER
        and bool(data[2] & 0x80)
        and (data[4:6] == b"\0\1" and data[HEADER:end].lower() == asked.raw.lower())
    )


def response_code(data: bytes) -> int:
    """Of an answer, without what EDNS(0) adds to it."""
    return data[3] & 15
