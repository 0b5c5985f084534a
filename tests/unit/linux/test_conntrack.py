import struct

from hypothesis import given
from hypothesis import strategies as st

from carrack.linux.conntrack import Connection
from carrack.linux.netlink import attribute, nested


def tuple_of(kind: int, source: bytes, destination: bytes, protocol: int, port: int) -> bytes:
    addresses = nested(1, attribute(1, source), attribute(2, destination))
    ports = nested(2, attribute(1, bytes([protocol])), attribute(2, b"\1\1"), attribute(3, struct.pack(">H", port)))
    return nested(kind, addresses, ports)


CLIENT, HOST, CONTAINER = b"\xc0\0\2\2", b"\xc0\0\2\1", b"\xac\x11\0\2"


def test_a_translated_connection() -> None:
    found = Connection(bytes(4) + tuple_of(1, CLIENT, HOST, 17, 53) + tuple_of(2, CONTAINER, CLIENT, 17, 257))
    assert (found.source, found.destination, found.protocol, found.port) == ("192.0.2.2", "192.0.2.1", 17, 53)
    assert (found.reply_source, found.translated) == ("172.17.0.2", True)


def test_a_plain_connection() -> None:
    assert not Connection(bytes(4) + tuple_of(1, CLIENT, HOST, 17, 53) + tuple_of(2, HOST, CLIENT, 17, 257)).translated


@given(st.binary(max_size=100))
def test_foreign_bytes_are_survived(body: bytes) -> None:
    assert 0 <= Connection(bytes(4) + body).port < 65536
