from collections.abc import Iterator

import pytest
from tests.fakes import dns
from tests.unit.network.names.seat import Seat

from carrack.network.names import packet
from carrack.network.names import sandbox as module


@pytest.fixture
def seat() -> Iterator[Seat]:
    seat = Seat()
    yield seat
    seat.close()


def test_a_name_is_told_again_and_again(seat: Seat) -> None:
    for number in range(3):
        answer = seat.ask(dns.query("web", number=number))
        assert (answer.number, answer.texts) == (number, ["10.0.0.2"])
    assert seat.sandbox.asked == 3


def test_prepared_answers_are_forgotten_with_a_change(seat: Seat) -> None:
    seat.ask(dns.query("web"))
    seat.zones.put("net", "c1", [dns.name_bytes("web")], [bytes([10, 0, 0, 7])], b"\0")
    assert seat.ask(dns.query("web")).texts == ["10.0.0.2"]
    seat.sandbox.forget()
    assert seat.ask(dns.query("web")).texts == ["10.0.0.7"]
    seat.sandbox.see(["net"], [], False, True, {dns.name_bytes("web"): [bytes([10, 0, 0, 9])]})
    assert seat.ask(dns.query("web")).texts == ["10.0.0.9"]


def test_those_who_share_a_name_take_turns(seat: Seat) -> None:
    for number in (3, 4):
        seat.zones.put("net", f"c{number}", [dns.name_bytes("alias")], [bytes([10, 0, 0, number])], b"\0")
    first = [seat.ask(dns.query("alias")).texts[0] for _ in range(4)]
    assert first == ["10.0.0.3", "10.0.0.4", "10.0.0.3", "10.0.0.4"]
    # Also when no two questions are the same: every dig sends a cookie of its own.
    first = [seat.ask(dns.query("alias", size=600 + number)).texts[0] for number in range(4)]
    assert first == ["10.0.0.4", "10.0.0.3", "10.0.0.4", "10.0.0.3"]


def test_what_is_no_query_is_dropped_and_counted(seat: Seat) -> None:
    for data in (b"", b"\0" * 11, dns.query("web", flags=0x8000), dns.query("web")[:-1]):
        seat.client.send(data)
    assert seat.ask(dns.query("web", number=9)).number == 9
    assert (seat.sandbox.malformed, seat.sandbox.asked) == (4, 1)


def test_the_prepared_answers_are_bounded(seat: Seat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PREPARED", 4)
    for number in range(20):
        seat.ask(dns.query("web", size=600 + number))
    assert len(seat.sandbox._prepared) <= 4


def test_who_floods_has_one_answer_in_a_turn(seat: Seat) -> None:
    for number in range(3):
        seat.client.send(dns.query("web", number=number))
    seat.loop.turn()
    assert seat.sandbox.asked == 1


def test_an_answer_is_never_longer_than_asked_for(seat: Seat) -> None:
    for number in range(60):
        seat.zones.put("net", f"s{number}", [dns.name_bytes("many")], [bytes([10, 1, 0, number])], b"\0")
    seat.client.send(dns.query("many"))
    assert len(seat.answer()) <= packet.PLAIN_SIZE
    seat.client.send(dns.query("many", size=4096))
    assert packet.PLAIN_SIZE < len(seat.answer()) <= packet.EDNS_SIZE
