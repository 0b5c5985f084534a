"""Netlink framing and one synchronous socket: the words that rtnetlink and nfnetlink messages are made of.

Hand-rolled, because it stands on the path of every container start: a batch is one datagram and one answer per message,
where a general library costs milliseconds and megabytes. The socket may have been opened inside another network
namespace and handed over; a netlink socket stays in the namespace it was made in, so nobody ever needs ``setns``.

Sources: RFC 3549, netlink(7), linux/netlink.h.
"""

import errno
import os
import struct
import time
from _socket import MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_RAW, SOL_SOCKET, socket
from collections.abc import Iterator, Sequence

AF_NETLINK = 16
NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

NLM_F_REQUEST = 0x1
NLM_F_MULTI = 0x2
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_ACK_TLVS = 0x200
NLM_F_CAPPED = 0x100
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSGERR_ATTR_MSG = 1

NLA_F_NESTED = 0x8000
NLA_TYPE_MASK = 0x3FFF

_SOL_NETLINK = 270
_NETLINK_CAP_ACK = 10
_NETLINK_EXT_ACK = 11
_NETLINK_GET_STRICT_CHK = 12
_SO_SNDBUFFORCE = 32
_SO_RCVBUFFORCE = 33
_SO_RCVTIMEO = 20
_ANSWER_SECONDS = 20
_RECEIVE_BYTES = 1 << 18
_SEND_BUFFER_BYTES = 1 << 17

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port id
_ATTRIBUTE = struct.Struct("=HH")


class Message:
    """One request: netlink type, extra flags, body after the header, and what it does in words, for the error text."""

    __slots__ = ("body", "flags", "type", "what")

    def __init__(self, message_type: int, flags: int, body: bytes, what: str) -> None:
        self.type = message_type
        self.flags = flags
        self.body = body
        self.what = what

    def __repr__(self) -> str:
        return f"Message({self.what!r})"


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute (struct nlattr), padded to four bytes."""
    length = 4 + len(payload)
    if length > 0xFFFF:
        raise ValueError(f"netlink attribute {kind} of {length} bytes does not fit in 65535")
    return _ATTRIBUTE.pack(length, kind) + payload + b"\0" * (-length & 3)


def nested(kind: int, *attributes: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | NLA_F_NESTED, b"".join(attributes))


def text(kind: int, value: str) -> bytes:
    """A zero-terminated string attribute."""
    return attribute(kind, os.fsencode(value) + b"\0")


def u32(kind: int, value: int) -> bytes:
    """A 32-bit attribute in host byte order (rtnetlink)."""
    return attribute(kind, struct.pack("=I", value))


def be32(kind: int, value: int) -> bytes:
    """A 32-bit attribute in network byte order (nfnetlink)."""
    return attribute(kind, struct.pack(">I", value))


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes in ``data`` by type; of a repeated type the last one."""
    return dict(attribute_list(data))


