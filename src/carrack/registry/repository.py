"""One repository at its registry and its mirrors: manifests, blobs, uploads, tags, referrers.

Source: OCI distribution specification 1.1. Every answer is a stranger's: sizes and digests are checked here as far as
they can be before the content is, and the digest of a blob by whoever takes it in.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

from carrack.errors import CarrackError, InvalidArgument, NotFound, Unavailable
from carrack.oci import descriptor as descriptors
from carrack.oci import digest as digests
from carrack.oci import document
from carrack.oci import manifest as manifests
from carrack.oci import media_types as types
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index
from carrack.oci.reference import Reference
from carrack.registry import failures, limits, origin, paging, uploads
from carrack.registry.blobs import BlobStream, stream
from carrack.registry.exchange import Answer
from carrack.registry.failures import Untrue
from carrack.registry.limits import RateLimits
from carrack.registry.places import Place
from carrack.registry.session import Session

ALL = (
    types.OCI_INDEX, types.DOCKER_INDEX, types.OCI_MANIFEST, types.DOCKER_MANIFEST,
    types.DOCKER_SCHEMA_1_SIGNED, types.DOCKER_SCHEMA_1,
)  # fmt: skip
"""What is asked for by default. Schema 1 is among it only to be recognised, and refused with a reason."""

log = logging.getLogger(__name__)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest or an index as it came: `descriptor` is of `data`; `source` is the host that answered."""

    descriptor: Descriptor
    data: bytes
    source: str
    limits: RateLimits | None = None


