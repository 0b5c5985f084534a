"""Who has which name in which network, and the answers that follow from it. Values in, values out.

A name is known to those who share a network with its owner. Several may have one name (an alias): then all their
addresses are told, each time beginning with another. Names that are known are never asked of anybody else, whatever
the type of the question: a container without IPv6 *has* no AAAA record (no data), rather than perhaps one elsewhere.
"""

from __future__ import annotations

from carrack.network.names import packet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: of several addresses, how many have their turn as the first
_TURNS = 32
#: seconds; short, for nginx and others who obey it would stay with the address of a container that was replaced
TTL = 10
_LENGTHS = {packet.A: 4, packet.AAAA: 16}


class Scope:
    """What one container sees: its networks, the best first, and names of its own: name → addresses, all as bytes."""

    __slots__ = ("names", "networks")

    def __init__(self, networks: Sequence[str] = (), names: Mapping[bytes, Sequence[bytes]] | None = None) -> None:
        self.networks = tuple(networks)
        self.names = dict(names or {})


class Zones:
    """The names of all networks. Names are as packet.wire_name() gives them, addresses are 4 or 16 bytes."""

    def __init__(self) -> None:
        self._networks: dict[str, dict[bytes, dict[str, tuple[bytes, ...]]]] = {}
        self._endpoints: dict[tuple[str, str], tuple[tuple[bytes, ...], tuple[bytes, ...]]] = {}

    def put(self, network: str, owner: str, names: Iterable[bytes], addresses: Iterable[bytes], full: bytes) -> None:
        """These are the owner's names and addresses in a network from now on; ``full`` is told for an address."""
        self.drop(network, owner)
        own, kept = tuple(dict.fromkeys(names)), tuple(addresses)
        zone = self._networks.setdefault(network, {})
        for name in own:
            zone.setdefault(name, {})[owner] = kept
        reverse = tuple(packet.reverse_name(address) for address in kept)
        for name in reverse:
            zone.setdefault(name, {})[owner] = (full,)
        self._endpoints[network, owner] = (own, reverse)

    def drop(self, network: str, owner: str) -> None:
        """Forget the owner in a network; one that is not there is no error."""
        zone = self._networks.get(network, {})
        own, reverse = self._endpoints.pop((network, owner), ((), ()))
        for name in (*own, *reverse):
            owners = zone.get(name, {})
            owners.pop(owner, None)
            if not owners:
                zone.pop(name, None)
        if not zone:
            self._networks.pop(network, None)

    def find(self, scope: Scope, name: bytes, kind: int) -> list[bytes] | None:
        """The data of the records of that type, perhaps none; None when nobody in sight has the name."""
        known = name in scope.names
        found = [data for data in scope.names.get(name, ()) if len(data) == _LENGTHS.get(kind)]
        for network in scope.networks:
            if found:
                break
            owners = self._networks.get(network, {}).get(name)
            if owners:
                known = True
                found = [data for each in owners.values() for data in each if _fits(name, kind, data)]
        return found if known else None


def _fits(name: bytes, kind: int, data: bytes) -> bool:
    if name.endswith(b"\4arpa\0"):
        return kind == packet.PTR
    return len(data) == _LENGTHS.get(kind)


def answers(zones: Zones, scope: Scope, asked: packet.Question, limit: int = 0) -> list[bytes] | None:
    """The answers to be given in turn (without their number); None when the question is not ours to answer."""
    if asked.rcode != packet.NO_ERROR:
        return [packet.answer(asked, limit=limit)]
    found = zones.find(scope, asked.name, asked.kind)
    if found is None:
        return None
    turns = [found[at:] + found[:at] for at in range(min(len(found), _TURNS))] or [found]
    return [packet.answer(asked, turn, TTL, limit=limit) for turn in turns]
