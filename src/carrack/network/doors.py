"""Ports of containers that are open to single neighbours, on bridges that keep their containers apart: links."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from carrack.errors import NotSupported
from carrack.network import sysctl
from carrack.network.bridge import can_filter
from carrack.network.mappings import Passage

if TYPE_CHECKING:
    from carrack.network.firewall import Firewall


class DoorBook:
    """The passages of each container that has some. Pure."""

    def __init__(self) -> None:
        self._all: dict[str, tuple[Passage, ...]] = {}

    def of(self, container_id: str) -> tuple[Passage, ...]:
        """Those of one container."""
        return self._all.get(container_id, ())

    def every(self) -> list[Passage]:
        """Those of all."""
        return [passage for passages in self._all.values() for passage in passages]

    def keep(self, container_id: str, passages: Iterable[Passage]) -> tuple[Passage, ...]:
        """Write down what a container has from now on; each once, in order."""
        wanted = tuple(sorted(set(passages)))
        self._all.pop(container_id, None)
        if wanted:
            self._all[container_id] = wanted
        return wanted

    def without(self, addresses: Collection[str]) -> list[tuple[str, tuple[Passage, ...]]]:
        """Who loses some when these addresses are nobody's any more, and what he keeps."""
        found = []
        for key, passages in self._all.items():
            left = tuple(p for p in passages if p.source not in addresses and p.address not in addresses)
            if left != passages:
                found.append((key, left))
        return found


class Doors:
    """``run`` does the work with the firewall, where all kernel work of the networks is done."""

    def __init__(
        self, run: Callable[[Callable[[Firewall], None]], Awaitable[None]], sys_root: str = sysctl.PROC_SYS
    ) -> None:
        self._run = run
        self._sys_root = sys_root

    async def let_through(self, container_id: str, passages: Sequence[Passage]) -> None:
        """Open these ports of neighbours to a container, and none but these; they are closed with either's end.

        NotSupported where only the bridge's own ports can keep containers apart, for these make no exceptions.
        """
        if passages and not can_filter(self._sys_root):
            told = "this kernel lacks br_netfilter, so that containers on a network with icc off cannot have links"
            raise NotSupported(f"{told}: load it, or put them on a network of their own")
        await self._run(lambda firewall: firewall.let_through(container_id, passages))