class Repository:
    """The repository that `name` lies in. Of its places each is asked in turn until one has what is wanted."""

    def __init__(
        self, name: Reference, sessions: Sequence[tuple[Place, Session]], attempts: int, *, push: bool = False
    ) -> None:
        self.name = name
        self._sessions = list(sessions)
        self._attempts = attempts
        self._actions = "pull,push" if push else "pull"
        self._failed: dict[str, set[Place]] = {}
        """By blob, the places whose answers broke off or cannot be."""

    async def manifest(self, reference: str, accept: Sequence[str] = ALL) -> Fetched:
        """The manifest of a tag or digest, its digest checked. Raises errors by meaning, and Untrue."""
        what = f"manifest of {self._named(_checked(reference))}"

        async def get(place: Place, session: Session, attempts: int) -> Fetched:
            headers = {"Accept": ", ".join(accept)}
            path = f"/v2/{place.path}/manifests/{quote(reference, safe=':')}"
            answer = await self._ask(place, session, "GET", path, what, attempts, headers, limit=manifests.SIZE_LIMIT)
            return _fetched(answer, reference, f"{what} from {place.host}")

        return await self._first(get, digest=digests.is_digest(reference))

    async def head(self, reference: str) -> Descriptor | None:
        """What a tag or digest leads to, without its content; None when the registry does not tell."""
        what = f"manifest of {self._named(_checked(reference))}"

        async def get(place: Place, session: Session, attempts: int) -> Descriptor | None:
            path = f"/v2/{place.path}/manifests/{quote(reference, safe=':')}"
            async with await self._ask(
                place, session, "HEAD", path, what, attempts, {"Accept": ", ".join(ALL)}, passed=(405,)
            ) as answer:
                return _described(answer, reference)

        return await self._first(get, digest=digests.is_digest(reference))

    @contextlib.asynccontextmanager
    async def blob(self, descriptor: Descriptor, offset: int = 0) -> AsyncIterator[BlobStream]:
        """The blob's bytes from `offset` on, or from 0: the stream says which. See BlobStream."""
        what = f"blob {digests.short(digests.validate(descriptor.digest))} of {self.name.familiar_name}"

        async def get(place: Place, session: Session, attempts: int) -> tuple[Place, BlobStream]:
            async def ask(headers: dict[str, str], passed: tuple[int, ...]) -> Answer:
                path = f"/v2/{place.path}/blobs/{descriptor.digest}"
                return await self._ask(place, session, "GET", path, what, attempts, headers, passed=passed)

            found = await stream(ask, descriptor, offset, f"{what} from {place.host}")
            found.source = place.host
            return place, found

        failed = self._failed.setdefault(descriptor.digest, set())
        place, found = await self._first(get, digest=True, without=failed)
        try:
            yield found
        except (failures.Interrupted, failures.Untrue):
            failed.add(place)  # which is asked for it again when no other place has it
            raise
        finally:
            await found.close()

    def avoid(self, digest: str, host: str) -> bool:
        """Ask this host for the blob only when no other has it, for what it gave was not what it should be; False when
        there is no other to ask."""
        failed = self._failed.setdefault(digest, set())
        failed |= {place for place, _ in self._sessions if place.host == host}
        return any(place not in failed for place, _ in self._sessions if place.serves(digest=True))

    async def size_of(self, digest: str) -> int | None:
        """A blob's size in bytes; None when it is not there (0 when the registry does not say)."""
        what = f"blob {digests.short(digests.validate(digest))} of {self.name.familiar_name}"

        async def get(place: Place, session: Session, attempts: int) -> int | None:
            path = f"/v2/{place.path}/blobs/{digest}"
            async with await self._ask(place, session, "HEAD", path, what, attempts, passed=(404,)) as answer:
                return None if answer.status == 404 else _whole(answer.headers.get("content-length"))

        return await self._first(get, digest=True)

    async def mount(self, digest: str, from_path: str) -> bool:
        """Have the registry take a blob over from another repository of it; False when it must be uploaded."""
        place, session = self._target()
        what = f"mount of blob {digests.short(digests.validate(digest))} from {from_path}"
        path = f"/v2/{place.path}/blobs/uploads/?{urlencode({'mount': digest, 'from': from_path})}"
        scopes = (f"repository:{place.path}:{self._actions}", f"repository:{from_path}:pull")
        try:
            answer = await session.ask("POST", path, what, scopes=scopes)
        except CarrackError:
            return False
        async with answer:
            if answer.status == 202:
                await uploads.forget(session, answer, scopes)
            return answer.status == 201

    async def upload(
        self,
        descriptor: Descriptor,
        open: Callable[[int], AsyncIterator[bytes]],
        progress: Callable[[int], None] = lambda sent: None,
    ) -> None:
        """Upload a blob, of which `open(offset)` gives the bytes from there on; it goes on where it was broken.

        `progress` is told how many bytes have been sent in all, which may fall. Raises errors by meaning.
        """
        place, session = self._target()
        job = uploads.Upload(session, place.path, self.name, self._attempts)
        await job.send(descriptor, open, progress)

    async def upload_along(
        self, open: Callable[[], AsyncIterator[bytes]], described: Callable[[], Awaitable[Descriptor]]
    ) -> None:
        """Upload a blob while it is being made: see Upload.along. Raises errors by meaning; `upload` may still do."""
        place, session = self._target()
        await uploads.Upload(session, place.path, self.name, self._attempts).along(open, described)

    async def put_manifest(self, reference: str, data: bytes, media_type: str) -> str:
        """Put a manifest under a tag or digest; the digest that it has. Raises errors by meaning, and Untrue."""
        place, session = self._target()
        what = f"push of {self._named(_checked(reference))}"
        path = f"/v2/{place.path}/manifests/{quote(reference, safe=':')}"
        answer = await session.ask(
            "PUT", path, what, scopes=self._scopes(place), headers={"Content-Type": media_type},
            body=lambda: data, attempts=self._attempts,
        )  # fmt: skip
        async with answer:
            told, own = answer.headers.get("docker-content-digest"), _own_digest(reference, data)
            if told and digests.algorithm(told) == digests.algorithm(own) and told != own:
                raise Untrue(f"{what} to {place.host}: the registry keeps it as {told[:80]!r} instead of {own}")
            return own

    async def delete_manifest(self, reference: str) -> None:
        """Remove a tag, or a manifest by its digest. Raises errors by meaning."""
        place, session = self._target()
        path = f"/v2/{place.path}/manifests/{quote(_checked(reference), safe=':')}"
        scopes = (f"repository:{place.path}:{self._actions},delete",)
        async with await session.ask("DELETE", path, f"removal of {self._named(reference)}", scopes=scopes):
            pass

    async def tags(self) -> AsyncIterator[str]:
        """All tags, page by page. Raises errors by meaning."""
        what = f"tags of {self.name.familiar_name}"

        async def get(place: Place, session: Session, attempts: int) -> tuple[Place, Session, list[str], str]:
            return (
                place,
                session,
                *await self._tag_page(place, session, f"/v2/{place.path}/tags/list", what, attempts),
            )

        place, session, page, following = await self._first(get, digest=False)
        seen = 0
        for _ in range(paging.PAGES_LIMIT):
            for tag in page:
                yield tag
            seen += len(page)
            if not following or not page:
                return
            if seen > paging.TAGS_LIMIT:
                break
            page, following = await self._tag_page(place, session, following, what, self._attempts)
        raise Untrue(f"{what} from {place.host}: a list without end")

    async def referrers(self, digest: str, artifact_type: str = "") -> Index:
        """What refers to the manifest `digest` by `subject`, of one type or all; empty when nothing does."""
        what = f"referrers of {digests.short(digests.validate(digest))} in {self.name.familiar_name}"

        async def get(place: Place, session: Session, attempts: int) -> Index:
            query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
            path = f"/v2/{place.path}/referrers/{digest}{query}"
            headers = {"Accept": types.OCI_INDEX}
            answer = await self._ask(
                place, session, "GET", path, what, attempts, headers, (404,), limit=manifests.SIZE_LIMIT
            )
            if answer.status == 404:
                return await self._tagged_referrers(digest)
            return manifests.parse_index(answer.data, types.OCI_INDEX, what)

        return paging.of_type(await self._first(get, digest=True), artifact_type)

    async def _tagged_referrers(self, digest: str) -> Index:
        """As registries without the referrers API have it: an index under the tag `sha256-<hex>`."""
        try:
            found = await self.manifest(digest.replace(":", "-"), (types.OCI_INDEX,))
        except NotFound:
            return Index(types.OCI_INDEX, ())
        return manifests.parse_index(found.data, types.OCI_INDEX, f"referrers of {digests.short(digest)}")

    async def _tag_page(
        self, place: Place, session: Session, path: str, what: str, attempts: int
    ) -> tuple[list[str], str]:
        answer = await self._ask(place, session, "GET", path, what, attempts, limit=paging.PAGE_LIMIT)
        return paging.tags(answer.data, what), paging.following(answer.url, answer.headers)

    async def _ask(
        self, place: Place, session: Session, method: str, path: str, what: str, attempts: int,
        headers: dict[str, str] | None = None, passed: tuple[int, ...] = (), limit: int = 0,
    ) -> Answer:  # fmt: skip
        return await session.ask(
            method,
            path,
            what,
            scopes=self._scopes(place),
            headers=headers,
            attempts=attempts,
            passed=passed,
            limit=limit,
        )

    async def _first(
        self,
        ask: Callable[[Place, Session, int], Awaitable[_Result]],
        *,
        digest: bool,
        without: Collection[Place] = (),
    ) -> _Result:
        """What the first place that has it gives; when none has, the last one's failure, with a word on the others.

        Those in `without` are left out, as long as there is another.
        """
        every = [(place, session) for place, session in self._sessions if place.serves(digest=digest)]
        asked = [(place, session) for place, session in every if place not in without] or every
        missed: list[str] = []
        for place, session in asked[:-1]:
            try:
                return await ask(place, session, 1)
            except CarrackError as error:
                missed.append(str(error))
                log.info("%s: asking the next place", error)
                if isinstance(error, failures.Unreachable) and (place, session) in self._sessions:
                    self._sessions.remove((place, session))
        if not asked:
            raise Unavailable(
                f"{self.name.familiar_name}: registries.toml has no mirror for this, and lets nothing else"
            )
        try:
            return await ask(*asked[-1], self._attempts)
        except CarrackError as error:
            for text in missed:
                error.add_note(f"before: {text}")
            raise

    def _target(self) -> tuple[Place, Session]:
        """Where is pushed to."""
        return self._sessions[-1]

    def _scopes(self, place: Place) -> tuple[str, ...]:
        return (f"repository:{place.path}:{self._actions}",)

    def _named(self, reference: str) -> str:
        return f"{self.name.familiar_name}{'@' if digests.is_digest(reference) else ':'}{reference}"


