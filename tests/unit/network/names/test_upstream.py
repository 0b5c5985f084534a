from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.fakes import dns
from tests.unit.network.names.seat import Seat

from carrack.network.names import packet, upstream
from carrack.network.names.upstream import framed

Open = Callable[..., Seat]


@pytest.fixture
def undo() -> Iterator[ExitStack]:
    with ExitStack() as undo:
        yield undo


def served(undo: ExitStack, answer: dns.Behaviour, address: str = "127.0.0.1", port: int = 0) -> dns.Server:
    server = dns.Server(answer, address, port)
    undo.callback(server.close)
    return server


def seated(undo: ExitStack, port: int, *servers: str) -> Seat:
    seat = Seat(*(servers or ("127.0.0.1",)), port=port)
    undo.callback(seat.close)
    return seat


def test_unknown_names_are_asked_elsewhere(undo: ExitStack) -> None:
    server = served(undo, lambda data: dns.respond(data, ["192.0.2.7"]))
    seat = seated(undo, server.port)
    for number in (1, 2):
        answer = seat.ask(dns.query("far.example", number=number))
        assert (answer.number, answer.texts) == (number, ["192.0.2.7"])
    numbers = {data[:2] for data in server.seen}
    assert numbers != {b"\0\1", b"\0\2"}  # drawn anew for each
    assert (seat.counts["forwarded"], seat.sandbox.waiting, seat.upstream.waiting) == (2, 0, set())


def test_known_names_are_asked_nowhere(undo: ExitStack) -> None:
    server = served(undo, lambda data: dns.respond(data, []))
    seat = seated(undo, server.port)
    for kind in (dns.A, dns.AAAA, dns.TXT):
        assert seat.ask(dns.query("web", kind)).code == packet.NO_ERROR
    assert server.seen == []


@pytest.mark.parametrize("code", [0, 3])
def test_no_data_and_no_such_name_pass_as_they_are(undo: ExitStack, code: int) -> None:
    server = served(undo, lambda data: dns.respond(data, [], code=code))
    other = served(undo, lambda data: dns.respond(data, ["192.0.2.7"]), "127.0.0.2", server.port)
    assert seated(undo, server.port, "127.0.0.1", "127.0.0.2").ask(dns.query("a.example")).code == code
    assert other.seen == []


@pytest.mark.parametrize("code", [packet.SERVER_FAILURE, packet.REFUSED])
def test_the_next_server_is_asked_when_one_fails(undo: ExitStack, code: int) -> None:
    server = served(undo, lambda data: dns.respond(data, [], code=code))
    served(undo, lambda data: dns.respond(data, ["192.0.2.7"]), "127.0.0.2", server.port)
    seat = seated(undo, server.port, "127.0.0.1", "nonsense", "127.0.0.2")
    assert seat.ask(dns.query("a.example")).texts == ["192.0.2.7"]
    assert seated(undo, server.port).ask(dns.query("a.example")).code == code


def test_the_next_server_is_asked_when_one_is_silent_or_not_there(
    undo: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "PATIENCE", 0.1)
    server = served(undo, lambda data: None)
    served(undo, lambda data: dns.respond(data, ["192.0.2.7"]), "127.0.0.3", server.port)
    seat = seated(undo, server.port, "127.0.0.1", "127.0.0.2", "127.0.0.3")
    assert seat.ask(dns.query("a.example")).texts == ["192.0.2.7"]


def test_when_nobody_answers_the_failure_is_told(undo: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "PATIENCE", 0.1)
    server = served(undo, lambda data: None)
    seat = seated(undo, server.port)
    assert seat.ask(dns.query("a.example", size=800)).code == packet.SERVER_FAILURE
    assert len(server.seen) == 2
    assert seat.counts["failed"] == 1


