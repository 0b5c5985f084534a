"""Garbage collection by rules: what `policy` plans is done with the means of `rmi`, and what nothing needs is swept.

`plan` touches nothing; `run` makes a plan of its own and does it. Whatever came into use between the two stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carrack.engine.images import policy
from carrack.errors import FULL, NotFound
from carrack.model import times

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.engine.images.delete import Remover, Users
    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.policy import Candidate, Disk, Plan, Rules, Step
    from carrack.engine.images.store import ImageStore
    from carrack.storage.content import ContentStore

log = logging.getLogger(__name__)

Document = dict[str, Any]
Room = Callable[[], "Disk"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The plan that was made or done, the bytes of what nothing needed anyway, and whether it was done."""

    plan: Plan
    swept: int
    done: bool

    def document(self) -> Document:
        """As the API shows it."""
        now = times.now()
        steps = [_shown(step, now) for step in self.plan.steps]
        return {
            "Done": self.done,
            "Steps": steps,
            "Swept": self.swept,
            "SpaceReclaimed": self.swept + sum(step.frees for step in self.plan.steps),
            "Size": self.plan.size,
            "SizeAfter": self.plan.size_after,
            "Notes": list(self.plan.notes),
        }


def _shown(step: Step, now: int) -> Document:
    return {
        "Image": step.image,
        "Names": [name.familiar for name in step.names],
        "Deletes": step.deletes,
        "Reason": step.reason,
        "Reclaims": step.frees,
        "UnusedFor": max(0, now - step.last_used) // 1_000_000_000,
        "Cached": step.cached,
    }