def attribute_list(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(type, payload) of each attribute in order; ends at the first one that is cut short."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4 or offset + length > len(data):
            return
        yield kind & NLA_TYPE_MASK, data[offset + 4 : offset + length]
        offset += length + 3 & ~3


def frame(message: Message, sequence: int, flags: int) -> bytes:
    """The message with its header (struct nlmsghdr), padded to four bytes."""
    length = _HEADER.size + len(message.body)
    header = _HEADER.pack(length, message.type, message.flags | flags, sequence, 0)
    return header + message.body + b"\0" * (-length & 3)


def split(datagram: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(type, flags, sequence, body) of each message in a datagram; ends at the first one that is cut short."""
    offset = 0
    while offset + _HEADER.size <= len(datagram):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(datagram, offset)
        if length < _HEADER.size or offset + length > len(datagram):
            return
        yield kind, flags, sequence, datagram[offset + _HEADER.size : offset + length]
        offset += length + 3 & ~3


def failure(flags: int, body: bytes, what: str) -> OSError | None:
    """The error that an NLMSG_ERROR carries, with the kernel's own words where it gives some; None for an ack."""
    code = -int(struct.unpack_from("=i", body)[0])
    if code == 0:
        return None
    words = os.strerror(code)
    if flags & NLM_F_ACK_TLVS and len(body) >= 8:
        request_length = 16 if flags & NLM_F_CAPPED else struct.unpack_from("=I", body, 4)[0] + 3 & ~3
        said = attributes(body[4 + request_length :]).get(NLMSGERR_ATTR_MSG)
        if said:
            words += ": " + said.rstrip(b"\0").decode("utf-8", "replace")
    return OSError(code, f"{what}: {words}")


class Netlink:
    """A netlink socket used by one thread at a time. Every method raises OSError naming the request that failed.

    With ``fd`` it adopts a socket that was opened elsewhere (inside a sandbox, say) and closes it in the end.
    """

    def __init__(self, protocol: int = NETLINK_ROUTE, *, fd: int | None = None, groups: int = 0) -> None:
        if fd is None:
            self._socket = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)
            self._socket.bind((0, groups))
        else:
            self._socket = socket(AF_NETLINK, SOCK_RAW, protocol, fd)
        self._sequence = 0
        self._send_buffer = _SEND_BUFFER_BYTES
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket.setsockopt(SOL_SOCKET, _SO_RCVTIMEO, struct.pack("ll", _ANSWER_SECONDS, 0))

    def __enter__(self) -> "Netlink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor, still owned by this object."""
        return self._socket.fileno()

    def port_id(self) -> int:
        """The socket's address among netlink sockets, by which its own changes are told from others'."""
        return int(self._socket.getsockname()[0])

    def close(self) -> None:
        """Close the socket; harmless when done twice."""
        self._socket.close()

    def batch(self, messages: Sequence[Message]) -> None:
        """Send all messages in one datagram and check every acknowledgement; the first failure is raised.

        The kernel obeys them one by one: those after a failed one have been tried too.
        """
        if not messages:
            return
        first = self._sequence + 1
        self._sequence += len(messages)
        flags = NLM_F_REQUEST | NLM_F_ACK
        self.send(b"".join(frame(message, first + i, flags) for i, message in enumerate(messages)))
        waiting, error = len(messages), None
        while waiting:
            for kind, head, sequence, body in split(self.receive()):
                if kind != NLMSG_ERROR or not first <= sequence < first + len(messages):
                    continue
                waiting -= 1
                error = error or failure(head, body, messages[sequence - first].what)
        if error:
            raise error

    def dump(self, message: Message) -> list[bytes]:
        """The bodies of all answers to a dump request; asked again when the tables changed meanwhile.

        Others may change theirs all the time: it goes on for a second, less and less often.
        """
        for attempt in range(30):
            answers, interrupted = self._answers(message, NLM_F_DUMP)
            if not interrupted:
                return answers
            time.sleep(min(0.0005 * attempt**2, 0.05))
        raise OSError(errno.EINTR, f"{message.what}: the kernel's tables kept changing")

    def dump_only(self, message: Message) -> list[bytes]:
        """`dump` of what the request's header names alone, where the kernel would otherwise list everything."""
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 1)
        try:
            return self.dump(message)
        finally:
            self._socket.setsockopt(_SOL_NETLINK, _NETLINK_GET_STRICT_CHK, 0)

    def get(self, message: Message) -> list[bytes]:
        """The bodies of the answers to a request for one object; OSError (ENOENT, ENODEV) when there is none."""
        return self._answers(message, NLM_F_ACK)[0]

    def _answers(self, message: Message, flags: int) -> tuple[list[bytes], bool]:
        self._sequence += 1
        sequence = self._sequence
        self.send(frame(message, sequence, NLM_F_REQUEST | flags))
        answers: list[bytes] = []
        interrupted = False
        while True:
            for kind, head, got, body in split(self.receive()):
                if got != sequence:
                    continue
                interrupted = interrupted or bool(head & NLM_F_DUMP_INTR)
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    if len(body) >= 4 and (error := failure(head, body, message.what)):
                        raise error
                    return answers, interrupted
                answers.append(body)

    def next_sequence(self) -> int:
        """A number for a hand-made request sent with ``send``."""
        self._sequence += 1
        return self._sequence

    def send(self, datagram: bytes) -> None:
        """Send one datagram, growing the socket's buffers for a big one (needs CAP_NET_ADMIN)."""
        if len(datagram) > self._send_buffer:
            self._send_buffer = 2 * len(datagram)
            self._socket.setsockopt(SOL_SOCKET, _SO_SNDBUFFORCE, self._send_buffer)
            self._socket.setsockopt(SOL_SOCKET, _SO_RCVBUFFORCE, self._send_buffer)
        self._socket.send(datagram)

    def receive(self, *, wait: bool = True) -> bytes:
        """One datagram; OSError ETIMEDOUT when the kernel is silent, ENOBUFS when answers were lost.

        Without ``wait``, nothing at all when there is none just now.
        """
        try:
            return self._socket.recv(_RECEIVE_BYTES, 0 if wait else MSG_DONTWAIT)
        except BlockingIOError as e:
            if not wait:
                return b""
            raise OSError(errno.ETIMEDOUT, "netlink: no answer from the kernel") from e
