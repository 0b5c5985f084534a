import struct

from hypothesis import given
from hypothesis import strategies as st

from carrack.linux import nft_messages as nftables
from carrack.linux.netlink import Message, attribute_list, attributes
from carrack.linux.nft_expressions import IPV6
from carrack.linux.nft_messages import Element


def opened(message: Message, family: bytes = b"\x02") -> dict[int, bytes]:
    assert message.type >> 8 == 10
    assert message.body[:4] == family + b"\0\0\0"
    return attributes(message.body[4:])


@given(st.lists(st.binary(min_size=1, max_size=6), max_size=5))
def test_key_parts_are_padded_to_words(parts: list[bytes]) -> None:
    joined = nftables.joined(parts)
    assert len(joined) == sum((len(part) + 3) // 4 * 4 for part in parts)


def test_base_chain() -> None:
    message = nftables.add_chain("t", "raw", "filter", nftables.PREROUTING, nftables.PRIORITY_RAW, policy=1)
    parts = opened(message)
    assert (parts[1], parts[3], parts[7]) == (b"t\0", b"raw\0", b"filter\0")
    assert parts[5] == struct.pack(">I", 1)
    assert attributes(parts[4]) == {1: bytes(4), 2: struct.pack(">i", -300)}


def test_plain_chain_has_no_hook() -> None:
    assert opened(nftables.add_plain_chain("t", "inner", IPV6), b"\x0a") == {1: b"t\0", 3: b"inner\0"}


def test_map_describes_its_fields() -> None:
    key = (nftables.TYPE_PROTOCOL, nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_PORT)
    data = (nftables.TYPE_IPV4_ADDRESS, nftables.TYPE_PORT)
    parts = opened(nftables.add_set("t", "m", 3, key, data, interval=True))
    assert parts[3] == struct.pack(">I", 0x4 | 0x8 | 0x80)
    assert parts[4] == struct.pack(">I", 12 << 12 | 7 << 6 | 13)
    assert parts[5] == struct.pack(">I", 12)
    assert parts[7] == struct.pack(">I", 8)
    assert parts[10] == struct.pack(">I", 3)
    fields = [attributes(field)[1] for _, field in attribute_list(attributes(parts[9])[2])]
    assert fields == [struct.pack(">I", length) for length in (1, 4, 2)]


def test_set_of_one_part_has_neither_data_nor_fields() -> None:
    parts = opened(nftables.add_set("t", "s", 1, (nftables.TYPE_INTERFACE,)))
    assert parts[3] == bytes(4)
    assert {6, 7, 9}.isdisjoint(parts)
    assert parts[13] == b"\0\4" + struct.pack("=I", 1), "or nft lists the names as empty"


def test_interval_element_has_both_ends() -> None:
    element = Element([b"\6", b"\0\x50"], [b"\x0a\0\0\1"], [b"\6", b"\0\x5a"])
    [(kind, body)] = attribute_list(element.encode())
    parts = {number: attributes(inner)[1] for number, inner in attributes(body).items()}
    assert kind == 1
    assert parts == {1: b"\6\0\0\0\0\x50\0\0", 10: b"\6\0\0\0\0\x5a\0\0", 2: b"\x0a\0\0\1"}
    [(_, without)] = attribute_list(element.encode(with_data=False))
    assert set(attributes(without)) == {1, 10}


def test_the_end_of_a_plain_range_is_an_entry_of_its_own() -> None:
    element = Element([b"\x0a\0\0\1"], ends=True)
    [(_, body)] = attribute_list(element.encode())
    assert attributes(body)[3] == struct.pack(">I", 1)
    assert element.place != Element([b"\x0a\0\0\1"]).place


def test_many_elements_are_spread_over_messages() -> None:
    elements = [Element([b"\6", struct.pack(">H", port)], [b"\x0a\0\0\1", b"\0\1"]) for port in range(1000)]
    messages = nftables.add_elements("t", "m", elements)
    assert [len(list(attribute_list(opened(message)[3]))) for message in messages] == [400, 400, 200]
    assert all(len(message.body) < 65536 for message in messages)


def test_rule_carries_its_comment() -> None:
    parts = opened(nftables.add_rule("t", "raw", b"", "why"))
    assert parts[7] == b"\0\4why\0"


def test_deletions() -> None:
    message = nftables.delete_table("t")
    assert message.type == 10 << 8 | 2
    assert opened(message) == {1: b"t\0"}
    assert opened(nftables.delete_rule("t", "c", 7)) == {1: b"t\0", 2: b"c\0", 3: bytes(7) + b"\7"}
    [gone] = nftables.delete_elements("t", "s", [Element([b"\6"])])
    assert gone.type == 10 << 8 | 14
