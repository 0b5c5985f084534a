import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.fakes import dns
from tests.unit.network.names.seat import Seat

from carrack.network.names import streams
from carrack.network.names.streams import Streams


@pytest.fixture
def seat() -> Iterator[Seat]:
    seat = Seat()
    taken = Streams(seat.loop)
    seat.loop.watch(seat.sandbox.tcp.fileno(), lambda: taken.accept(seat.sandbox))
    yield seat
    seat.close()


def turn(seat: Seat, times: int = 5) -> None:
    for _ in range(times):
        seat.loop.later(0.01, lambda: None)
        seat.loop.turn()


def ended(seat: Seat, sock: socket.socket) -> bool:
    turn(seat)
    sock.settimeout(5)
    try:
        return sock.recv(10) == b""
    except ConnectionResetError:
        return True


def test_several_queries_of_one_connection(seat: Seat) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(dns.ask_stream, seat.address, dns.query("web", number=1), dns.query("web", number=2))
        while not asked.done():
            turn(seat, 1)
    assert [(a.number, a.texts) for a in map(dns.read, asked.result())] == [(1, ["10.0.0.2"]), (2, ["10.0.0.2"])]
    turn(seat)
    assert not seat.sandbox.streams


def test_an_answer_is_whole_however_long(seat: Seat) -> None:
    for number in range(250):
        seat.zones.put("net", f"s{number}", [dns.name_bytes("many")], [bytes([10, 1, 0, number])], b"\0")
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(dns.ask_stream, seat.address, dns.query("many"))
        while not asked.done():
            turn(seat, 1)
    answer = dns.read(asked.result()[0])
    assert (len(answer.records), answer.cut) == (250, False)


def test_a_query_may_come_in_pieces(seat: Seat) -> None:
    data = dns.query("web")
    with socket.create_connection(seat.address) as sock:
        for byte in struct.pack(">H", len(data)) + data:
            sock.send(bytes([byte]))
            turn(seat, 1)
        turn(seat)
        sock.settimeout(5)
        assert dns.read(sock.recv(4096)[2:]).texts == ["10.0.0.2"]


@pytest.mark.parametrize("data", [b"\xff\xff", b"\0\4abcd", struct.pack(">H", 12) + bytes(2) + b"\x80" + bytes(9)])
def test_who_sends_something_else_is_hung_up_on(seat: Seat, data: bytes) -> None:
    with socket.create_connection(seat.address) as sock:
        sock.send(data)
        assert ended(seat, sock)
    assert not seat.sandbox.streams


def test_who_says_nothing_is_hung_up_on(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "IDLE", 0.05)
    monkeypatch.setattr(streams, "SWEEP", 0.02)
    with socket.create_connection(seat.address) as sock:
        turn(seat, 20)
        assert ended(seat, sock)


def test_connections_are_few(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 2)
    socks = [socket.create_connection(seat.address) for _ in range(3)]
    turn(seat)
    assert len(seat.sandbox.streams) == 2
    assert ended(seat, socks[2])
    for sock in socks:
        sock.close()


def test_connections_end_with_their_sandbox(seat: Seat) -> None:
    with socket.create_connection(seat.address) as sock:
        turn(seat)
        seat.sandbox.close()
        assert ended(seat, sock)
