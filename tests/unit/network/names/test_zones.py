import pytest
from tests.fakes import dns

from carrack.network.names import packet, zones
from carrack.network.names.zones import Scope, Zones

V4, OTHER, V6 = bytes([10, 0, 0, 2]), bytes([10, 0, 0, 3]), bytes.fromhex("fd00" + "0" * 27 + "2")


def name(text: str) -> bytes:
    return dns.name_bytes(text)


@pytest.fixture
def known() -> Zones:
    found = Zones()
    found.put("net", "c1", [name("web"), name("alias")], [V4], name("web.net"))
    found.put("net", "c2", [name("db"), name("alias")], [OTHER, V6], name("db.net"))
    found.put("far", "c3", [name("far"), name("web")], [bytes([10, 9, 0, 2])], name("far.far"))
    return found


def told(known: Zones, scope: Scope, text: str, kind: int = dns.A, **more: int) -> dns.Answer | None:
    data = dns.query(text, kind)
    found = zones.answers(known, scope, packet.question(data), **more)
    return None if found is None else dns.read(data[:2] + found[0])


def test_names_are_seen_in_the_networks_of_the_container_only(known: Zones) -> None:
    scope = Scope(["net"])
    assert told(known, scope, "WEB").texts == ["10.0.0.2"]  # type: ignore[union-attr]
    assert told(known, scope, "far") is None
    assert told(known, Scope(), "web") is None


def test_the_best_network_that_knows_the_name_answers(known: Zones) -> None:
    assert told(known, Scope(["far", "net"]), "web").texts == ["10.9.0.2"]  # type: ignore[union-attr]
    assert told(known, Scope(["net", "far"]), "web").texts == ["10.0.0.2"]  # type: ignore[union-attr]
    assert told(known, Scope(["far", "net"]), "db").texts == ["10.0.0.3"]  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", [dns.AAAA, dns.TXT, dns.ANY])
def test_a_name_without_such_records_has_no_data_and_is_asked_of_nobody(known: Zones, kind: int) -> None:
    answer = told(known, Scope(["net"]), "web", kind)
    assert answer is not None
    assert (answer.code, answer.records) == (packet.NO_ERROR, [])


def test_ipv6_addresses_are_told_to_who_asks_for_them(known: Zones) -> None:
    assert told(known, Scope(["net"]), "alias", dns.AAAA).texts == ["fd00::2"]  # type: ignore[union-attr]


def test_addresses_lead_back_to_names(known: Zones) -> None:
    for text, expected in (("2.0.0.10.in-addr.arpa", "web.net"), ("3.0.0.10.in-addr.arpa", "db.net")):
        assert told(known, Scope(["net"]), text, dns.PTR).texts == [expected]  # type: ignore[union-attr]
    assert told(known, Scope(["net"]), "2.0.0.10.in-addr.arpa", dns.A).records == []  # type: ignore[union-attr]
    assert told(known, Scope(["net"]), "9.0.0.10.in-addr.arpa", dns.PTR) is None


def test_those_who_share_a_name_are_first_in_turn(known: Zones) -> None:
    data = dns.query("alias")
    turns = zones.answers(known, Scope(["net"]), packet.question(data)) or []
    assert [dns.read(data[:2] + turn).texts for turn in turns] == [["10.0.0.2", "10.0.0.3"], ["10.0.0.3", "10.0.0.2"]]


def test_names_of_its_own_come_first(known: Zones) -> None:
    scope = Scope(["net"], {name("web"): [bytes([10, 0, 0, 9])], name("host.docker.internal"): [V4]})
    assert told(known, scope, "web").texts == ["10.0.0.9"]  # type: ignore[union-attr]
    answer = told(known, scope, "host.docker.internal", dns.AAAA)
    assert answer is not None
    assert answer.records == []


def test_who_is_gone_is_known_no_more(known: Zones) -> None:
    known.drop("net", "c1")
    known.drop("net", "nobody")
    assert told(known, Scope(["net"]), "web") is None
    assert told(known, Scope(["net"]), "alias").texts == ["10.0.0.3"]  # type: ignore[union-attr]
    assert told(known, Scope(["net"]), "2.0.0.10.in-addr.arpa", dns.PTR) is None


def test_new_names_replace_the_former(known: Zones) -> None:
    known.put("net", "c1", [name("site")], [V4], name("site.net"))
    assert told(known, Scope(["net"]), "web") is None
    assert told(known, Scope(["net"]), "site").texts == ["10.0.0.2"]  # type: ignore[union-attr]
    assert told(known, Scope(["net"]), "2.0.0.10.in-addr.arpa", dns.PTR).texts == ["site.net"]  # type: ignore[union-attr]


def test_a_dot_within_a_label_is_no_dot_between_labels(known: Zones) -> None:
    data = dns.query("a")[:12] + b"\7web.net\0\0\1\0\1"
    known.put("net", "c1", [name("web.net")], [V4], name("web.net"))
    assert zones.answers(known, Scope(["net"]), packet.question(data)) is None


def test_many_who_share_a_name_are_cut_to_what_the_asker_takes(known: Zones) -> None:
    for number in range(100):
        known.put("net", f"s{number}", [name("many")], [bytes([10, 1, 0, number])], name("many.net"))
    assert told(known, Scope(["net"]), "many", limit=512).cut  # type: ignore[union-attr]
    assert len(told(known, Scope(["net"]), "many").records) == 100  # type: ignore[union-attr]


def test_a_refused_query_is_answered_whatever_its_name(known: Zones) -> None:
    data = dns.query("web", flags=0x2800)
    assert len(zones.answers(known, Scope(["net"]), packet.question(data)) or []) == 1
