"""Layers from registries: each comes once however many pulls want it at once, and goes on where the last try ended.

What comes is stored by a worker as it comes; what has come of a blob stays on disk, whatever happens, and is asked for
no more. A blob that is here already, because the image it came with was removed, is not asked for at all.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from carrack.engine.whole import whole
from carrack.errors import Conflict, InvalidArgument
from carrack.oci import digest as digests
from carrack.registry.failures import Interrupted, Untrue
from carrack.storage.apply import Expected
from carrack.storage.content import Blob
from carrack.storage.feed import receive
from carrack.storage.partial import received

if TYPE_CHECKING:
    from carrack.engine.images.board import Board
    from carrack.engine.images.layers import LayerStore, Made
    from carrack.oci.descriptor import Descriptor
    from carrack.storage.apply import Applied
    from carrack.storage.content import ContentStore
    from carrack.storage.feed import Write
    from carrack.storage.jobs import Workers

log = logging.getLogger(__name__)

_PROGRESS = 64 << 10  # bytes that a connection must bring to count for something
_PAUSE = 1.0  # seconds before the second of two tries that both brought hardly anything; then twice as many, and so on

_DOWNLOADING, _EXTRACTING = "Downloading", "Extracting"


@dataclass(slots=True)
class _Coming:
    """A layer on its way: the boards of those who wait for it, each with the layer's name there, and who gave it."""

    stage: str = ""
    boards: list[tuple[Board, str]] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)

    def enter(self, stage: str) -> None:
        self.stage = stage
        for board, name in self.boards:
            board.stage(stage, name)

    def count(self, stage: str, current: int, total: int) -> None:
        self.stage = stage
        for board, name in self.boards:
            board.count(stage, name, current, total)


class Named(Protocol):
    """How people and slots know where something comes from."""

    @property
    def domain(self) -> str: ...
    @property
    def familiar_name(self) -> str: ...


class Source(Protocol):
    """Where layers come from: a registry's repository, or a folder of a client's."""

    @property
    def name(self) -> Named: ...

    def blob(self, descriptor: Descriptor, offset: int = 0) -> AbstractAsyncContextManager[Any]:
        """The bytes of a blob from there on, as BlobStream of carrack.registry.blobs has them."""
        ...

    def avoid(self, digest: str, host: str) -> bool:
        """Ask this host for the blob only when nobody else has it; False when there is nobody else."""
        ...


