"""The expressions that nf_tables rules are made of, as bytes: each function gives one NFTA_LIST_ELEM.

A rule is a list of them, run in order over registers; one that does not match ends the rule. The words are those of
``nft --debug=netlink``. Sources: linux/netfilter/nf_tables.h, nft(8).
"""

import socket
import struct
from typing import NamedTuple

from carrack.linux.netlink import attribute, be32, nested, text


class Family(NamedTuple):
    """What differs between the two Internet protocols: address family, length of an address, where the header has them.

    ``type`` is nft's number for such an address, ``name`` its word for the family, ``any`` the address that is all.
    """

    number: int
    name: str
    size: int
    source: int
    destination: int
    type: int
    any: str


IPV4 = Family(socket.AF_INET, "ip", 4, 12, 16, 7, "0.0.0.0")
IPV6 = Family(socket.AF_INET6, "ip6", 16, 8, 24, 8, "::")

# Verdicts (linux/netfilter.h and nf_tables.h)
DROP = 0
ACCEPT = 1
JUMP = -3
RETURN = -5

# Registers: four of 16 bytes; the same room again as sixteen of 4 bytes.
VERDICT_REGISTER = 0
REGISTER = 1
REGISTER32 = 8

# meta keys
META_MARK = 3
META_IIFNAME = 6
META_OIFNAME = 7
META_L4PROTO = 16
META_IIFKIND = 26
META_OIFKIND = 27

# conntrack state bits and status bits
CT_ESTABLISHED_RELATED = 1 << 1 | 1 << 2
CT_STATUS_DNAT = 1 << 5

_CT_STATE = 0
_CT_STATUS = 2
_NETWORK_HEADER = 1
_TRANSPORT_HEADER = 2
_SOURCE_PORT = 0
_DESTINATION_PORT = 2
_CHECKSUM_INTERNET = 1
_CMP_EQ = 0
_CMP_NEQ = 1
_FIB_RESULT_ADDRTYPE = 3
_FIB_DESTINATION = 2
_RTN_LOCAL = 2
_NAT_SNAT = 0
_NAT_DNAT = 1
_NAT_PORT_SPECIFIED = 2
_LOOKUP_INVERTED = 1
_INTERFACE_NAME_BYTES = 16

_LIST_ELEMENT = 1
_EXPRESSION_NAME = 1
_EXPRESSION_DATA = 2
_DATA_VALUE = 1
_DATA_VERDICT = 2
_VERDICT_CODE = 1
_VERDICT_CHAIN = 2


def value(kind: int, data: bytes) -> bytes:
    """An attribute that holds constant data (nft_data)."""
    return nested(kind, attribute(_DATA_VALUE, data))


def _expression(name: str, *parts: bytes) -> bytes:
    return nested(_LIST_ELEMENT, text(_EXPRESSION_NAME, name), nested(_EXPRESSION_DATA, *parts))


def meta(key: int, register: int = REGISTER) -> bytes:
    """Load a property of the packet that is not in it (interface name, transport protocol)."""
    return _expression("meta", be32(2, key), be32(1, register))


def compare(data: bytes, *, equal: bool = True, register: int = REGISTER) -> bytes:
    """Go on only when the register holds (or does not hold) the data."""
    operator = _CMP_EQ if equal else _CMP_NEQ
    return _expression("cmp", be32(1, register), be32(2, operator), value(3, data))


def counter() -> bytes:
    """Count what comes this far, as iptables has it in every rule."""
    return _expression("counter")


def interface(key: int, name: str, *, equal: bool = True) -> bytes:
    """Match META_IIFNAME or META_OIFNAME against a whole name."""
    return meta(key) + compare(name.encode().ljust(_INTERFACE_NAME_BYTES, b"\0"), equal=equal)


def _payload(base: int, offset: int, length: int, register: int) -> bytes:
    return _expression("payload", be32(1, register), be32(2, base), be32(3, offset), be32(4, length))


def source_address(family: Family = IPV4, register: int = REGISTER) -> bytes:
    """Load the source address."""
    return _payload(_NETWORK_HEADER, family.source, family.size, register)


def destination_address(family: Family = IPV4, register: int = REGISTER) -> bytes:
    """Load the destination address."""
    return _payload(_NETWORK_HEADER, family.destination, family.size, register)


def destination_port(register: int = REGISTER) -> bytes:
    """Load the destination port of TCP, UDP or SCTP (the same place in all three)."""
    return _payload(_TRANSPORT_HEADER, _DESTINATION_PORT, 2, register)


def icmp_type(number: int) -> bytes:
    """Go on only for ICMP messages (of either family) of a type; the transport protocol was looked at before."""
    return _payload(_TRANSPORT_HEADER, 0, 1, REGISTER) + compare(bytes([number]))


def neighbour_target(register: int = REGISTER) -> bytes:
    """Load the address that a neighbour solicitation or advertisement is about (RFC 4861, 4.3 and 4.4)."""
    return _payload(_TRANSPORT_HEADER, 8, IPV6.size, register)


