import struct

from carrack.linux import nft_messages
from carrack.linux.netlink import Message, frame
from carrack.linux.nft_expressions import DROP, IPV6
from carrack.linux.nft_messages import FORWARD, PRIORITY_FILTER
from carrack.linux.nftables import _concerns

OURS, OTHERS = 7, 8


def announced(message: Message, sender: int) -> bytes:
    """As the kernel tells of it: with the port of who did it."""
    told = bytearray(frame(message, 1, 0))
    struct.pack_into("=I", told, 12, sender)
    return bytes(told)


def test_what_others_take_away_from_either_table_is_alarming() -> None:
    for message in (nft_messages.delete_table("t"), nft_messages.delete_rule("t", "c", 1, IPV6)):
        assert _concerns(announced(message, OTHERS), b"t\0", OURS)
        assert not _concerns(announced(message, OURS), b"t\0", OURS)
        assert not _concerns(announced(message, OTHERS), b"another\0", OURS)


def test_what_is_added_is_not_but_for_a_chain_that_hooks_in_elsewhere() -> None:
    hooked = nft_messages.add_chain("x", "FORWARD", "filter", FORWARD, PRIORITY_FILTER, policy=DROP)
    assert _concerns(announced(hooked, OTHERS), b"t\0", OURS)
    for message in (nft_messages.add_plain_chain("x", "c"), nft_messages.add_table("t")):
        assert not _concerns(announced(message, OTHERS), b"t\0", OURS)
