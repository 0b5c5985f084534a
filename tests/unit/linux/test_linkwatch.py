"""The filter is run here as the kernel would; that the kernel takes it and that it is enough: tests/root."""

import struct
from collections.abc import Sequence

import pytest
from tests.fakes.bpf import decode

from carrack.linux.linkwatch import RTM_NEWNETCONF, LinkListener, harm
from carrack.linux.netlink import Message, frame, u32
from carrack.linux.rtnetlink import (
    IFF_UP,
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_NEWADDR,
    RTM_NEWLINK,
    delete_address,
    delete_link,
    set_link,
)

OURS = 0x1234


def passes(kind: int, body: bytes, others: Sequence[int] = ()) -> bool:
    """Whether the filter for OURS lets a notice through."""
    data = frame(Message(kind, 0, body, ""), 0, 0)
    accumulator = at = 0
    code = decode(harm([1, *others, OURS]))
    while True:
        operation, true, false, operand = code[at]
        at += 1
        if operation == 0x06:
            return operand != 0
        if operation in (0x20, 0x28, 0x30):
            form = {0x20: ">I", 0x28: ">H", 0x30: "B"}[operation]
            accumulator = struct.unpack_from(form, data, operand)[0]
        else:
            holds = accumulator == operand if operation == 0x15 else bool(accumulator & operand)
            at += true if holds else false


@pytest.mark.parametrize("index", [OURS, OURS + 1])
def test_ends_of_the_one_interface_and_its_addresses_pass(index: int) -> None:
    assert passes(RTM_DELLINK, delete_link(index).body) == (index == OURS)
    assert passes(RTM_DELADDR, delete_address(index, "10.0.0.1/24").body) == (index == OURS)
    assert passes(RTM_NEWLINK, set_link(index, up=False).body) == (index == OURS)


def test_what_changes_when_containers_come_and_go_does_not_pass() -> None:
    assert not passes(RTM_NEWLINK, set_link(OURS, up=True).body)
    assert not passes(RTM_NEWLINK, struct.pack("=BxHiII", 0, 0, OURS, IFF_UP | 0x10043, 0))
    assert not passes(RTM_NEWADDR, delete_address(OURS, "10.0.0.1/24").body)
    assert not passes(24, bytes(20))


@pytest.mark.parametrize(("index", "heard"), [(0xFFFFFFFF, True), (1, False), (0xFFFFFFFE, False)])
def test_switches_of_all_interfaces_pass(index: int, heard: bool) -> None:
    assert passes(RTM_NEWNETCONF, b"\2\0\0\0" + u32(1, index)) == heard


def test_there_is_room_for_many_and_more_are_not_told_apart() -> None:
    many = range(0x10000, 0x10000 + 1990)
    assert passes(RTM_DELLINK, delete_link(OURS).body, many)
    assert not passes(RTM_DELLINK, delete_link(OURS + 1).body, many)
    assert passes(RTM_DELLINK, delete_link(OURS + 1).body, range(0x10000, 0x10000 + 4000))
    assert not passes(RTM_NEWLINK, set_link(OURS, up=True).body, range(0x10000, 0x10000 + 4000))


def test_the_kernel_takes_it_and_nothing_is_lost_at_first() -> None:
    listener = LinkListener()
    listener.follow([1, 2])
    assert listener.fileno() >= 0
    listener.lost()
    assert not listener.lost()
    listener.close()
