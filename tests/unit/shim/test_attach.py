import socket

from carrack.shim.attach import Attachment
from carrack.shim.loop import Loop


class Desk:
    """An attachment, its client's end, and what was told about it."""

    def __init__(self, *, stdin: bool = False, framed: bool = True) -> None:
        self.loop = Loop()
        self.client, ours = socket.socketpair()
        self.client.setblocking(False)
        self.input = bytearray()
        self.changes = 0
        self.attachment = Attachment(self.loop, ours, frozenset((1, 2)), stdin=stdin, framed=framed)
        self.attachment.open(self.take, self.count)

    def take(self, attachment: Attachment) -> bool:
        data = attachment.receive()
        self.input += data or b""
        return bool(data)

    def count(self, attachment: Attachment) -> None:
        self.changes += 1

    def close(self) -> None:
        self.attachment.close()
        self.client.close()
        self.loop.close()


def test_output_is_framed_or_raw() -> None:
    framed, raw = Desk(), Desk(framed=False)
    framed.attachment.send(2, b"err")
    raw.attachment.send(1, b"raw")
    assert framed.client.recv(99) == b"\x02\0\0\0\0\0\0\x03err"
    assert raw.client.recv(99) == b"raw"
    framed.close()
    raw.close()


def test_what_the_client_does_not_take_waits_in_order() -> None:
    desk = Desk(framed=False)
    sent = bytearray()
    while not desk.attachment.blocked:
        desk.attachment.send(1, b"%08d" % len(sent) * 100)
        sent += b"%08d" % len(sent) * 100
    desk.attachment.send(1, b"end")
    sent += b"end"
    got = bytearray()
    while len(got) < len(sent):
        got += desk.client.recv(1 << 20)
        if desk.attachment.blocked:
            desk.loop.turn()
    assert got == sent
    assert desk.changes == 1
    desk.close()


def test_the_end_of_output_comes_after_what_waits() -> None:
    desk = Desk(framed=False)
    while not desk.attachment.blocked:
        desk.attachment.send(1, b"x" * 65536)
    desk.attachment.finish()
    assert not desk.attachment.closed
    while not desk.attachment.closed:
        assert desk.client.recv(1 << 20)
        desk.loop.turn()
    while desk.client.recv(1 << 20):
        pass
    desk.close()


def test_input_is_read_while_it_is_not_paused() -> None:
    desk = Desk(stdin=True)
    desk.client.send(b"in")
    desk.loop.turn()
    assert desk.input == b"in"
    desk.client.shutdown(socket.SHUT_WR)
    desk.loop.turn()
    assert not desk.attachment.listening
    assert not desk.attachment.closed
    desk.attachment.send(1, b"late")
    assert desk.client.recv(99).endswith(b"late")
    desk.close()


def test_the_last_input_of_a_client_that_has_gone_is_taken() -> None:
    desk = Desk(stdin=True)
    desk.client.send(b"x" * 100_000)
    desk.client.close()
    desk.loop.turn()
    assert len(desk.input) == 100_000
    assert desk.attachment.closed
    desk.close()


def test_a_client_that_has_gone_gets_nothing_more() -> None:
    desk = Desk()
    desk.client.close()
    desk.attachment.send(1, b"x")
    assert desk.attachment.closed
    desk.attachment.send(1, b"y")
    assert not desk.attachment.blocked
    desk.close()


def test_unread_input_does_not_spoil_the_end_of_the_output() -> None:
    desk = Desk()
    desk.client.send(b"never read")
    desk.attachment.send(1, b"out")
    desk.attachment.finish()
    assert desk.client.recv(99).endswith(b"out")
    assert desk.client.recv(99) == b""  # and not a reset
    desk.close()