class Keeper:
    """The collector. ``room`` tells of the file system of the data root."""

    def __init__(
        self,
        store: ImageStore,
        layers: LayerStore,
        content: ContentStore,
        remover: Remover,
        users: Users,
        events: Events,
        room: Room,
    ) -> None:
        self._rules = policy.Rules(cache=0)
        self._store = store
        self._layers = layers
        self._content = content
        self._events = events
        self._remover = remover
        self._users = users
        self._room = room
        self._one = asyncio.Lock()

    @property
    def rules(self) -> Rules:
        """Those of the configuration."""
        return self._rules

    @rules.setter
    def rules(self, rules: Rules) -> None:
        self._rules = rules
        self._layers.cache.budget = 0 if rules.discard else rules.cache
        self._layers.discard = rules.discard

    async def note_uses(self) -> None:
        """Write down what is used just now, and what was used since the last time. A disk that is full keeps nobody
        from collecting garbage: then it is written the next time."""
        used = {use.image_id for use in self._users()}
        try:
            await self._store.uses.keep([image.id for image in self._store], used)
        except OSError as error:
            if error.errno not in FULL:
                raise
            log.warning("when images were last used is not written: %s", error)

    def short_of_room(self) -> bool:
        """Whether less is free than the rules want."""
        disk = self._room()
        return disk.free < self.rules.floor(disk.total)

    async def tidy(self) -> None:
        """Give back what is kept of removed images, where room has become scarce or less may be kept, and compressed
        layers where none shall be kept."""
        compressed = self._layers.discard and any(self._layers.blobs(image.diff_ids) for image in self._store)
        if compressed or self._layers.cache.excessive():
            await self._store.collect()

    async def plan(self, rules: Rules) -> Outcome:
        """What `run` would do now."""
        found = await self._store.unneeded()
        blobs = await asyncio.to_thread(self._blob_sizes, found.blob_files)
        swept = self._layers.size(found.layer_rows) + sum(blobs.values())
        return Outcome(await self._plan(rules), swept, False)

    async def run(self, rules: Rules) -> Outcome:
        """Remove what the rules let go, and sweep. One at a time; others wait."""
        async with self._one:
            outcome = await self.plan(rules)
            done = [step for step in outcome.plan.steps if await self._do(step)]
            self._layers.cache.drop(step.image for step in done if step.cached)
            await self._store.collect()
            await self.note_uses()
        freed = outcome.swept + sum(step.frees for step in done)
        if done:
            self._events.publish("image", "prune", "", {"reclaimed": str(freed)})
            log.info("garbage collection: %s images or names removed, %s bytes freed", len(done), freed)
        size_after = outcome.plan.size - sum(step.frees for step in done)
        plan = policy.Plan(tuple(done), outcome.plan.size, size_after, outcome.plan.notes)
        return Outcome(plan, outcome.swept, True)

    async def _plan(self, rules: Rules) -> Plan:
        used = {use.image_id for use in self._users()}
        images = list(self._store)
        sizes = await asyncio.to_thread(self._sizes, images)
        kin = {image.id: self._kin(image) for image in images}
        groups = {each[0].id: each for each in kin.values()}
        candidates = [self._candidate(kin, each, used) for each in groups.values()]
        candidates += [*self._cached(), self._held(sizes)]
        sizes |= {_blob(blob.digest): blob.size for blob in self._layers.cache.blobs}
        return policy.plan(candidates, sizes, rules, self._room(), times.now())

    def _kin(self, image: Image) -> list[Image]:
        """The image with all that it is for other platforms: they come and go together. The first stands for them."""
        return sorted((image, *self._store.siblings(image)), key=lambda each: (not each.references, each.id))

    def _candidate(self, kin: Mapping[str, list[Image]], images: list[Image], used: Collection[str]) -> Candidate:
        first, parent = images[0], images[0].parent
        in_use = any(image.id in used for image in images)
        return policy.Candidate(
            id=first.id,
            names=tuple(name for image in images for name in image.references),
            tagged=max(image.last_tagged or image.created for image in images),
            last_used=times.now() if in_use else max(self._store.uses.last(image.id) for image in images),
            parts=frozenset(part for image in images for part in (*image.diff_ids, *map(_blob, self._blobs(image)))),
            used=in_use,
            parent=kin[parent][0].id if parent in kin else parent,
        )

    def _held(self, sizes: Collection[str]) -> Candidate:
        """What stays when its images go: to remove them frees less by that."""
        return policy.Candidate("", (), 0, times.now(), frozenset(self._store.held.intersection(sizes)), used=True)

    def _cached(self) -> list[Candidate]:
        return [
            policy.Candidate(blob.digest, (), 0, blob.since, frozenset([_blob(blob.digest)]), cached=True)
            for blob in self._layers.cache.blobs
        ]

    def _blobs(self, image: Image) -> list[str]:
        return [*image.documents, *self._layers.blobs(image.diff_ids)]

    def _sizes(self, images: list[Image]) -> dict[str, int]:
        sizes = {diff_id: self._layers.size([diff_id]) for image in images for diff_id in image.diff_ids}
        blobs = self._blob_sizes({blob for image in images for blob in self._blobs(image)})
        return sizes | {_blob(digest): size for digest, size in blobs.items()}

    def _blob_sizes(self, digests: Iterable[str]) -> dict[str, int]:
        return {digest: self._content.size(digest) for digest in digests if self._content.has(digest)}

    async def _do(self, step: Step) -> bool:
        """Whether the image was still as unused as when the plan was made."""
        if step.cached:
            return True
        try:
            images = self._kin(await self._store.resolve(step.image))
        except NotFound:
            return False
        if any(self._store.uses.last(image.id) > step.last_used for image in images):
            return False
        done = False
        for image in images:
            names = image.references if step.deletes else [name for name in image.references if name in step.names]
            if names or (step.deletes and await self._here(image)):
                done = bool(await self._remover.discard(image, names)) or done
        return done

    async def _here(self, image: Image) -> bool:
        """Whether it is still there: those without a name go with the last one that has one."""
        try:
            await self._store.resolve(image.id)
        except NotFound:
            return False
        return True


def _blob(digest: str) -> str:
    """The key of a blob among an image's parts; a layer's is its diff id, which may be the digest of a blob, too."""
    return f"blob {digest}"
