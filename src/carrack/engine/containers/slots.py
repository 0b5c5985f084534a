"""Parked slots: namespaces, cgroups and a cable made ahead of need, so that a start has little left to do.

A slot is taken at start and knows no network. The pool refills itself in the background a moment after it was used,
when nobody is waiting; it keeps no slots once the daemon has been idle for a while. A container that needs other
namespaces than the usual ones gets a slot made on the spot by the same code.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.errors import CarrackError, Unavailable
from carrack.shim.client import Slot, SlotPlan, Zygote, ZygoteSettings

if TYPE_CHECKING:
    from carrack.engine.jobs import Jobs
    from carrack.network.endpoint import ParkedVeth
    from carrack.oci.runtime_spec import Spec

log = logging.getLogger(__name__)

REFILL_PAUSE = 0.05
IDLE = 600.0


@dataclass(frozen=True, slots=True)
class Parked:
    """A slot and its cable, if it has a network of its own."""

    slot: Slot
    veth: ParkedVeth | None


class SlotPool:
    """Makes slots through the zygote, which it starts, watches and starts again.

    ``usual``: the namespaces of parked slots; ``stage``: the part of a spec that is made ahead in them.
    """

    def __init__(
        self,
        settings: ZygoteSettings,
        park: Callable[[Slot], Awaitable[ParkedVeth]],
        usual: tuple[str, ...],
        size: int,
        jobs: Jobs,
        stage: Spec | None = None,
    ) -> None:
        self._settings = settings
        self._park = park
        self._usual = usual
        self._size = size
        self._jobs = jobs
        self._stage = stage
        self._parked: deque[Parked] = deque()
        self._zygote: Zygote | None = None
        self._starting = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._closed = False
        self._refilling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start the zygote and the refilling."""
        await self._alive()
        self._wanted.set()
        self._refilling = self._jobs.start(self._refill(), "slots: refill")

    async def close(self) -> None:
        """Throw the parked slots away and end the zygote; running containers are untouched."""
        self._closed = True
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.wait({self._refilling})
        while self._parked:
            await self._parked.popleft().slot.discard()
        if self._zygote is not None:
            await self._zygote.close()

    async def take(
        self, namespaces: tuple[str, ...], join: Mapping[str, int], cgroup_parent: str, cable: bool = True
    ) -> Parked:
        """A slot with these new namespaces, having joined those of ``join`` (type to descriptor).

        ``cable`` wants a veth pair in its network namespace, if it has one of its own.
        """
        if cable and not join and namespaces == self._usual and cgroup_parent == self._settings.cgroup_parent:
            self._wanted.set()
            while self._parked:
                parked = self._parked.popleft()
                if not parked.slot.lost.done():
                    return parked
        return await self._make(namespaces, join, cgroup_parent, cable and "network" in namespaces)

    async def _make(
        self, namespaces: tuple[str, ...], join: Mapping[str, int], cgroup_parent: str, cable: bool
    ) -> Parked:
        zygote = await self._alive()
        stage = self._stage if namespaces == self._usual and not join else None
        plan = SlotPlan(namespaces=namespaces, join=join, cgroup_parent=cgroup_parent, stage=stage)
        slot = await zygote.slot(plan)
        try:
            veth = await self._park(slot) if cable else None
        except BaseException:
            await asyncio.shield(slot.discard())
            raise
        return Parked(slot, veth)

    async def _alive(self) -> Zygote:
        async with self._starting:
            if self._closed:
                raise Unavailable("the daemon is stopping")
            if self._zygote is None or self._zygote.exited.done():
                if self._zygote is not None:
                    log.warning("the zygote (pid %d) has ended; starting another", self._zygote.pid)
                self._zygote = await Zygote.start(self._settings)
            return self._zygote

    async def _refill(self) -> None:
        while not self._closed:
            try:
                async with asyncio.timeout(IDLE):
                    await self._wanted.wait()
            except TimeoutError:
                while self._parked:
                    await self._parked.popleft().slot.discard()
                await self._wanted.wait()
            self._wanted.clear()
            await asyncio.sleep(REFILL_PAUSE)
            while len(self._parked) < self._size and not self._closed:
                try:
                    self._parked.append(await self._make(self._usual, {}, self._settings.cgroup_parent, True))
                except (OSError, CarrackError) as error:
                    log.warning("cannot park a slot: %s", error)
                    break
