import struct

import pytest
from tests.fakes import dns

from carrack.network.names import packet


def test_a_query_is_read() -> None:
    asked = packet.question(dns.query("Web.MyNet", dns.AAAA))
    assert asked.name == b"\3web\5mynet\0"
    assert asked.raw == b"\3Web\5MyNet\0\0\x1c\0\1"
    assert (asked.kind, asked.rcode, asked.size, asked.edns) == (dns.AAAA, packet.NO_ERROR, 512, False)


def test_the_size_that_a_query_takes_is_bounded_both_ways() -> None:
    sizes = [packet.question(dns.query("a", size=size)).size for size in (1, 512, 1000, 1232, 4096, 65535)]
    assert sizes == [512, 512, 1000, 1232, 1232, 1232]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(11),
        dns.query("a.b")[:-3],  # cut in the type
        dns.query("a.b")[:14],  # cut in the name
        dns.query("a", flags=0x8000),  # an answer: who answers answers is in a loop
        dns.query("a")[:12] + b"\xc0\x0c\0\1\0\1",  # a pointer to itself
        dns.query("a")[:12] + b"\x40abc\0\0\1\0\1",  # a label of no known kind
        dns.query("a")[:12] + b"\x01a" * 130 + b"\0\0\1\0\1",  # a name too long
        dns.query("a", size=512)[:-1],
        dns.query("a", size=512)[:-4] + b"\xff\xff\xff\xff",
        dns.query("a")[:10] + b"\0\1" + dns.query("a")[12:] + b"\xc0",
    ],
)
def test_what_is_no_query_is_malformed(data: bytes) -> None:
    with pytest.raises(packet.Malformed):
        packet.question(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (dns.query("a", flags=0x2800), packet.NOT_IMPLEMENTED),  # an update
        (dns.query("a")[:4] + struct.pack(">4H", 2, 0, 0, 0), packet.FORMAT_ERROR),
        (dns.query("a")[:4] + struct.pack(">4H", 0, 0, 0, 0), packet.FORMAT_ERROR),
        (dns.query("a")[:-2] + b"\0\3", packet.REFUSED),  # class CHAOS: version.bind and the like
        (dns.query("a", 252), packet.REFUSED),  # a whole zone
        (dns.query("a", size=512, version=1), packet.BAD_VERSION),
        (
            dns.query("a", size=512)[:11] + b"\2" + dns.query("a", size=512)[12:] + dns.query("a", size=512)[-11:],
            packet.FORMAT_ERROR,
        ),
    ],
)
def test_what_is_not_done_is_refused_in_an_answer(data: bytes, code: int) -> None:
    asked = packet.question(data)
    assert asked.rcode == code
    assert dns.read(data[:2] + packet.answer(asked)).code == code


def test_records_before_the_options_are_skipped() -> None:
    plain = dns.query("a", size=900)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + bytes(4)
    data = plain[:6] + b"\0\1\0\0\0\1" + plain[12:-11] + record + plain[-11:]
    assert packet.question(data).size == 900


def test_names_as_they_travel() -> None:
    assert packet.wire_name("Db.Example.") == b"\2db\7example\0"
    assert packet.wire_name("x" * 63) is not None
    for name in ("x" * 64, "", ".", "a..b", ".a", "a." * 127 + "ab"):
        assert packet.wire_name(name) is None


def test_reverse_names() -> None:
    assert packet.reverse_name(bytes([172, 18, 0, 2])) == dns.name_bytes("2.0.18.172.in-addr.arpa")
    expected = "1.0.0.0" + ".0" * 24 + ".0.0.d.f.ip6.arpa"
    assert packet.reverse_name(bytes.fromhex("fd00" + "0" * 27 + "1")) == dns.name_bytes(expected)


def test_answers_are_well_made() -> None:
    data = dns.query("alias", size=1232)
    answer = dns.read(data[:2] + packet.answer(packet.question(data), [bytes([10, 0, 0, n]) for n in (1, 2)], 7))
    assert answer == dns.Answer(
        0x1234, 0, False, ("alias", dns.A), [("alias", 1, 7, "10.0.0.1"), ("alias", 1, 7, "10.0.0.2")], 1232
    )


def test_an_answer_that_is_too_long_is_cut_at_a_record() -> None:
    data = dns.query("alias")
    whole = packet.answer(packet.question(data), [bytes(4)] * 40, limit=512)
    answer = dns.read(data[:2] + whole)
    assert len(whole) <= 510
    assert answer.cut
    assert 25 < len(answer.records) < 40
    assert not dns.read(data[:2] + packet.answer(packet.question(data), [bytes(4)] * 40)).cut


def test_an_answer_fits_its_question_or_not() -> None:
    data = dns.query("Foo.example")
    asked = packet.question(data)
    good = dns.respond(data, ["1.2.3.4"])
    assert packet.answers_to(asked, good)
    assert packet.answers_to(asked, good.replace(b"Foo", b"foo"))
    for bad in (
        data,
        good[:20],
        good.replace(b"Foo", b"Bar"),
        dns.respond(dns.query("Foo.example", dns.AAAA), []),
        b"",
    ):
        assert not packet.answers_to(asked, bad)


def test_the_code_of_an_answer() -> None:
    assert packet.response_code(dns.respond(dns.query("a"), [], code=3)) == packet.NO_SUCH_NAME
