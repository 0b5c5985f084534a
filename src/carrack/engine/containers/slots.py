"""Parked slots: namespaces, cgroups and a cable made ahead of need, so that a start has little left to do.

A slot is taken at start and knows no network. The pool refills itself in the background a moment after it was used,
when nobody is waiting; it keeps no slots once the daemon has been idle for a while. A container that needs other
namespaces than the usual ones gets a slot made on the spot by the same code; one more of its kind is parked then, for
who starts one such container often starts another.

On cgroup v2 no cgroup can be renamed, and a process that is moved to another waits for a grace period of the kernel
(until Linux 6.18). So slots are parked there under names that are container ids to come: who makes a container asks
for such an id, and finds the slot in its place when it is started. A slot whose name was given away is for nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from carrack.errors import CarrackError, Unavailable
from carrack.shim.client import Slot, SlotPlan, Zygote, ZygoteSettings

if TYPE_CHECKING:
    from carrack.engine.jobs import Jobs
    from carrack.engine.userns import Map, Remap
    from carrack.network.endpoint import ParkedVeth
    from carrack.oci.runtime_spec import Spec

log = logging.getLogger(__name__)

REFILL_PAUSE = 0.05
IDLE = 600.0
IDLE_OTHERS = 60.0
#: for how long a slot waits for the container that bears its name
PROMISE = 10.0


class Kind(NamedTuple):
    """What makes parked slots different from each other: the new namespaces, and whether a cable leads in."""

    namespaces: tuple[str, ...]
    cable: bool


class _Shelf:
    """Parked slots of one kind: how many to keep, and until when (a time of the loop)."""

    def __init__(self, size: int, patience: float) -> None:
        self.size = size
        self.until = 0.0
        self.slots: deque[Parked] = deque()
        self._patience = patience

    def touch(self, now: float) -> None:
        self.until = now + self._patience

    def promise(self, now: float) -> str | None:
        """The name of a slot that was promised to nobody."""
        for parked in self.slots:
            if parked.name and not parked.promised and not parked.slot.lost.done():
                parked.promised = now
                return parked.name
        return None

    def take(self, identity: str) -> Parked | None:
        """The slot of that name, else one that was promised to nobody."""
        own = [parked for parked in self.slots if parked.promised and parked.name == identity]
        for parked in own or [parked for parked in self.slots if not parked.promised]:
            self.slots.remove(parked)
            if not parked.slot.lost.done():
                return parked
        return None

    @property
    def full(self) -> bool:
        """Whether there are enough: as many again may be kept for containers that are made and not started yet."""
        promised = sum(1 for parked in self.slots if parked.promised)
        return len(self.slots) - min(promised, self.size) >= self.size

    def forgotten(self, now: float) -> Parked | None:
        """Take out one that was promised too long ago."""
        for parked in self.slots:
            if parked.promised and parked.promised + PROMISE <= now:
                self.slots.remove(parked)
                return parked
        return None


@dataclass(slots=True, eq=False)
class Parked:
    """A slot and, if it has a network of its own, its cable and the resolver's sockets in it, which are open here until
    `let_go`; its name and when it was promised (a time of the loop)."""

    slot: Slot
    veth: ParkedVeth | None
    name: str = ""
    promised: float = 0.0
    names: tuple[int, ...] = ()

    def let_go(self) -> None:
        """Close the sockets here: they are others' by now, or nobody's."""
        while self.names:
            fd, *rest = self.names
            self.names = tuple(rest)
            os.close(fd)


class SlotPool:
    """Makes slots through the zygote, which it starts, watches and starts again.

    ``park`` lays a cable into a slot, ``answer`` gives the resolver's sockets in it. ``usual``: the namespaces of
    parked slots; ``stage``: the part of a spec that is made ahead in them; ``named``: whether slots bear the names of
    containers to come; ``remap``: the map of new user namespaces.
    """

    def __init__(
        self,
        settings: ZygoteSettings,
        park: Callable[[Slot], Awaitable[ParkedVeth]],
        usual: tuple[str, ...],
        size: int,
        jobs: Jobs,
        stage: Spec | None = None,
        *,
        named: bool = False,
        remap: Remap | None = None,
        answer: Callable[[Slot], Awaitable[Sequence[int]]] | None = None,
    ) -> None:
        self._answer = answer
        self._named = named
        self._maps = {"uid_map": remap.uids, "gid_map": remap.gids} if remap is not None else {}
        self._settings = settings
        self._park = park
        self._usual = usual
        self._size = size
        self._jobs = jobs
        self._stage = stage
        self._leaving: dict[str, asyncio.Future[None]] = {}
        self._shelves = {Kind(usual, True): _Shelf(size, IDLE)}
        self._zygote: Zygote | None = None
        self._starting = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._closed = False
        self._refilling: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to refill, which starts the zygote; nobody waits for it who starts no container."""
        self._shelf(Kind(self._usual, True))
        self._refilling = self._jobs.start(self._refill(), "slots: refill")

    async def close(self) -> None:
        """Throw the parked slots away and end the zygote; running containers are untouched."""
        self._closed = True
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.wait({self._refilling})
        for shelf in self._shelves.values():
            await self._clear(shelf)
        if self._zygote is not None:
            await self._zygote.close()

    def identity(self, namespaces: tuple[str, ...], cable: bool) -> str | None:
        """An id for a container that is being made and will want such a slot: the name of one that waits already."""
        shelf = self._shelves.get(Kind(namespaces, cable and "network" in namespaces))
        return shelf.promise(asyncio.get_running_loop().time()) if shelf is not None else None

    async def take(
        self,
        namespaces: tuple[str, ...],
        join: Mapping[str, int],
        cgroup_parent: str,
        cable: bool = True,
        *,
        identity: str = "",
    ) -> Parked:
        """A slot with these new namespaces, having joined those of ``join`` (type to descriptor).

        ``cable`` wants a veth pair in its network namespace, if it has one of its own; ``identity`` is the container's.
        """
        cable = cable and "network" in namespaces
        if identity in self._leaving:  # nothing of it may be left in the container's cgroup
            await asyncio.wait([self._leaving[identity]])
        if not join and cgroup_parent == self._settings.cgroup_parent:
            parked = self._shelf(Kind(namespaces, cable)).take(identity)
            if parked is not None:
                return parked
        return await self._make(namespaces, join, cgroup_parent, cable)

    async def answer(self, parked: Parked) -> None:
        """Give a slot without a cable the resolver's sockets: its container is on networks that lay their own."""
        if not parked.names and self._answer is not None:
            parked.names = tuple(await self._answer(parked.slot))

    def _shelf(self, kind: Kind) -> _Shelf:
        """The shelf of a kind, which will be filled now that the kind is asked for."""
        shelf = self._shelves.setdefault(kind, _Shelf(min(self._size, 1), IDLE_OTHERS))
        shelf.touch(asyncio.get_running_loop().time())
        self._wanted.set()
        return shelf

    async def _make(
        self, namespaces: tuple[str, ...], join: Mapping[str, int], cgroup_parent: str, cable: bool, name: str = ""
    ) -> Parked:
        zygote = await self._alive()
        stage = self._stage if namespaces == self._usual and not join else None
        maps = self._maps if "user" in namespaces else {}
        plan = SlotPlan(namespaces=namespaces, join=join, cgroup_parent=cgroup_parent, stage=stage, name=name, **maps)
        slot = await zygote.slot(plan)
        try:
            veth = await self._park(slot) if cable else None
            names = await self._answer(slot) if cable and self._answer is not None else ()
        except BaseException:
            await asyncio.shield(slot.discard())
            raise
        return Parked(slot, veth, name, names=tuple(names))

    async def user_namespace(self, uid_map: Map, gid_map: Map) -> int:
        """See Zygote."""
        return await (await self._alive()).user_namespace(uid_map, gid_map)

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
                async with asyncio.timeout_at(min((s.until for s in self._shelves.values() if s.slots), default=None)):
                    await self._wanted.wait()
            except TimeoutError:
                await self._clear_idle()
                continue
            self._wanted.clear()
            await asyncio.sleep(REFILL_PAUSE)
            for kind, shelf in list(self._shelves.items()):
                await self._fill(kind, shelf)

    async def _fill(self, kind: Kind, shelf: _Shelf) -> None:
        loop = asyncio.get_running_loop()
        while parked := shelf.forgotten(loop.time()):
            await self._discard(parked)
        while not shelf.full and loop.time() < shelf.until and not self._closed:
            name = secrets.token_hex(32) if self._named else ""
            try:
                made = await self._make(kind.namespaces, {}, self._settings.cgroup_parent, kind.cable, name)
                shelf.slots.append(made)
            except (OSError, CarrackError) as error:
                log.warning("cannot park a slot: %s", error)
                break

    async def _clear_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        for shelf in self._shelves.values():
            if shelf.until <= now:
                await self._clear(shelf)

    async def _clear(self, shelf: _Shelf) -> None:
        parked = list(shelf.slots)
        shelf.slots.clear()
        await asyncio.gather(*(self._discard(each) for each in parked))

    async def _discard(self, parked: Parked) -> None:
        gone = asyncio.get_running_loop().create_future()
        if parked.name:
            self._leaving[parked.name] = gone
        parked.let_go()
        try:
            await parked.slot.discard()
        finally:
            self._leaving.pop(parked.name, None)
            gone.set_result(None)
