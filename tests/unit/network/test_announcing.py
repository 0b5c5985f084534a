import socket
import struct
from typing import Any

import pytest

from carrack.network import announcing
from carrack.network.endpoint import Endpoint

CARD = "02:00:00:00:00:09"


def endpoint(*addresses: str, mac: str = CARD) -> Endpoint:
    return Endpoint(addresses, (), mac, 1500)


def test_a_card_that_follows_from_the_address_needs_no_word() -> None:
    assert announcing.needed(endpoint("10.9.0.2/24", mac="02:42:0a:09:00:02")) == []
    assert announcing.needed(endpoint("10.9.0.2/24", mac="")) == []
    assert len(announcing.needed(endpoint("10.9.0.2/24", "fd00::2/64", mac="02:42:0a:09:00:02"))) == 1
    assert len(announcing.needed(endpoint("10.9.0.2/24", "fd00::2/64"))) == 2


def test_an_arp_announcement_to_everybody() -> None:
    [frame] = announcing.needed(endpoint("10.9.0.2/24"))
    card, address = bytes.fromhex("020000000009"), bytes([10, 9, 0, 2])
    assert frame == (
        b"\xff" * 6 + card + b"\x08\x06" + bytes.fromhex("0001080006040001") + card + address + bytes(6) + address
    )


def test_a_neighbour_advertisement_with_a_right_checksum() -> None:
    [frame] = announcing.needed(endpoint("fd00::2/64"))
    assert (frame[:6], frame[12:14]) == (bytes.fromhex("333300000001"), b"\x86\xdd")
    packet = frame[14:]
    length, kind, hops = struct.unpack_from(">HBB", packet, 4)
    assert (length, kind, hops) == (len(packet) - 40, socket.IPPROTO_ICMPV6, 255)
    message = packet[40:]
    assert message[8:24] == socket.inet_pton(socket.AF_INET6, "fd00::2")
    assert message[24:] == b"\2\1" + bytes.fromhex("020000000009")
    summed = packet[8:40] + struct.pack(">II", len(message), kind) + message
    total = sum(struct.unpack(f">{len(summed) // 2}H", summed))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


def test_what_cannot_be_sent_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    entered: list[int] = []

    def run_inside(fd: int, work: Any) -> None:
        entered.append(fd)
        raise OSError(19, "no such device")

    monkeypatch.setattr(announcing, "run_inside", run_inside)
    announcing.announce(7, endpoint("10.9.0.2/24", mac="02:42:0a:09:00:02"))
    assert entered == []
    announcing.announce(7, endpoint("10.9.0.2/24"))
    assert entered == [7]
