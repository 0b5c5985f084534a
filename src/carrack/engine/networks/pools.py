"""Which subnets are free: the default pools cut into pieces, and what a wanted one collides with. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from carrack.errors import Forbidden, InvalidArgument

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Pool = tuple[str, int]
"""A block, and the prefix length of the subnets that it is cut into."""

DEFAULT: tuple[Pool, ...] = (
    ("172.17.0.0/16", 16),
    ("172.18.0.0/16", 16),
    ("172.19.0.0/16", 16),
    ("172.20.0.0/14", 16),
    ("172.24.0.0/14", 16),
    ("172.28.0.0/14", 16),
    ("192.168.0.0/16", 20),
)
"""Docker's."""


EVERYWHERE = ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "::/0", "::/1", "8000::/1", "2000::/3")
"""Destinations of default routes, and of the halves that a VPN puts before them: they are nobody's subnet."""


class Taken(NamedTuple):
    """A block that somebody has: ``who`` says so to users ("network web (0123456789ab)")."""

    block: str
    who: str


def unique_local(identity: str) -> Pool:
    """The IPv6 pool of an engine: a block of unique local addresses made of its identity, so that it stays and is
    nobody else's. Source: RFC 4193, 3.2."""
    digits = hashlib.sha256(identity.encode()).hexdigest()[:10]
    return str(ipaddress.IPv6Network(f"fd{digits[:2]}:{digits[2:6]}:{digits[6:]}::/48")), 64


def choose(pools: Iterable[Pool], version: int, taken: Sequence[Taken]) -> str:
    """The first subnet of the pools of that IP version that overlaps nothing taken. InvalidArgument: there is none."""
    blocks = [ipaddress.ip_network(other.block) for other in taken]
    used = sorted((int(b.network_address), int(b.broadcast_address)) for b in blocks if b.version == version)
    for base, prefix in pools:
        block = ipaddress.ip_network(base)
        if block.version == version:
            step = 1 << (block.max_prefixlen - prefix)
            start = _free(int(block.network_address), int(block.broadcast_address) + 1, step, used)
            if start is not None:
                return f"{type(block.network_address)(start)}/{prefix}"
    raise InvalidArgument(
        f"all predefined address pools have been fully subnetted: no IPv{version} subnet is left: remove networks that "
        "nobody uses (network prune), give this one a subnet, or the daemon more pools (--default-address-pool)"
    )


def but_wide(taken: Iterable[Taken], pools: Iterable[Pool]) -> list[Taken]:
    """Without blocks around whole pools: of a VPN's to all private networks nothing else would be left."""
    bases = [ipaddress.ip_network(base) for base, _ in pools]
    blocks = ((one, ipaddress.ip_network(one.block)) for one in taken)
    return [one for one, block in blocks if not any(_around(block, base) for base in bases)]


def _around(block: Network, base: Network) -> bool:
    return block.version == base.version and block.prefixlen < base.prefixlen and block.overlaps(base)


def _free(start: int, end: int, step: int, used: Sequence[tuple[int, int]]) -> int | None:
    """The first of the pieces of ``step`` addresses from ``start`` on that touches none of ``used`` (sorted)."""
    for low, high in used:
        if low >= start + step:
            break
        if high >= start:
            start += ((high - start) // step + 1) * step
    return start if start + step <= end else None


def refuse_overlaps(subnet: str, taken: Iterable[Taken]) -> None:
    """Raises Forbidden, in Docker's words and with the other's name, when the subnet is somebody's already."""
    block = ipaddress.ip_network(subnet)
    for other, who in taken:
        one = ipaddress.ip_network(other)
        if one.version == block.version and block.overlaps(one):
            raise Forbidden(
                "invalid pool request: Pool overlaps with other one on this address space: "
                f"{subnet} overlaps {other} of {who}: choose another subnet"
            )