class Transfers:
    """`attempts`: how often a connection may break with nothing coming before a layer is given up."""

    def __init__(self, layers: LayerStore, content: ContentStore, workers: Workers, *, attempts: int = 5) -> None:
        self._layers = layers
        self._content = content
        self._workers = workers
        self._attempts = attempts
        self._at_once = 3
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._coming: dict[str, _Coming] = {}

    def allow(self, at_once: int) -> None:
        """So many layers come from a registry at a time from now on."""
        self._at_once = at_once
        self._slots = {}

    async def warm(self) -> None:
        """Have a worker ready, as it is to be needed soon."""
        await self._workers.warm()

    async def fetch(self, repository: Source, blob: Descriptor, diff_id: str, board: Board) -> None:
        """Have the layer `diff_id`, which travels as `blob`; the caller holds both.

        Raises what the registry's client raises, and InvalidArgument when what comes is not that layer.
        """
        name = digests.short(blob.digest)
        coming = self._coming.setdefault(diff_id, _Coming())
        coming.boards.append((board, name))
        if coming.stage:
            board.stage(coming.stage, name)
        try:
            await self._layers.once(diff_id, partial(self._make, repository, blob, diff_id, coming))
        finally:
            coming.boards.remove((board, name))
            if not coming.boards:
                self._coming.pop(diff_id, None)

    async def _make(self, repository: Source, blob: Descriptor, diff_id: str, coming: _Coming) -> Made:
        # A registry that trickles, on purpose or not, holds up what comes from itself alone.
        slots = self._slots.setdefault(repository.name.domain, asyncio.Semaphore(self._at_once))
        if slots.locked():
            coming.enter("Waiting")
        async with slots:
            applied = await self._from_cache(blob, diff_id, coming) or await self._get(
                repository, blob, diff_id, coming
            )
            kept = await asyncio.to_thread(self._content.has, blob.digest)
            return applied.tar_size, Blob(blob.digest, blob.size) if kept else None

    async def _from_cache(self, blob: Descriptor, diff_id: str, coming: _Coming) -> Applied | None:
        try:
            file = await asyncio.to_thread(self._content.open, blob.digest)
        except FileNotFoundError:
            return None
        with file:
            coming.enter("Download complete")
            coming.count(_EXTRACTING, 0, blob.size)
            try:
                return await self._workers.apply(file.fileno(), _expected(blob, diff_id))
            except InvalidArgument as error:
                # A manifest may name any blob that is here, another image's too, with a wrong size or diff id.
                if await asyncio.to_thread(_is_whole, self._content, blob.digest):
                    raise InvalidArgument(f"layer {digests.short(blob.digest)}: {error}") from error
                log.warning("blob %s as kept here is not what it was (%s): it is fetched again", blob.digest, error)
        await whole(asyncio.to_thread(self._content.delete, blob.digest))
        return None

    async def _get(self, repository: Source, blob: Descriptor, diff_id: str, coming: _Coming) -> Applied:
        have = await asyncio.to_thread(received, self._content.root, blob.digest)
        have = have if have <= blob.size else 0
        again = False
        while True:
            coming.sources = []
            try:
                return await self._receive(repository, blob, diff_id, coming, have)
            except Conflict:  # what had come was swept away meanwhile
                if again or not have:
                    raise
                again = True
            except InvalidArgument as error:
                if not again and (have or len(set(coming.sources)) > 1):
                    again = True  # nobody knows whose fault it was
                    log.warning("%s; it was not from one hand: all of it is fetched again", error)
                elif not self._elsewhere(repository, blob, coming):
                    raise
                else:
                    log.warning("%s; another place is asked for it", error)
            have = 0

    async def _receive(self, repository: Source, blob: Descriptor, diff_id: str, coming: _Coming, have: int) -> Applied:
        async def fill(write: Write) -> None:
            await self._fill(repository, blob, coming, have, write)
            coming.enter("Verifying Checksum")
            coming.enter("Download complete")
            coming.count(_EXTRACTING, blob.size, blob.size)

        try:
            return await receive(self._workers, _expected(blob, diff_id), have, fill)
        except InvalidArgument as error:
            source = f" from {coming.sources[-1]}" if coming.sources else ""
            text = f"layer {digests.short(blob.digest)} of {repository.name.familiar_name}{source}: {error}"
            raise InvalidArgument(text) from error

    async def _fill(self, repository: Source, blob: Descriptor, coming: _Coming, have: int, write: Write) -> None:
        """Write the blob from byte `have` on, over as many connections as it takes, and from as many places."""
        failures = 0
        while have < blob.size:
            before = have
            try:
                async with repository.blob(blob, have) as stream:
                    coming.sources.append(stream.source)
                    surplus = have - stream.offset
                    async for piece in stream:
                        if surplus:
                            piece, surplus = piece[surplus:], max(0, surplus - len(piece))
                        if piece:
                            await write(piece)
                            have += len(piece)
                            coming.count(_DOWNLOADING, have, blob.size)
            except (Interrupted, Untrue) as error:
                failures = 0 if have - before >= _PROGRESS else failures + 1
                if failures >= self._attempts:
                    raise
                if isinstance(error, Untrue) and not self._elsewhere(repository, blob, coming):
                    raise
                log.info("%s; going on at byte %d", error, have)
                if failures:
                    await asyncio.sleep(_PAUSE * 2 ** (failures - 1))

    @staticmethod
    def _elsewhere(repository: Source, blob: Descriptor, coming: _Coming) -> bool:
        """Whether the blob is to be had of another than whoever gave the last of it."""
        return bool(coming.sources) and repository.avoid(blob.digest, coming.sources[-1])


def _is_whole(content: ContentStore, digest: str) -> bool:
    """Whether a blob's bytes are still those of its name."""
    with open(content.path(digest), "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == digest


def _expected(blob: Descriptor, diff_id: str) -> Expected:
    return Expected(blob.digest, diff_id, blob.size)
