import socket

from carrack.network.names import loop as events
from carrack.network.names.loop import Loop


def test_who_is_ready_has_one_turn_after_the_other() -> None:
    loop, order = Loop(), []
    pairs = [socket.socketpair() for _ in range(3)]
    for number, (ours, theirs) in enumerate(pairs):
        theirs.send(b"two")
        loop.watch(ours.fileno(), lambda number=number, ours=ours: order.append((number, ours.recv(1))))  # type: ignore[misc]
    for _ in range(3):
        loop.turn()
    assert [number for number, _ in order[:3]] == [0, 1, 2]
    assert len(order) == 9
    for pair in pairs:
        for sock in pair:
            loop.forget(sock.fileno())
            sock.close()


def test_a_handler_may_close_another_of_the_same_turn() -> None:
    loop, called = Loop(), []
    one, other = socket.socketpair()

    def handle(own: socket.socket, foreign: socket.socket) -> None:
        called.append(own)
        loop.forget(foreign.fileno())
        loop.forget(own.fileno())

    loop.watch(one.fileno(), lambda: handle(one, other), events.OUT)
    loop.watch(other.fileno(), lambda: handle(other, one), events.OUT)
    loop.turn()
    assert len(called) == 1
    one.close()
    other.close()


def test_events_are_changed_and_calls_come_in_time() -> None:
    loop, called = Loop(), []
    one, other = socket.socketpair()
    loop.watch(one.fileno(), lambda: called.append("in"))
    loop.watch(one.fileno(), lambda: called.append("out"), events.OUT)
    loop.turn()
    loop.forget(one.fileno())
    loop.later(0.02, lambda: called.append("later"))
    loop.later(0.01, lambda: called.append("sooner"))
    while "later" not in called:
        loop.turn()
    assert called == ["out", "sooner", "later"]
    one.close()
    other.close()


def test_one_may_come_before_all_others() -> None:
    loop, order = Loop(), []
    pairs = [socket.socketpair() for _ in range(3)]
    for number, (ours, theirs) in enumerate(pairs):
        theirs.send(b"x")
        loop.watch(ours.fileno(), lambda number=number: order.append(number))  # type: ignore[misc]
    loop.first = pairs[2][0].fileno()
    loop.turn()
    assert order[0] == 2
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