def test_answers_to_something_else_are_passed_over(undo: ExitStack) -> None:
    answers: list[Callable[[bytes], bytes]] = [
        lambda data: b"\0\0" + dns.respond(data, ["6.6.6.6"])[2:],
        lambda data: dns.respond(dns.query("other.example", number=int.from_bytes(data[:2], "big")), ["6.6.6.6"]),
        lambda data: b"\x80",
    ]
    server = served(undo, lambda data: None)
    seat = seated(undo, server.port)

    def several(data: bytes) -> bytes:
        client = seat.upstream.waiting
        (query,) = client
        address = query._sock.getsockname()  # type: ignore[union-attr]
        for answer in answers:
            server._udp.sendto(answer(data), address)
        return dns.respond(data, ["192.0.2.7"])

    server._answer = several
    assert seat.ask(dns.query("a.example")).texts == ["192.0.2.7"]
    assert seat.counts["strange"] == 3


def test_a_cut_answer_passes_as_it_is(undo: ExitStack) -> None:
    server = served(undo, lambda data: dns.respond(data, [], flags=0x200))
    assert seated(undo, server.port).ask(dns.query("a.example")).cut


def test_who_asks_by_tcp_is_answered_by_tcp(undo: ExitStack) -> None:
    many = [f"192.0.2.{n}" for n in range(1, 255)]
    server = served(undo, lambda data: dns.respond(data, many))
    seat = seated(undo, server.port)
    got: list[bytes] = []
    seat.sandbox.ask(dns.query("a.example", number=3), got.append, stream=True)
    while not got:
        seat.loop.turn()
    assert dns.read(got[0]).texts == many
    assert dns.read(got[0]).number == 3


def test_a_server_that_hangs_up_is_followed_by_the_next(undo: ExitStack) -> None:
    server = served(undo, lambda data: None)
    served(undo, lambda data: dns.respond(data, ["192.0.2.7"]), "127.0.0.2", server.port)
    seat = seated(undo, server.port, "127.0.0.4", "127.0.0.1", "127.0.0.2")
    got: list[bytes] = []
    seat.sandbox.ask(dns.query("a.example"), got.append, stream=True)
    while not got:
        seat.loop.turn()
    assert dns.read(got[0]).texts == ["192.0.2.7"]


def test_without_a_way_out_nobody_is_asked(undo: ExitStack) -> None:
    server = served(undo, lambda data: dns.respond(data, ["192.0.2.7"]))
    seat = seated(undo, server.port)
    seat.sandbox.see(["net"], ["127.0.0.1"], False, False, {})
    assert seat.ask(dns.query("secret.example")).code == packet.SERVER_FAILURE
    assert seat.ask(dns.query("web")).texts == ["10.0.0.2"]
    assert server.seen == []
    assert seat.counts["kept"] == 1


def test_a_name_is_no_server(undo: ExitStack) -> None:
    """Whoever looked it up would wait for himself."""
    server = served(undo, lambda data: dns.respond(data, ["192.0.2.7"]))
    assert seated(undo, server.port, "localhost", "127.1").ask(dns.query("a.example")).code == packet.SERVER_FAILURE
    assert server.seen == []


def test_we_never_ask_ourselves(undo: ExitStack) -> None:
    seat = seated(undo, 53)
    seat.sandbox.see(["net"], ["127.0.0.11"], True, True, {})
    assert seat.ask(dns.query("a.example")).code == packet.SERVER_FAILURE


def test_questions_under_way_are_bounded(undo: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "MOST_OF_ONE", 4)
    server = served(undo, lambda data: None)
    seat = seated(undo, server.port)
    for number in range(5):
        seat.client.send(dns.query(f"n{number}.example", number=number))
    answer = dns.read(seat.answer())
    assert (answer.number, answer.code) == (4, packet.SERVER_FAILURE)
    assert (len(seat.upstream.waiting), seat.counts["full"]) == (4, 1)
    seat.upstream.drop(seat.sandbox)
    assert (seat.upstream.waiting, seat.sandbox.waiting) == (set(), 0)


def test_a_packet_after_its_length() -> None:
    assert framed(b"\0\2ab") == b"ab"
    for data in (b"", b"\0", b"\0\2a", b"\0\0"):
        assert framed(data) == b""
