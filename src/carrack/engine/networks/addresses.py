"""IPAM of a create request, as text: whether each subnet, range, gateway and auxiliary address is one. Pure.

Rules, order and words are Docker's (`network.ValidateIPAM`), which tells all that is wrong at once.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from carrack.errors import InvalidArgument
from carrack.model.container import Document

IPNetwork = IPv4Network | IPv6Network
IPAddress = IPv4Address | IPv6Address

_BITS = re.compile(r"0|[1-9][0-9]{0,2}")
_MAPPED = IPv6Network("::ffff:0:0/96")


def check(pools: Sequence[Document]) -> None:
    """Refuse pools (IPAM.Config) of which any word is wrong. Raises InvalidArgument with everything that is."""
    errors = [error for pool in pools for error in _errors(pool)]
    if errors:
        raise InvalidArgument(f"invalid network config:\n{listed(errors)}")


def listed(errors: Sequence[str]) -> str:
    """All that is wrong, each of several on a line of its own."""
    return errors[0] if len(errors) == 1 else "\n".join(f"* {error}" for error in errors)


def network_of(text: str) -> tuple[IPAddress, IPNetwork] | None:
    """The address and the network of ``10.0.0.7/24``; None for what is no such block."""
    address, slash, bits = text.partition("/")
    if not slash or not _BITS.fullmatch(bits) or "%" in text:
        return None
    try:
        interface = ipaddress.ip_interface(f"{address}/{bits}")
    except ValueError:
        return None
    return interface.ip, interface.network


def address_of(text: str) -> IPAddress | None:
    """The address; None for what is none."""
    try:
        return ipaddress.ip_address(text) if "%" not in text else None
    except ValueError:
        return None


def _errors(pool: Document) -> Iterator[str]:
    found = network_of(pool["Subnet"])
    if found is None:
        yield f"invalid subnet {pool['Subnet']}: invalid CIDR block notation"
        return
    address, subnet = found
    if isinstance(subnet, IPv6Network) and subnet.subnet_of(_MAPPED):
        yield f"invalid subnet {subnet}: these are IPv4 addresses, which have a block of their own"
        return
    if address != subnet.network_address:
        yield f"invalid subnet {pool['Subnet']}: it should be {subnet}"
    if told := _range_error(pool["IPRange"], subnet):
        yield f"invalid ip-range {pool['IPRange']}: {told}"
    if told := _address_error(pool["Gateway"], subnet):
        yield f"invalid gateway {pool['Gateway']}: {told}"
    for name, text in (pool["AuxiliaryAddresses"] or {}).items():
        told = _address_error(text, subnet) if text else "invalid address"
        if told:
            yield f"invalid auxiliary address {name}: {told}"


def _range_error(text: str, subnet: IPNetwork) -> str:
    if not text:
        return ""
    found = network_of(text)
    if found is None:
        return "invalid CIDR block notation"
    address, block = found
    if block.version != subnet.version:
        return f"parent subnet is an IPv{subnet.version} block"
    if block.prefixlen < subnet.prefixlen:
        return f"CIDR block is bigger than its parent subnet {subnet}"
    if address != block.network_address:
        return f"it should be {block}"
    return "" if block.overlaps(subnet) else f"parent subnet {subnet} doesn't contain ip-range"


def _address_error(text: str, subnet: IPNetwork) -> str:
    if not text:
        return ""
    address = address_of(text)
    if address is None:
        return "invalid address"
    if address.version != subnet.version:
        return f"parent subnet is an IPv{subnet.version} block"
    return "" if address in subnet else f"parent subnet {subnet} doesn't contain this address"
