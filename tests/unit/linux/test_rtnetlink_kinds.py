import errno

from carrack.linux import rtnetlink_kinds
from carrack.linux.netlink import Message, Netlink, attributes
from carrack.linux.rtnetlink import IFLA_INFO_DATA, IFLA_INFO_KIND, IFLA_LINK, IFLA_LINKINFO, IFLA_NET_NS_FD


def taken_apart(message: Message) -> tuple[bytes, dict[int, bytes], dict[int, bytes]]:
    """Kind, data and attributes of a message that makes an interface."""
    found = attributes(message.body[16:])
    info = attributes(found[IFLA_LINKINFO])
    return info[IFLA_INFO_KIND], attributes(info.get(IFLA_INFO_DATA, b"")), found


def test_interfaces_on_a_parent_are_made_in_another_namespace() -> None:
    kind, data, found = taken_apart(rtnetlink_kinds.add_macvlan("eth0", 5, 9, "vepa"))
    assert (kind, data) == (b"macvlan\0", {1: b"\2\0\0\0"})
    assert (found[IFLA_LINK], found[IFLA_NET_NS_FD]) == (b"\5\0\0\0", b"\t\0\0\0")
    kind, data, found = taken_apart(rtnetlink_kinds.add_ipvlan("eth0", 5, 9, "l3s", "private"))
    assert (kind, data) == (b"ipvlan\0", {1: b"\2\0", 2: b"\1\0"})


def test_a_vlan_and_a_dummy_are_made_here() -> None:
    kind, data, found = taken_apart(rtnetlink_kinds.add_vlan("eth0.10", 5, 10))
    assert (kind, data, IFLA_NET_NS_FD in found) == (b"vlan\0", {1: b"\n\0"}, False)
    assert taken_apart(rtnetlink_kinds.add_dummy("dm-1"))[0] == b"dummy\0"
    assert taken_apart(rtnetlink_kinds.add_pair("dm-1", "dm-~"))[0] == b"veth\0"


def test_the_kernel_is_asked_for_one_without_a_parent() -> None:
    class Answering(Netlink):
        def __init__(self, code: int) -> None:
            self.code = code

        def batch(self, messages: object) -> None:
            raise OSError(self.code, "refused")

    assert rtnetlink_kinds.knows(Answering(errno.EINVAL), "macvlan")
    assert not rtnetlink_kinds.knows(Answering(errno.EOPNOTSUPP), "ipvlan")
