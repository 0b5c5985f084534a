"""DNS as its other side: queries as programs send them, a reader of answers, and a server for the tests' own names.

Written apart from carrack.network.names.packet, which it judges.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from ipaddress import ip_address
from typing import NamedTuple

A, PTR, TXT, AAAA, ANY = 1, 12, 16, 28, 255


def name_bytes(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def query(
    name: str, kind: int = A, *, number: int = 0x1234, size: int = 0, version: int = 0, flags: int = 0x100
) -> bytes:
    """A query; ``size`` adds EDNS(0) that takes as much."""
    extra = b"\0" + struct.pack(">HHBBHH", 41, size, 0, version, 0, 0) if size else b""
    head = struct.pack(">6H", number, flags, 1, 0, 0, bool(size))
    return head + name_bytes(name) + struct.pack(">HH", kind, 1) + extra


class Answer(NamedTuple):
    """``records``: (name, type, time to live, text) of the answer section; ``size``: of the EDNS(0) record, else 0."""

    number: int
    code: int
    cut: bool
    question: tuple[str, int]
    records: list[tuple[str, int, int, str]]
    size: int

    @property
    def texts(self) -> list[str]:
        return [text for *_, text in self.records]


def read(data: bytes) -> Answer:
    """Every byte of an answer; ValueError for one that is not well made."""
    number, flags, questions, answers, authorities, additional = struct.unpack_from(">6H", data)
    if not flags & 0x8000:
        raise ValueError("not an answer")
    asked, at, code, size = ("", 0), 12, flags & 15, 0
    for _ in range(questions):
        name, at = _name(data, at)
        asked = name, struct.unpack_from(">H", data, at)[0]
        at += 4
    records = []
    for position in range(answers + authorities + additional):
        name, at = _name(data, at)
        kind, place, ttl, length = struct.unpack_from(">HHIH", data, at)
        at += 10
        if kind == 41:
            size, code = place, code | ttl >> 24 << 4
        elif position < answers:
            text = _name(data, at)[0] if kind == PTR else str(ip_address(data[at : at + length]))
            records.append((name, kind, ttl, text))
        at += length
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes too many")
    return Answer(number, code, bool(flags & 0x200), asked, records, size)


def _name(data: bytes, at: int) -> tuple[str, int]:
    labels, end = [], 0
    for _ in range(200):
        length = data[at]
        if length >= 0xC0:
            end = end or at + 2
            at = int.from_bytes(data[at : at + 2], "big") & 0x3FFF
        elif length:
            labels.append(data[at + 1 : at + 1 + length].decode())
            at += 1 + length
        else:
            return ".".join(labels), end or at + 1
    raise ValueError("a name without end")


def respond(asked: bytes, addresses: list[str], *, code: int = 0, flags: int = 0) -> bytes:
    """An answer to a query, as another resolver would give it."""
    end = 12 + len(_raw_name(asked)) + 4
    kind = int.from_bytes(asked[end - 4 : end - 2], "big")
    addresses = addresses if kind in (A, AAAA) else []
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(packed)) + packed
        for packed in (ip_address(address).packed for address in addresses)
    )
    return asked[:2] + struct.pack(">5H", 0x8180 | flags | code, 1, len(addresses), 0, 0) + asked[12:end] + records


def _raw_name(data: bytes) -> bytes:
    at = 12
    while data[at]:
        at += 1 + data[at]
    return data[12 : at + 1]


Behaviour = Callable[[bytes], bytes | None]


class Server:
    """A name server on UDP and TCP of one address; ``answer(query)`` gives an answer, or None for silence.

    ``seen`` are the queries. It answers in threads of its own, which are made (and so bound) in the caller's network
    namespace.
    """

    def __init__(self, answer: Behaviour, address: str = "127.0.0.1", port: int = 0) -> None:
        self._answer = answer
        self.seen: list[bytes] = []
        self._closed = False
        for _ in range(50):
            self._udp, self._tcp = self._bound(address, port)
            if self._tcp.getsockname()[1]:
                break
            self._udp.close()  # that number is another's on TCP
            self._tcp.close()
        self.port: int = self._udp.getsockname()[1]
        self._tcp.listen(16)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._datagrams, self._streams)]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _bound(address: str, port: int) -> tuple[socket.socket, socket.socket]:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        udp, tcp = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_STREAM)
        udp.bind((address, port))
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            tcp.bind((address, udp.getsockname()[1]))
        return udp, tcp

    def close(self) -> None:
        self._closed = True
        for sock in (self._udp, self._tcp):
            with contextlib.suppress(OSError):  # UDP is not connected, but wakes up
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def _datagrams(self) -> None:
        while True:
            data, client = self._udp.recvfrom(4096)
            if self._closed:
                return
            self.seen.append(data)
            if (answer := self._answer(data)) is not None:
                self._udp.sendto(answer, client)

    def _streams(self) -> None:
        while True:
            try:
                sock, _ = self._tcp.accept()
            except OSError:
                return
            with sock:
                data = sock.recv(4096)[2:]
                self.seen.append(data)
                if data and (answer := self._answer(data)) is not None:
                    sock.sendall(struct.pack(">H", len(answer)) + answer)


def ask_stream(address: tuple[str, int], *queries: bytes) -> list[bytes]:
    """Ask by TCP, all at once; the answers in the order they came."""
    found = []
    with socket.create_connection(address, 10) as sock, sock.makefile("rb") as file:
        sock.sendall(b"".join(struct.pack(">H", len(data)) + data for data in queries))
        for _ in queries:
            length = int.from_bytes(file.read(2), "big")
            found.append(file.read(length))
    return found
