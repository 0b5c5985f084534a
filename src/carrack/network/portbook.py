"""Which host ports this daemon has given out, and to whom: pure bookkeeping, in which a long range is one line."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from carrack.network.mappings import family_of


class Span(NamedTuple):
    """Ports ``first`` to ``last`` of one address."""

    protocol: str
    address: str
    first: int
    last: int
    owner: str


class Clash(NamedTuple):
    """A port that was wanted and is taken: the address it was wanted on, and who has it (maybe nobody we know)."""

    address: str
    port: int
    owner: str


class PortBook:
    """Ports by protocol and address; ``0.0.0.0`` and ``::`` are all addresses of their family."""

    def __init__(self) -> None:
        self._single: dict[tuple[str, int], dict[str, str]] = {}  # the addresses on which a port is given out: owners
        self._spans: list[Span] = []

    def take(self, protocol: str, addresses: Sequence[str], first: int, count: int = 1, owner: str = "") -> None:
        """Write down that ports are given out."""
        if count == 1:
            self._single.setdefault((protocol, first), {}).update(dict.fromkeys(addresses, owner))
        else:
            self._spans += [Span(protocol, address, first, first + count - 1, owner) for address in addresses]

    def give_back(self, protocol: str, addresses: Sequence[str], first: int, count: int = 1) -> None:
        """Strike ports out; those that are not given out are ignored."""
        last = first + count - 1
        for port in self._singles(protocol, first, last):
            places = self._single.get((protocol, port), {})
            for address in addresses:
                places.pop(address, None)
            if not places:
                self._single.pop((protocol, port), None)
        if self._spans:
            self._spans = [left for span in self._spans for left in _cut(span, protocol, addresses, first, last)]

    def _singles(self, protocol: str, first: int, last: int) -> list[int]:
        if first == last:
            return [first]
        return [port for kind, port in self._single if kind == protocol and first <= port <= last]

    def clash(self, protocol: str, addresses: Sequence[str], first: int, count: int = 1) -> Clash | None:
        """The first of the ports that cannot be given out, if there is one."""
        last = first + count - 1
        found: list[Clash] = []
        for port in range(first, last + 1):
            if places := self._single.get((protocol, port)):
                for address in addresses:
                    if (other := meeting(address, places)) is not None:
                        found.append(Clash(address, port, places[other]))
                if found:
                    break
        for span in self._spans:
            if span.protocol == protocol and span.first <= last and first <= span.last:
                met = (a for a in addresses if meeting(a, (span.address,)) is not None)
                found += [Clash(address, max(first, span.first), span.owner) for address in met]
        return min(found, key=lambda clash: clash.port, default=None)


def _cut(span: Span, protocol: str, addresses: Sequence[str], first: int, last: int) -> list[Span]:
    if span.protocol != protocol or span.address not in addresses or span.last < first or last < span.first:
        return [span]
    rest = [span._replace(last=first - 1), span._replace(first=last + 1)]
    return [part for part in rest if part.first <= part.last]


def meeting(address: str, others: Iterable[str]) -> str | None:
    """The first of the others that is the same address, or all of its family, or one of all."""
    every = family_of(address).any
    for other in others:
        if other in (address, every) or (address == every and family_of(other).any == every):
            return other
    return None
