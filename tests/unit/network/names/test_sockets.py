import errno
import os
import socket

import pytest
from tests.unit.network.names import seat

from carrack.linux.netlink import attributes
from carrack.network.names import sockets


def test_ports_are_rewritten_both_ways_for_both_protocols() -> None:
    chains, rules = sockets.rule_set(61001, 61002)[:2], sockets.rule_set(61001, 61002)[2:]
    hooks = [attributes(attributes(chain.body[4:])[4])[1][-1] for chain in chains]
    assert hooks == [3, 4]  # output, postrouting
    assert [rule.what for rule in rules] == [
        "add nftables rule carrack-names questions (questions to the resolver)",
        "add nftables rule carrack-names answers (answers from it)",
    ] * 2
    assert [b"\xee\x49" in rule.body for rule in rules] == [True, True, False, False]
    assert [b"\xee\x4a" in rule.body for rule in rules] == [False, False, True, True]


def test_failures_come_to_the_caller() -> None:
    with open(os.devnull, "rb") as file, pytest.raises(OSError, match="setns") as caught:
        sockets.open_inside(file.fileno())
    assert caught.value.errno in (errno.EINVAL, errno.EPERM)


def test_our_sockets_are_known_among_others() -> None:
    udp, tcp = seat.listening()
    later, _ = pair = seat.listening()
    one, other = socket.socketpair()
    with open(os.devnull, "rb") as file:
        others = [file.fileno(), one.fileno(), other.fileno()]
        assert sockets.ours([*others, tcp.fileno(), udp.fileno()]) == [udp.fileno(), tcp.fileno()]
        assert sockets.ours([tcp.fileno(), udp.fileno(), later.fileno()]) == [later.fileno(), tcp.fileno()]
        assert sockets.ours([*others, udp.fileno()]) == []
    for sock in (udp, tcp, *pair, one, other):
        sock.close()
