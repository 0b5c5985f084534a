import os
import socket

import pytest

from carrack.network.names import wire


def test_messages_and_descriptors_arrive() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        wire.send(ours, wire.encode("attach", "c1", (("net",), (), False, True, {b"\1a\0": (bytes(4),)})), [0, 1])
        message, fds = wire.receive(theirs)
        assert message == ("attach", "c1", (("net",), (), False, True, {b"\1a\0": (bytes(4),)}))
        assert len(fds) == 2
        for fd in fds:
            assert not os.get_inheritable(fd)
            os.close(fd)
        ours.close()
        assert wire.receive(theirs) == (None, [])


def test_a_message_is_bounded() -> None:
    with pytest.raises(ValueError, match="over the limit"):
        wire.encode("endpoint", b"x" * wire.LIMIT)


def test_a_message_that_was_cut_is_none() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.send(bytes(wire.LIMIT + 1))
        with pytest.raises(ValueError, match="cut"):
            wire.receive(theirs)
