"""Tell everybody on a link that an address has another card now.

Who spoke with the last owner of an address sends to his card until he notices, which takes up to a minute. A card whose
address follows from the IPv4 address (`endpoint.mac_of`) needs no word; one that a user chose, and an IPv6 address
beside an IPv4 one, do.

Sources: RFC 826 and 5227 (ARP), RFC 4861 sections 4.4 and 7.2.6 (neighbour advertisements).
"""

import logging
import socket
import struct

from carrack.linux.rtnetlink import mac_bytes
from carrack.network.endpoint import Endpoint, mac_of
from carrack.network.sandbox import run_inside

_LOG = logging.getLogger(__name__)

_EVERYBODY = b"\xff" * 6
_ALL_NODES, _ALL_NODES_MAC = socket.inet_pton(socket.AF_INET6, "ff02::1"), bytes.fromhex("333300000001")
_ETHERNET, _REQUEST = 1, 1
_ETHERTYPE_IPV4, _ETHERTYPE_ARP, _ETHERTYPE_IPV6 = 0x0800, 0x0806, 0x86DD
_ADVERTISEMENT, _OVERRIDE, _TARGET_LINK_ADDRESS = 136, 0x20000000, 2
_MOST_HOPS = 255


def needed(endpoint: Endpoint) -> list[bytes]:
    """The frames that an endpoint has to send, one for each address that somebody may have known by another card."""
    if not endpoint.mac:  # the parent's: everybody behind it has the same
        return []
    addresses = [address.partition("/")[0] for address in endpoint.addresses]
    card = mac_bytes(endpoint.mac)
    strange = [address for address in addresses if mac_of(address) != endpoint.mac]
    return [_advertisement(card, address) if ":" in address else _arp(card, address) for address in strange]


def announce(netns_fd: int, endpoint: Endpoint) -> None:
    """Send what is needed from inside. Nobody is worse off than before when it cannot be sent."""
    frames = needed(endpoint)
    if not frames:
        return

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
            link.bind((endpoint.interface, 0))
            for frame in frames:
                link.send(frame)

    try:
        run_inside(netns_fd, send)
    except OSError as e:
        _LOG.debug("nobody is told that %s are at %s: %s", endpoint.addresses, endpoint.mac, e)


def _arp(card: bytes, address: str) -> bytes:
    """An announcement: the question for one's own address, which everybody learns from."""
    packed = socket.inet_aton(address)
    head = struct.pack(">HHBBH", _ETHERNET, _ETHERTYPE_IPV4, 6, 4, _REQUEST)
    return _EVERYBODY + card + struct.pack(">H", _ETHERTYPE_ARP) + head + card + packed + bytes(6) + packed


def _advertisement(card: bytes, address: str) -> bytes:
    """An unasked neighbour advertisement, that overrides what is known."""
    packed = socket.inet_pton(socket.AF_INET6, address)
    option = struct.pack(">BB", _TARGET_LINK_ADDRESS, 1) + card
    body = struct.pack(">I", _OVERRIDE) + packed + option
    length = 4 + len(body)
    pseudo = packed + _ALL_NODES + struct.pack(">II", length, socket.IPPROTO_ICMPV6)
    total = _checksum(pseudo + struct.pack(">BBH", _ADVERTISEMENT, 0, 0) + body)
    message = struct.pack(">BBH", _ADVERTISEMENT, 0, total) + body
    header = struct.pack(">IHBB", 6 << 28, length, socket.IPPROTO_ICMPV6, _MOST_HOPS) + packed + _ALL_NODES
    return _ALL_NODES_MAC + card + struct.pack(">H", _ETHERTYPE_IPV6) + header + message


def _checksum(data: bytes) -> int:
    """The internet's checksum (RFC 1071)."""
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
