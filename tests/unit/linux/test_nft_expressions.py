import struct

from carrack.linux import nft_expressions as nft
from carrack.linux.netlink import attribute_list, attributes


def opened(expressions: bytes) -> list[tuple[str, dict[int, bytes]]]:
    """(name, attributes) of each expression."""
    found = []
    for kind, body in attribute_list(expressions):
        assert kind == 1
        parts = attributes(body)
        found.append((parts[1].rstrip(b"\0").decode(), attributes(parts[2])))
    return found


def test_interface_compares_the_whole_padded_name() -> None:
    (load, how), (compare, what) = opened(nft.interface(nft.META_IIFNAME, "lo", equal=False))
    assert (load, compare) == ("meta", "cmp")
    assert how[2] == struct.pack(">I", 6)
    assert what[2] == struct.pack(">I", 1)
    assert attributes(what[3])[1] == b"lo" + bytes(14)


def test_subnet_is_masked_before_it_is_compared() -> None:
    (mask, how), (compare, what) = opened(nft.in_subnet("172.17.0.0/20"))
    assert (mask, compare) == ("bitwise", "cmp")
    assert attributes(how[4])[1] == b"\xff\xff\xf0\x00"
    assert attributes(how[5])[1] == bytes(4)
    assert attributes(what[3])[1] == b"\xac\x11\0\0"
    assert what[2] == bytes(4)


def test_conntrack_bits_are_in_host_order_and_tested_for_any() -> None:
    (load, _), (_, how), (_, what) = opened(nft.conntrack_dnat())
    assert load == "ct"
    assert attributes(how[4])[1] == struct.pack("=I", 32)
    assert what[2] == struct.pack(">I", 1)


def test_nat_takes_the_port_from_the_word_behind_the_address() -> None:
    [(name, with_port)] = opened(nft.destination_nat(port=True))
    assert name == "nat"
    assert with_port[3] == struct.pack(">I", 1)
    assert with_port[5] == struct.pack(">I", 9)
    [(_, without)] = opened(nft.destination_nat(port=False))
    assert 5 not in without


def test_lookup_names_the_map_and_both_registers() -> None:
    [(name, parts)] = opened(nft.lookup("published", into=2))
    assert name == "lookup"
    assert parts == {1: b"published\0", 2: struct.pack(">I", 1), 3: struct.pack(">I", 2)}


def test_verdict() -> None:
    [(name, parts)] = opened(nft.verdict(nft.DROP))
    assert name == "immediate"
    assert attributes(attributes(parts[2])[2])[1] == bytes(4)


def test_ports_are_written_into_the_packet() -> None:
    (load, data), (store, how) = opened(nft.set_source_port(b"\0\x35", 6))
    assert (load, store) == ("immediate", "payload")
    assert attributes(data[2])[1] == b"\0\x35"
    words = {kind: int.from_bytes(body, "big") for kind, body in how.items()}
    assert words == {2: 2, 3: 0, 4: 2, 5: 1, 6: 1, 7: 6}
    _, (_, how) = opened(nft.set_destination_port(b"\0\x35", 16))
    assert (how[3], how[7]) == (struct.pack(">I", 2), struct.pack(">I", 16))
    ((_, how),) = opened(nft.source_port())
    assert how[3] == bytes(4)
