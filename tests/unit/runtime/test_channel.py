from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.runtime import channel

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    left, right = channel.pair()
    with left, right:
        yield left, right


def test_messages_keep_their_bounds_and_their_order(ends: Ends) -> None:
    channel.send(ends[0], {"first": 1})
    channel.send(ends[0], {"second": ["ü", None, True]})
    assert channel.receive(ends[1]) == ({"first": 1}, [])
    assert channel.receive(ends[1]) == ({"second": ["ü", None, True]}, [])


def test_the_end_is_none(ends: Ends) -> None:
    ends[0].close()
    assert channel.receive(ends[1]) == (None, [])


def test_descriptors_arrive_close_on_exec(ends: Ends) -> None:
    read, write = os.pipe()
    channel.send(ends[0], {}, [write])
    os.close(write)
    message, fds = channel.receive(ends[1])
    assert message == {}
    assert not os.get_inheritable(fds[0])
    os.write(fds[0], b"through")
    os.close(fds[0])
    assert os.read(read, 100) == b"through"
    os.close(read)


def test_a_big_body_goes_through_memory_with_descriptors_behind_it(ends: Ends) -> None:
    read, write = os.pipe()
    text = "x" * (3 * channel.INLINE_LIMIT)
    channel.send(ends[0], {"text": text}, [read])
    message, fds = channel.receive(ends[1])
    assert message == {"text": text}
    assert len(fds) == 1
    assert os.fstat(fds[0]).st_ino == os.fstat(read).st_ino
    for fd in (read, write, *fds):
        os.close(fd)


def test_what_is_too_big_is_not_sent(ends: Ends) -> None:
    with pytest.raises(ValueError, match="over the limit"):
        channel.send(ends[0], {"text": "x" * channel.BODY_LIMIT})


@pytest.mark.parametrize("packet", [b"[]", b"nonsense", b"M12", b"Mx", b"\xff\xfe", b"M99999999999", b"1"])
def test_a_packet_that_is_not_ours_is_refused_and_its_descriptors_closed(ends: Ends, packet: bytes) -> None:
    read, write = os.pipe()
    rights: list[Any] = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", write))]
    ends[0].sendmsg([packet], rights)
    os.close(write)
    with pytest.raises(ValueError, match=r".+"):
        channel.receive(ends[1])
    assert os.read(read, 1) == b""  # no writer is left
    os.close(read)


def test_too_many_descriptors_are_refused(ends: Ends) -> None:
    channel.send(ends[0], {}, [0] * 9)
    with pytest.raises(ValueError, match="was cut"):
        channel.receive(ends[1], max_fds=2)


def test_a_body_that_could_change_is_refused(ends: Ends) -> None:
    memory = os.memfd_create("open")
    os.write(memory, b"{}")
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", memory))]
    ends[0].sendmsg([b"M2"], rights)
    with pytest.raises(ValueError, match="not sealed"):
        channel.receive(ends[1])
    os.close(memory)


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists), max_size=5))
def test_any_json_object_comes_back(message: dict[str, Any]) -> None:
    left, right = channel.pair()
    with left, right:
        channel.send(left, message)
        assert channel.receive(right) == (message, [])
