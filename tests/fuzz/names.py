"""Targets: packets that containers send to the resolver and servers send back, and files that name servers."""

from __future__ import annotations

from ipaddress import ip_address

from tests.fakes import dns

from carrack.errors import CarrackError
from carrack.network import sandbox_files
from carrack.network.names import host_servers, packet, zones
from carrack.network.names.upstream import framed
from carrack.network.names.zones import Scope, Zones


def _zones() -> Zones:
    found = Zones()
    for number in range(40):
        address = bytes([10, 0, 0, number])
        found.put("net", f"c{number}", [dns.name_bytes(f"n{number}"), dns.name_bytes("many")], [address], b"\1n\0")
    found.put("net", "six", [dns.name_bytes("six")], [bytes(15) + b"\1"], b"\3six\0")
    return found


_ZONES = _zones()
_SCOPE = Scope(["net"], {dns.name_bytes("host.docker.internal"): [bytes([10, 0, 0, 1])]})


def questions(data: bytes) -> None:
    """Every query has one well made answer to the same question, which fits; answers are never answered."""
    try:
        asked = packet.question(data)
    except packet.Malformed:
        return
    assert not data[2] & 0x80, "an answer passed for a question"
    assert asked.raw == b"" or asked.raw == data[12 : 12 + len(asked.raw)]
    told = zones.answers(_ZONES, _SCOPE, asked, asked.size)
    if told is None:  # others are asked; should they fail, it is said
        told = [packet.answer(asked, rcode=packet.SERVER_FAILURE)]
    for answer in told:
        whole = data[:2] + answer
        assert len(whole) <= max(asked.size, packet.PLAIN_SIZE), "an answer longer than was asked for"
        assert whole[2] & 0x80
        assert len(whole) <= packet.HEADER or whole[12 : 12 + len(asked.raw)] == asked.raw
        if asked.rcode == packet.NO_ERROR and asked.name.isascii():
            dns.read(whole)


def answers(data: bytes) -> None:
    """What passes for an answer to a question has that question in it."""
    for query in (dns.query("Many"), dns.query("a.b", dns.AAAA, size=1232)):
        asked = packet.question(query)
        if packet.answers_to(asked, data):
            assert data[12 : 12 + len(asked.raw)].lower() == asked.raw.lower()
            packet.response_code(data)
    inner = framed(data)
    assert not inner or inner == data[2 : 2 + int.from_bytes(data[:2], "big")]


def server_files(data: bytes) -> None:
    """Any resolv.conf of the host names somebody to ask, and makes a sound one for containers."""
    text = data.decode("utf-8", "replace")
    assert 0 < len(host_servers.servers(text)) <= 3
    for make in (sandbox_files.resolv_conf, sandbox_files.internal_resolv_conf):
        for line in make(text).splitlines():
            assert not line or line.split()[0].startswith("#") or line.split()[0] in ("nameserver", "search", "options")
    try:
        sandbox_files.internal_resolv_conf("", text.splitlines()[:3])
    except CarrackError:
        return
    for line in text.splitlines()[:3]:
        ip_address(line)