def _fetched(answer: Answer, reference: str, what: str) -> Fetched:
    data = answer.data
    digest = _own_digest(reference, data)
    told = answer.headers.get("docker-content-digest")
    if digests.is_digest(reference) and digest != reference:
        raise Untrue(f"{what}: the registry sent other content, of digest {digest}")
    if not digests.is_digest(reference) and digests.is_digest(told):
        digest = _own_digest(told, data)
        if digest != told:
            raise Untrue(f"{what}: the registry says digest {told}, but sent {digest}")
    source = origin.split(answer.url)[0].authority
    descriptor = Descriptor(_media_type(answer, data, what), digest, len(data))
    return Fetched(descriptor, data, source, limits.parse(answer.headers))


def _checked(reference: str) -> str:
    """A tag or digest, of which a URL may be made. Raises InvalidArgument for what is neither."""
    if not digests.is_digest(reference) and not paging.TAG.fullmatch(reference):
        raise InvalidArgument(f"{reference[:160]!r} is no tag and no digest")
    return reference


def _media_type(answer: Answer, data: bytes, what: str) -> str:
    """What the registry says, or the document itself where that is nothing in particular."""
    said = answer.headers.get("content-type").partition(";")[0].strip().lower()
    if said not in ("", "application/json", "text/plain", "application/octet-stream"):
        return descriptors.media_type({"Content-Type": said}, "Content-Type", what)
    value = document.parse(data, limit=manifests.SIZE_LIMIT, what=what)
    if value.get("schemaVersion") == 1:
        return types.DOCKER_SCHEMA_1
    return document.text(value, "mediaType", what) or (types.OCI_INDEX if "manifests" in value else types.OCI_MANIFEST)


def _described(answer: Answer, reference: str) -> Descriptor | None:
    digest, length = answer.headers.get("docker-content-digest"), answer.headers.get("content-length")
    media_type = answer.headers.get("content-type").partition(";")[0].strip().lower()
    if answer.status != 200 or not digests.is_digest(digest) or not media_type:
        return None
    if digests.is_digest(reference) and digest != reference:
        return None  # said of something else, and believed by nobody
    return Descriptor(media_type, digest, _whole(length))


def _own_digest(reference: str, data: bytes) -> str:
    """The digest of `data`, by the algorithm of `reference` if that is a digest."""
    algorithm = digests.algorithm(reference) if digests.is_digest(reference) else "sha256"
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
