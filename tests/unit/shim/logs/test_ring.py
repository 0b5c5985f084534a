from __future__ import annotations

import threading

from carrack.shim.logs.lines import Message
from carrack.shim.logs.ring import Ring


def messages(*lines: bytes) -> list[Message]:
    return [Message(1, 0, line) for line in lines]


def texts(found: list[Message]) -> list[bytes]:
    return [message.line for message in found]


def test_the_newest_is_dropped_and_counted_when_it_is_full() -> None:
    ring = Ring(10, blocking=False)
    ring.put(messages(b"x" * 8, b"yy", b"z", b""))
    assert (ring.dropped, ring.waiting) == (1, 3)
    assert texts(ring.take(0)) == [b"x" * 8, b"yy", b""]
    ring.put(messages(b"one message is taken however long it is"))
    assert (ring.dropped, ring.waiting) == (1, 1)


def test_messages_are_counted_too() -> None:
    ring = Ring(1 << 20, blocking=False, max_messages=2)
    ring.put(messages(b"1", b"2", b"3"))
    assert (ring.dropped, texts(ring.take(0))) == (1, [b"1", b"2"])


def test_a_blocking_one_waits_for_room_and_loses_nothing() -> None:
    ring = Ring(4, blocking=True)
    writer = threading.Thread(target=ring.put, args=(messages(*(b"%d" % n for n in range(100))),))
    writer.start()
    found: list[bytes] = []
    while len(found) < 100:
        found += texts(ring.take(10))
    writer.join(10)
    assert (found, ring.dropped) == ([b"%d" % n for n in range(100)], 0)


def test_waiting_ends_when_it_has_lost_its_sense() -> None:
    ring = Ring(1, blocking=True, over=lambda: True)
    ring.put(messages(b"1", b"2", b"3"))
    assert (ring.dropped, ring.waiting) == (0, 3)


def test_the_end() -> None:
    ring = Ring(10, blocking=True)
    ring.put(messages(b"1"))
    ring.end()
    assert not ring.ended
    assert texts(ring.take(None)) == [b"1"]
    assert ring.ended
    assert ring.take(None) == []
