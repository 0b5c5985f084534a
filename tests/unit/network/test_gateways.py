import errno
import socket
import struct

import pytest

from carrack.linux import rtnetlink
from carrack.linux.netlink import Message, Netlink
from carrack.network.gateways import lead
from carrack.network.ipam import Addresses
from carrack.network.members import Member
from carrack.network.net import Net
from carrack.network.plan import BRIDGE, NetworkPlan, Subnet

SUBNETS = (Subnet("10.9.0.0/24", "10.9.0.1"), Subnet("fd00:9::/64", "fd00:9::1"))
WAY = Member(
    Net(NetworkPlan("a" * 64, "a", BRIDGE, SUBNETS)),
    Addresses("10.9.0.2", "fd00:9::2"),
    0,
    "e" * 64,
    gateways=Addresses("10.9.0.1", "fd00:9::1"),
)


class Inner(Netlink):
    """Has the way's addresses on interface 3; keeps what it is told."""

    def __init__(self, refusal: int = 0) -> None:
        self.sent: list[str] = []
        self.refusal = refusal

    def batch(self, messages: object) -> None:
        assert isinstance(messages, list)
        self.sent += [message.what for message in messages]
        if self.refusal:
            raise OSError(self.refusal, "refused")

    def dump(self, message: Message) -> list[bytes]:
        return [
            struct.pack("=BBBBi", family, 24, 0, 0, 3) + struct.pack("=HH", 4 + len(packed), 2) + packed
            for family, packed in (
                (socket.AF_INET, socket.inet_aton("10.9.0.2")),
                (socket.AF_INET6, socket.inet_pton(socket.AF_INET6, "fd00:9::2")),
            )
        ]


def test_each_family_is_led_by_its_way() -> None:
    inner = Inner()
    lead(inner, (WAY, WAY))
    assert inner.sent == [rtnetlink.default_route(gateway).what for gateway in ("10.9.0.1", "fd00:9::1")]


@pytest.mark.parametrize("code", [0, errno.ESRCH, errno.EPERM])
def test_without_a_way_there_is_no_route(code: int) -> None:
    inner = Inner(code)
    if code == errno.EPERM:
        with pytest.raises(PermissionError):
            lead(inner, (None, None))
        return
    lead(inner, (None, None))
    assert inner.sent == [rtnetlink.delete_default_route(version).what for version in (4, 6)]
