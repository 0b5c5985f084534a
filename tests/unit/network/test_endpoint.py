import contextlib
import errno
import os
from dataclasses import replace

import pytest

from carrack.errors import Unavailable
from carrack.linux.netlink import Message, Netlink, attributes
from carrack.linux.rtnetlink import IFF_RUNNING, IFLA_AF_SPEC, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE
from carrack.network import endpoint
from carrack.network.endpoint import Endpoint, ParkedVeth, Socket

ENDPOINT = Endpoint(("172.17.0.2/16",), ("172.17.0.1",), "02:42:ac:11:00:02", 1400)
BRIDGE = Socket(5)


class RecordingNetlink(Netlink):
    """Knows one interface, of index 7, and keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[list[Message]] = []
        self.running = False
        self.states = iter([False, False])

    def batch(self, messages: object) -> None:
        assert isinstance(messages, list)
        self.sent.append(messages)

    def get(self, message: Message) -> list[bytes]:
        assert message.type == RTM_GETLINK
        self.running = next(self.states, True)
        flags = IFF_RUNNING if self.running else 0
        return [b"\0\0\0\0\7\0\0\0" + flags.to_bytes(4, "little") + bytes(4) + b"\x09\0\3\0eth0\0\0\0\0"]


def test_mac_follows_the_address() -> None:
    assert endpoint.mac_of("172.17.0.2") == "02:42:ac:11:00:02"


def test_park_returns_the_hosts_end() -> None:
    host = RecordingNetlink()
    assert endpoint.park(host, 3, "veth1") == ParkedVeth(7, "veth1")


def test_plug_sets_up_the_inside_in_one_batch() -> None:
    host, sandbox = RecordingNetlink(), RecordingNetlink()
    endpoint.plug(host, sandbox, ParkedVeth(9, "veth1"), ENDPOINT, BRIDGE)
    [inside] = sandbox.sent
    assert [message.type for message in inside] == [RTM_NEWLINK, RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE]
    assert IFLA_AF_SPEC in attributes(inside[0].body[16:])
    assert host.running, "it is waited for until the kernel passes packets"
    [outside] = host.sent
    assert attributes(outside[0].body[16:])[10] == b"\5\0\0\0"


def test_a_kernel_without_ipv6_is_not_told_about_it() -> None:
    host, sandbox = RecordingNetlink(), RecordingNetlink()
    plain = replace(ENDPOINT, kernel_has_ipv6=False)
    endpoint.plug(host, sandbox, ParkedVeth(9, "veth1"), plain, BRIDGE)
    for messages in (*host.sent, *sandbox.sent):
        for message in messages:
            assert message.type != RTM_NEWLINK or IFLA_AF_SPEC not in attributes(message.body[16:])


@pytest.mark.parametrize(("code", "passes"), [(errno.ENODEV, True), (errno.EPERM, False)])
def test_unplug_forgives_a_dead_sandbox_only(code: int, passes: bool) -> None:
    class Refusing(RecordingNetlink):
        def batch(self, messages: object) -> None:
            raise OSError(code, "refused")

    with contextlib.nullcontext() if passes else pytest.raises(PermissionError):
        endpoint.unplug(Refusing(), ParkedVeth(9, "veth1"))


def test_work_of_another_thread_keeps_its_descriptors_though_their_owner_closes_his() -> None:
    ours, theirs = os.pipe()
    work = endpoint.with_own(lambda fd, text: os.write(fd, text), theirs)
    os.close(theirs)
    assert work(b"said") == 4
    assert os.read(ours, 10) == b"said"
    assert os.read(ours, 10) == b"", "the duplicate is closed"
    os.close(ours)
    with pytest.raises(Unavailable, match="sandbox has ended"):
        endpoint.with_own(lambda fd: None, -1)
