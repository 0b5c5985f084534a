"""Whether images are still what they were: every blob and layer that one needs is read again and hashed.

What is damaged is, when mending is wanted, put into quarantine, where nothing looks for it any more; a layer is then
made again of the blob that it came as, or of its own tar where only what was made around that is damaged. Nothing is
done under somebody's hands: what is looked at is held, and containers that run go on with what they have mounted.

::

    <data root>/quarantine/<hex>-<random>       a damaged blob, or layer
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, ExitStack, aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from carrack.engine.whole import whole
from carrack.errors import CarrackError
from carrack.oci import digest as digests
from carrack.oci import image_config

if TYPE_CHECKING:
    from pathlib import Path

    from carrack.engine.images.image import Image
    from carrack.engine.images.layers import LayerStore
    from carrack.engine.images.store import ImageStore
    from carrack.storage.content import ContentStore, Ingest
    from carrack.storage.gc import Garbage
    from carrack.storage.judge import Verdict

log = logging.getLogger(__name__)

PROBLEM, GARBAGE, NOTE = "problem", "garbage", "note"

PAUSE = 0.5
"""Seconds after which what looked as if nobody needed it is looked at again."""

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. ``mended``: what was done about it, "" for nothing."""

    level: str
    check: str
    subject: str
    text: str
    mended: str = ""

    def document(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "Level": self.level,
            "Check": self.check,
            "Subject": self.subject,
            "Text": self.text,
            "Mended": self.mended,
        }


@dataclass(slots=True)
class How:
    """``mend``: whether to do something about it; ``read``: whether to read everything. ``seen`` counts bytes read."""

    mend: bool = False
    read: bool = True
    seen: int = 0


class Files(Protocol):
    """What is needed of a snapshotter."""

    def has_layer(self, diff_id: str) -> bool: ...
    def open_tar(self, diff_id: str) -> BinaryIO | None: ...
    def set_aside(self, diff_id: str, target: Path) -> None: ...


class Judge(Protocol):
    """Who reads things again: see carrack.storage.judges."""

    async def blob(self, digest: str) -> Verdict: ...
    async def layer(self, diff_id: str) -> Verdict: ...