def source_port(register: int = REGISTER) -> bytes:
    """Load the source port, as destination_port() does."""
    return _payload(_TRANSPORT_HEADER, _SOURCE_PORT, 2, register)


def set_source_port(port: bytes, checksum: int) -> bytes:
    """Write the source port (2 bytes) into the packet; ``checksum`` is the place of the checksum in its header."""
    return immediate(port) + _write(_SOURCE_PORT, 2, checksum)


def set_destination_port(port: bytes, checksum: int) -> bytes:
    """The same for the destination port."""
    return immediate(port) + _write(_DESTINATION_PORT, 2, checksum)


def _write(offset: int, length: int, checksum: int) -> bytes:
    """Store the first register in the transport header, and mend the checksum there."""
    place = be32(2, _TRANSPORT_HEADER), be32(3, offset), be32(4, length)
    return _expression("payload", *place, be32(5, REGISTER), be32(6, _CHECKSUM_INTERNET), be32(7, checksum))


def marked(mark: int, mask: int) -> bytes:
    """Go on only for packets whose firewall mark has these bits under the mask."""
    bits = _bitwise_and(struct.pack("=I", mask)) if mask != 0xFFFFFFFF else b""
    return meta(META_MARK) + bits + compare(struct.pack("=I", mark & mask))


def in_subnet(subnet: str, *, equal: bool = True) -> bytes:
    """Compare the IPv4 address in the first register with ``172.17.0.0/16``."""
    host, _, prefix = subnet.partition("/")
    mask = (0xFFFFFFFF << 32 - int(prefix) & 0xFFFFFFFF).to_bytes(4, "big")
    return _bitwise_and(mask) + compare(socket.inet_aton(host), equal=equal)


def _bitwise_and(mask: bytes) -> bytes:
    length = len(mask)
    return _expression(
        "bitwise", be32(1, REGISTER), be32(2, REGISTER), be32(3, length), value(4, mask), value(5, bytes(length))
    )


def destination_is_local() -> bytes:
    """Go on only when the destination is an address of this host (fib daddr type local)."""
    load = _expression("fib", be32(1, REGISTER), be32(2, _FIB_RESULT_ADDRTYPE), be32(3, _FIB_DESTINATION))
    return load + compare(struct.pack("=I", _RTN_LOCAL))


def conntrack_established() -> bytes:
    """Go on only for packets of a connection that is known, or related to one."""
    return _conntrack(_CT_STATE, CT_ESTABLISHED_RELATED)


def conntrack_dnat() -> bytes:
    """Go on only for packets of a connection whose destination was rewritten."""
    return _conntrack(_CT_STATUS, CT_STATUS_DNAT)


def _conntrack(key: int, bits: int) -> bytes:
    load = _expression("ct", be32(2, key), be32(1, REGISTER))
    return load + _bitwise_and(struct.pack("=I", bits)) + compare(bytes(4), equal=False)


def lookup(name: str, *, register: int = REGISTER, into: int | None = None, inverted: bool = False) -> bytes:
    """Go on only when the register is in a set (or, ``inverted``, is not).

    Of a map, what it maps to is loaded ``into`` a register.
    """
    parts = [text(1, name), be32(2, register)]
    if into is not None:
        parts.append(be32(3, into))
    if inverted:
        parts.append(be32(5, _LOOKUP_INVERTED))
    return _expression("lookup", *parts)


def destination_nat(family: Family = IPV4, *, port: bool) -> bytes:
    """Rewrite the destination to the address in the first register and, with ``port``, the port in the word behind."""
    parts = [be32(1, _NAT_DNAT), be32(2, family.number), be32(3, REGISTER)]
    if port:
        parts.append(be32(5, REGISTER32 + family.size // 4))
    return _expression("nat", *parts)


def source_nat(family: Family = IPV4) -> bytes:
    """Rewrite the source to the address in the first register."""
    return _expression("nat", be32(1, _NAT_SNAT), be32(2, family.number), be32(3, REGISTER))


def redirect() -> bytes:
    """Rewrite the destination to this host, at the port in the first register."""
    return _expression("redir", be32(1, REGISTER), be32(3, _NAT_PORT_SPECIFIED))


def masquerade() -> bytes:
    """Rewrite the source to the address of the interface the packet leaves by."""
    return _expression("masq")


def immediate(data: bytes) -> bytes:
    """Load a constant into the first register."""
    return _expression("immediate", be32(1, REGISTER), value(2, data))


def verdict(code: int) -> bytes:
    """End with ACCEPT or DROP, or RETURN from where a JUMP came."""
    return _verdict(be32(_VERDICT_CODE, code & 0xFFFFFFFF))


def jump(chain: str) -> bytes:
    """Go through a chain of the same table, and come back when it decides nothing."""
    return _verdict(be32(_VERDICT_CODE, JUMP & 0xFFFFFFFF), text(_VERDICT_CHAIN, chain))


def _verdict(*parts: bytes) -> bytes:
    return _expression("immediate", be32(1, VERDICT_REGISTER), nested(2, nested(_DATA_VERDICT, *parts)))
