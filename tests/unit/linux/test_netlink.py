import errno
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.linux import netlink, rtnetlink
from carrack.linux.netlink import Message, Netlink


@given(st.lists(st.tuples(st.integers(1, 0x3FFF), st.binary(max_size=40))))
def test_attributes_round_trip(pairs: list[tuple[int, bytes]]) -> None:
    data = b"".join(netlink.attribute(kind, payload) for kind, payload in pairs)
    assert len(data) % 4 == 0
    assert list(netlink.attribute_list(data)) == pairs


@given(st.binary(max_size=200))
def test_foreign_bytes_are_survived(data: bytes) -> None:
    for kind, payload in netlink.attribute_list(data):
        assert 0 <= kind <= 0x3FFF
        assert len(payload) <= len(data)
    for _, _, _, body in netlink.split(data):
        assert len(body) <= len(data)


@given(st.lists(st.tuples(st.integers(16, 60), st.binary(max_size=30)), max_size=5))
def test_messages_round_trip(parts: list[tuple[int, bytes]]) -> None:
    framed = [netlink.frame(Message(kind, 0, body, "x"), n, 5) for n, (kind, body) in enumerate(parts)]
    assert list(netlink.split(b"".join(framed))) == [(kind, 5, n, body) for n, (kind, body) in enumerate(parts)]


def test_a_number_is_in_the_byte_order_of_its_family() -> None:
    assert netlink.u32(1, 1) == struct.pack("=HHI", 8, 1, 1)
    assert netlink.be32(1, 1) == struct.pack("=HH", 8, 1) + b"\0\0\0\1"


def test_nested_marks_the_type() -> None:
    outer = netlink.nested(3, netlink.text(1, "lo"))
    assert struct.unpack_from("=HH", outer) == (12, 0x8003)
    assert netlink.attributes(outer) == {3: b"\x07\x00\x01\x00lo\0\0"}


def test_an_attribute_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        netlink.attribute(1, bytes(0x10000))


def test_failure_carries_the_kernels_words() -> None:
    said = netlink.text(netlink.NLMSGERR_ATTR_MSG, "Unknown device type")
    body = struct.pack("=i", -errno.EOPNOTSUPP) + bytes(16) + said
    error = netlink.failure(netlink.NLM_F_ACK_TLVS | netlink.NLM_F_CAPPED, body, "create link x")
    assert error is not None
    assert error.errno == errno.EOPNOTSUPP
    assert error.strerror == f"create link x: {os.strerror(errno.EOPNOTSUPP)}: Unknown device type"
    assert netlink.failure(0, struct.pack("=i", 0) + bytes(16), "x") is None


def test_failure_finds_the_words_behind_an_echoed_request() -> None:
    request = struct.pack("=IHHII", 21, 16, 5, 1, 0) + b"abcde"
    body = struct.pack("=i", -errno.EINVAL) + request + bytes(3) + netlink.text(1, "why")
    error = netlink.failure(netlink.NLM_F_ACK_TLVS, body, "x")
    assert error is not None
    assert str(error).endswith(": why")


def test_refusal_names_the_request() -> None:
    with Netlink() as socket, pytest.raises(OSError, match="delete interface 999999: "):
        socket.batch([rtnetlink.delete_link(999999)])


def test_adopts_a_descriptor() -> None:
    with Netlink() as first:
        duplicate = os.dup(first.fileno())
        with Netlink(fd=duplicate) as second:
            assert second.fileno() == duplicate
            assert second.port_id() == first.port_id()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(duplicate)


def test_an_empty_batch_asks_nothing() -> None:
    with Netlink() as socket:
        socket.batch([])
        assert socket.receive(wait=False) == b""


def test_a_dump_is_asked_for_until_nothing_changed_meanwhile() -> None:
    class Busy(Netlink):
        def __init__(self, times: int) -> None:
            self.left = times

        def _answers(self, message: Message, flags: int) -> tuple[list[bytes], bool]:
            self.left -= 1
            return [b"x"], self.left >= 0

    request = Message(0, 0, b"", "list things")
    assert Busy(10).dump(request) == [b"x"]
    with pytest.raises(OSError, match="list things: the kernel's tables kept changing"):
        Busy(1000).dump(request)