class ImageChecks:
    """``judging`` gives one who reads things again."""

    def __init__(
        self,
        store: ImageStore,
        layers: LayerStore,
        content: ContentStore,
        files: Files,
        judging: Callable[[], AbstractAsyncContextManager[Judge]],
    ) -> None:
        self._store = store
        self._layers = layers
        self._content = content
        self._files = files
        self._judging = judging

    async def run(self, how: How) -> AsyncGenerator[Finding, None]:
        """All of it: blobs first, so that layers are made again of those that are whole."""
        async with self._judging() as judge:
            for check in (self._blobs(how, judge), self._all_layers(how, judge), self._garbage(how)):
                async with aclosing(check):
                    async for finding in check:
                        yield finding

    async def _blobs(self, how: How, judge: Judge) -> AsyncGenerator[Finding, None]:
        for digest in sorted({digest for image in self._store for digest in self._blobs_of(image)}):
            async with self._layers.hold([digest]):
                users = self._users(partial(self._has_blob, digest))  # none: removed meanwhile
                wrong = await self._blob_damage(digest, how, judge) if users else ""
                if not wrong:
                    continue
                text = f"the blob {digest} of {users} {wrong}: {self._loss(digest)}"
                mended = ""
                if how.mend and self._content.has(digest):
                    await asyncio.to_thread(os.rename, self._content.path(digest), self._quarantine(digest))
                    mended = "put into quarantine"
                yield Finding(PROBLEM, "content", digest, text, mended)

    async def _all_layers(self, how: How, judge: Judge) -> AsyncGenerator[Finding, None]:
        needed = {diff_id for image in self._store for diff_id in image.diff_ids} | self._store.held
        for diff_id in sorted(needed):
            async with self._layers.hold([diff_id]):
                users = self._users(partial(_has_layer, diff_id))
                if not users and diff_id in self._store.held:
                    users = "a container of a removed image, or of the build cache"
                wrong = await self._layer_damage(diff_id, how, judge) if users else ""
                if wrong:
                    yield await self._layer(diff_id, users, wrong, how)

    async def _layer(self, diff_id: str, users: str, wrong: str, how: How) -> Finding:
        text = f"the layer {diff_id} of {users} {wrong}"
        mended = await whole(self._mend(diff_id)) if how.mend else ""
        if how.mend and "made again" not in mended:
            text += "; it cannot be made again here: remove what needs it, and pull, load or build it again"
        return Finding(PROBLEM, "layers", diff_id, text, mended)

    async def _garbage(self, how: How) -> AsyncGenerator[Finding, None]:
        found = _told(await self._store.unneeded())
        if found:
            await asyncio.sleep(PAUSE)
            found &= _told(await self._store.unneeded())  # else it was just being removed
        if how.mend and found:
            await self._store.collect()
        for subject, text in sorted(found):
            yield Finding(GARBAGE, "content", subject, text, "removed" if how.mend else "")

    async def _mend(self, diff_id: str) -> str:
        """Put the layer aside and make it again; what was done, in words."""
        done = []
        with ExitStack() as held:
            source, spool = await asyncio.to_thread(self._rescue, diff_id, held)
            if self._files.has_layer(diff_id):
                await asyncio.to_thread(self._files.set_aside, diff_id, self._quarantine(diff_id))
                done.append("put into quarantine")
            try:
                if spool is not None:
                    await self._layers.ensure(diff_id, spool)
                    done.append(f"made again of {source}")
            except (OSError, CarrackError) as error:
                log.warning("layer %s could not be made again: %s", diff_id, error)
        return ", ".join(done)

    def _rescue(self, diff_id: str, held: ExitStack) -> tuple[str, Ingest | None]:
        """What a layer can be made again of, and its bytes: the blob that it came as, or its own tar, where that is
        whole. Blocks."""
        for digest in (*self._layers.blobs([diff_id]), diff_id):
            try:
                file = self._files.open_tar(diff_id) if digest == diff_id else self._content.open(digest)
                if file is None:
                    continue
                spool = held.enter_context(self._content.ingest(self._layers.room if digest == diff_id else 0))
                with file:
                    while piece := file.read(_PIECE):
                        spool.write(piece)
                if spool.finish().digest == digest:
                    return "its own tar" if digest == diff_id else digest, spool
                spool.discard()
            except (OSError, CarrackError) as error:
                log.debug("layer %s cannot be made again of %s: %s", diff_id, digest, error)
        return "", None

    def _users(self, needs: Callable[[Image], bool]) -> str:
        """The images that need a thing, in words, "" for none."""
        found = sorted({called(self._store, image).partition(", ")[0] for image in self._store if needs(image)})
        return f"image {found[0]}" if len(found) == 1 else f"images {', '.join(found)}" if found else ""

    def _blobs_of(self, image: Image) -> tuple[str, ...]:
        return (*image.documents, *self._layers.blobs(image.diff_ids))

    def _has_blob(self, digest: str, image: Image) -> bool:
        return digest in self._blobs_of(image)

    def _loss(self, digest: str) -> str:
        config = any(image.id == digest for image in self._store)
        loss = "the image is lost" if config else "it cannot be pushed or saved as it came"
        return f"{loss}; remove it, and pull or load it again"

    async def _blob_damage(self, digest: str, how: How, judge: Judge) -> str:
        if not self._content.has(digest):
            return "is missing"
        if not how.read:
            return ""
        verdict = await judge.blob(digest)
        how.seen += verdict.size
        return verdict.wrong

    async def _layer_damage(self, diff_id: str, how: How, judge: Judge) -> str:
        if not self._layers.has(diff_id):
            return "is missing"
        if not how.read:
            return ""
        verdict = await judge.layer(diff_id)
        how.seen += self._layers.size([diff_id])
        return verdict.wrong

    def _quarantine(self, digest: str) -> Path:
        folder = self._content.root / "quarantine"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{digests.encoded(digest)}-{secrets.token_hex(4)}"


def called(store: ImageStore, image: Image) -> str:
    """What to call an image: its names; those of the image that it is a further platform of; else its short id."""
    if names := image.tags or image.repo_digests:
        return ", ".join(names)
    for other in store.siblings(image):
        if names := other.tags or other.repo_digests:
            return f"{names[0]} ({image_config.platform_of(image.config)})"
    return digests.short(image.id)


def _has_layer(diff_id: str, image: Image) -> bool:
    return diff_id in image.diff_ids


def _told(found: Garbage) -> set[tuple[str, str]]:
    """What nothing needs: subject and text. A thing with a row and a file is told once."""
    layers = {(diff_id, f"nothing needs the layer {diff_id}") for diff_id in found.layer_rows | found.layer_files}
    return layers | {(digest, f"nothing needs the blob {digest}") for digest in found.blob_rows | found.blob_files}
