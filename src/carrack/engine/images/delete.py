"""Removing images: one by name or id, or all that are unused; Docker's rules, answers and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from carrack.engine.images import filters as filtering
from carrack.engine.images.image import Image, chain_ids
from carrack.engine.images.variants import has_name, has_tag, named_indexes
from carrack.engine.whole import whole
from carrack.errors import Conflict, NotFound
from carrack.oci import digest as digests
from carrack.oci import reference

if TYPE_CHECKING:
    from carrack.engine.events import Events
    from carrack.engine.images.store import ImageStore
    from carrack.oci.platform import Platform
    from carrack.oci.reference import Reference

Answer = dict[str, str]


@dataclass(frozen=True, slots=True)
class Use:
    """A container that was made from an image."""

    container_id: str
    image_id: str
    running: bool


Users = Callable[[], Iterable[Use]]


class _Refusal(Conflict):
    """An image that cannot go; `used` when something needs it whatever its names."""

    def __init__(self, image: Image, reason: str, *, hard: bool, used: bool) -> None:
        force = "cannot be forced" if hard else "must be forced"
        super().__init__(f"conflict: unable to delete {digests.short(image.id)} ({force}) - {reason}")
        self.used = used


class Remover:
    """Removes images. `users` tells every container and the image it was made from."""

    def __init__(self, store: ImageStore, users: Users, events: Events) -> None:
        self._store = store
        self._users = users
        self._events = events

    async def remove(
        self, text: str, *, force: bool = False, prune: bool = True, platforms: Sequence[Platform] = ()
    ) -> list[Answer]:
        """Untag, and delete when that was the last name; returns what was done, in Docker's words.

        With `prune` untagged images it was made from go too. With `platforms` only these of a multi-platform image
        go, and its names stay with the rest. Raises NotFound, InvalidArgument, Conflict.
        """
        image = await self._store.resolve(text)
        chosen = {found.id: found for found in [await self._store.resolve(text, each) for each in platforms]}
        siblings = self._store.siblings(image)
        try:
            if chosen and len(chosen) <= len(siblings):
                return [answer for each in chosen for answer in await self._remove_variant(each, force, prune)]
            answers = await self._remove(image, text, force, prune)
            for sibling in siblings:
                answers += await self._remove_nameless(sibling, force, prune)
            return answers
        finally:
            await whole(self._store.collect(feed=True))

    async def _remove_variant(self, identity: str, force: bool, prune: bool) -> list[Answer]:
        """Delete one platform's image; its names go over to what is left."""
        image = await self._store.resolve(identity)
        self._refuse_if_needed(image, force=force, names_count=False)
        heir = self._store.siblings(image)[0]
        for name in image.references:
            await self._store.tag(heir, name)
        answers: list[Answer] = []
        await self._delete(await self._store.resolve(identity), answers, force=force, prune=prune, quiet=False)
        return answers

    async def _remove_nameless(self, image: Image, force: bool, prune: bool) -> list[Answer]:
        """A platform of an image that has lost its last name goes with it, unless something needs it."""
        if has_name(image, named_indexes(self._store)):
            return []
        answers: list[Answer] = []
        with suppress(Conflict, NotFound):
            await self._delete(image, answers, force=force, prune=prune, quiet=False)
        return answers

    async def prune(self, filters: filtering.Filters) -> tuple[list[Answer], int]:
        """Delete the images that no container uses; untagged ones only unless `dangling=false`.

        Returns what was done and the bytes of the layers that went. Raises InvalidArgument on a bad filter.
        """
        dangling_only = filtering.flag(filters, "dangling", True)
        rest = {key: values for key, values in filters.items() if key != "dangling"}
        named = named_indexes(self._store)
        tests = await filtering.tests(rest, filtering.PRUNE, self._store.resolve, named)
        used = {use.image_id for use in self._users()}
        answers: list[Answer] = []
        for image in self._store:
            unwanted = not has_tag(image, named) or not dangling_only
            kin = {image.id, *(sibling.id for sibling in self._store.siblings(image))}
            if kin & used or not unwanted or self._store.children(image.id):
                continue
            if not all(test(image) for test in tests):
                continue
            answers += await self.discard(image, image.references)
        freed = await self._store.collect(empty=not dangling_only)
        self._events.publish("image", "prune", "", {"reclaimed": str(freed)})
        return answers, freed

    async def discard(self, image: Image, names: Iterable[Reference]) -> list[Answer]:
        """Take these names from an unused image, which goes with its last one, as one without names does at once.

        One that has come into use meanwhile stays. What it alone needed goes with the store's next collect().
        """
        answers: list[Answer] = []
        try:
            for name in names:
                if self._store.named(name) is not None:  # one by digest goes with the last tag of its repository
                    answers += await self._remove(await self._store.resolve(name.familiar), name.familiar, False, True)
            if not image.references:
                answers += await self._remove(image, image.id, False, True)
        except Conflict:
            pass
        return answers

    async def _remove(self, image: Image, text: str, force: bool, prune: bool) -> list[Answer]:
        answers: list[Answer] = []
        if _is_id(image.id, text):
            if _is_single(image.references):
                self._refuse_if_needed(image, force=force, names_count=False)
                await self._untag_all(image, answers)
        else:
            if not force and _is_single(image.references):
                self._refuse_if_only_name(image, text)
            image = await self._untag(image, reference.parse(text).with_default_tag(), answers)
            if image.references:
                return answers
            await self._delete(image, answers, force=force, prune=prune, quiet=True)
            return answers
        await self._delete(await self._store.resolve(image.id), answers, force=force, prune=prune, quiet=False)
        return answers

    async def _untag(self, image: Image, name: Reference, answers: list[Answer]) -> Image:
        """Take a name; with the last tag of a repository go the names by digest that it left there."""
        name = name.only(digest=name.digest) if name.digest else name
        await self._store.untag(name)
        answers.append({"Untagged": name.familiar})
        self._store.publish("untag", image, image.id)
        image = await self._store.resolve(image.id)
        if name.digest or any(other.tag for other in image.references if other.name == name.name):
            return image
        for other in image.references:
            if other.name == name.name:
                await self._store.untag(other)
                answers.append({"Untagged": other.familiar})
        return await self._store.resolve(image.id)

    async def _delete(self, image: Image, answers: list[Answer], *, force: bool, prune: bool, quiet: bool) -> None:
        try:
            self._refuse_if_needed(image, force=force)
        except _Refusal as refusal:
            # After an untag it is no failure that the image itself has to stay.
            if quiet and (image.references or refusal.used):
                return
            raise
        await self._untag_all(image, answers)
        gone = self._chains_that_go(image)
        await self._store.remove(image)
        self._store.publish("delete", image, image.id)
        answers.append({"Deleted": image.id})
        answers.extend({"Deleted": chain} for chain in gone)
        parent = next((other for other in self._store if other.id == image.parent), None)
        if prune and parent is not None and not parent.references:
            await self._delete(parent, answers, force=False, prune=True, quiet=True)

    async def _untag_all(self, image: Image, answers: list[Answer]) -> None:
        for name in image.references:
            await self._store.untag(name)
            answers.append({"Untagged": name.familiar})
            self._store.publish("untag", image, image.id)

    def _refuse_if_only_name(self, image: Image, text: str) -> None:
        for use in self._users():
            if use.image_id == image.id:
                raise Conflict(
                    f'conflict: unable to remove repository reference "{text}" (must force) - container '
                    f"{use.container_id[:12]} is using its referenced image {digests.short(image.id)}"
                )

    def _refuse_if_needed(self, image: Image, *, force: bool, names_count: bool = True) -> None:
        if self._store.children(image.id):
            raise _Refusal(image, "image has dependent child images", hard=True, used=True)
        uses = [use for use in self._users() if use.image_id == image.id]
        for use in uses:
            if use.running:
                reason = f"image is being used by running container {use.container_id[:12]}"
                raise _Refusal(image, reason, hard=True, used=True)
        if force:
            return
        if names_count and image.references:
            raise _Refusal(image, "image is referenced in multiple repositories", hard=False, used=False)
        for use in uses:
            reason = f"image is being used by stopped container {use.container_id[:12]}"
            raise _Refusal(image, reason, hard=False, used=True)

    def _chains_that_go(self, image: Image) -> list[str]:
        """The chain ids, top first, that no other image is built on."""
        kept = {chain for other in self._store if other.id != image.id for chain in chain_ids(other.diff_ids)}
        return [chain for chain in reversed(chain_ids(image.diff_ids)) if chain not in kept]


def _is_single(references: Sequence[Reference]) -> bool:
    """Whether an image's names are one, counting a tag and what it left by digest in its repository as one."""
    tags = [name for name in references if name.tag]
    return len(tags) <= 1 and len({name.name for name in references}) <= 1


def _is_id(identity: str, text: str) -> bool:
    """Whether `text` was typed as an id or the beginning of one, not as a name."""
    plain = text.removeprefix("sha256:")
    return digests.is_hex(plain) and digests.encoded(identity).startswith(plain)
