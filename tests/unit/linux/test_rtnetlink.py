import struct

import pytest

from carrack.linux import netlink, rtnetlink
from carrack.linux.netlink import Netlink, attributes


def test_finds_the_loopback() -> None:
    with Netlink() as socket:
        link = rtnetlink.find_link(socket, "lo")
        assert link is not None
        assert (link.index, link.name, link.master, link.kind) == (1, "lo", 0, "")
        assert "lo" in {found.name for found in rtnetlink.links(socket)}


def test_looks_up_by_index() -> None:
    with Netlink() as socket:
        assert rtnetlink.get_link(socket, 1).name == "lo"
        with pytest.raises(OSError, match="look up interface 999999"):
            rtnetlink.get_link(socket, 999999)


def test_an_unknown_interface_is_none() -> None:
    with Netlink() as socket:
        assert rtnetlink.find_link(socket, "no-such-link") is None


def test_veth_puts_its_peer_into_the_namespace() -> None:
    message = rtnetlink.add_veth("veth1", "eth0", 7, 1400)
    parts = attributes(message.body[16:])
    assert parts[rtnetlink.IFLA_IFNAME] == b"veth1\0"
    info = attributes(parts[rtnetlink.IFLA_LINKINFO])
    assert info[1] == b"veth\0"
    peer = attributes(attributes(info[2])[1][16:])
    assert peer[rtnetlink.IFLA_IFNAME] == b"eth0\0"
    assert peer[rtnetlink.IFLA_NET_NS_FD] == struct.pack("=I", 7)
    assert peer[rtnetlink.IFLA_MTU] == struct.pack("=I", 1400)
    assert message.flags == netlink.NLM_F_CREATE | netlink.NLM_F_EXCL


def test_address_has_its_broadcast() -> None:
    message = rtnetlink.add_address(3, "172.17.0.2/16")
    assert message.body[:8] == struct.pack("=BBBBi", 2, 16, 0, 0, 3)
    assert attributes(message.body[8:]) == {2: b"\xac\x11\0\x02", 1: b"\xac\x11\0\x02", 4: b"\xac\x11\xff\xff"}


def test_a_point_to_point_address_has_none() -> None:
    assert 4 not in attributes(rtnetlink.add_address(3, "10.0.0.1/31").body[8:])


def test_change_touches_only_what_is_named() -> None:
    assert rtnetlink.set_link(4).body == struct.pack("=BxHiII", 0, 0, 4, 0, 0)
    up = rtnetlink.set_link(4, up=True, mac="02:42:ac:11:00:02")
    assert up.body[:16] == struct.pack("=BxHiII", 0, 0, 4, 1, 1)
    assert attributes(up.body[16:]) == {rtnetlink.IFLA_ADDRESS: b"\x02\x42\xac\x11\0\x02"}


@pytest.mark.parametrize("text", ["", "02:42", "02:42:ac:11:00:02:03", "zz:42:ac:11:00:02"])
def test_bad_mac_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r"invalid MAC|non-hexadecimal"):
        rtnetlink.mac_bytes(text)


def test_addresses_of_one_interface_are_asked_for_alone() -> None:
    with Netlink() as netlink:
        lo = rtnetlink.find_link(netlink, "lo")
        assert lo is not None
        listed = [address for index, address in rtnetlink.all_addresses(netlink) if index == lo.index]
        assert rtnetlink.addresses(netlink, lo.index) == listed
        assert rtnetlink.addresses(netlink, 2**31 - 1) == []
        assert len(rtnetlink.links(netlink)) > 0  # the socket asks as before
