"""Uploading one blob: at once if the registry lets it, else in chunks; what broke goes on where it was broken.

Source: OCI distribution specification 1.1, "Pushing blobs". A POST opens the upload and each answer's `Location` says
where it goes on; a PUT with the digest ends it. A GET of the location tells how much has come (`Range: 0-N`).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import quote

from carrack.errors import CarrackError, InvalidArgument, Unavailable
from carrack.oci import digest as digests
from carrack.oci.descriptor import Descriptor
from carrack.oci.reference import Reference
from carrack.registry import origin
from carrack.registry.exchange import Answer, Body
from carrack.registry.failures import Interrupted, Unreachable, Untrue
from carrack.registry.session import Session

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")
_CHUNK = 32 * 1024 * 1024
"""Bytes of a chunk where the registry, or the proxy before it, takes no more at once."""
_PROGRESS = 64 * 1024
"""Bytes that a try must bring to count for something."""
_FIRST_PAUSE = 0.5

Open = Callable[[int], AsyncIterator[bytes]]
Progress = Callable[[int], None]


@dataclass(slots=True)
class _Place:
    """Where an open upload goes on, and how many bytes are there. `chunk` is 0 for all at once."""

    location: str
    offset: int = 0
    chunk: int = 0
    least: int = 0


class Upload:
    """The upload of one blob to `path` of a registry. `name` is for texts."""

    def __init__(self, session: Session, path: str, name: Reference, attempts: int) -> None:
        self._session = session
        self._path = path
        self._name = name
        self._attempts = attempts
        self._scopes = (f"repository:{path}:pull,push",)

    async def send(self, descriptor: Descriptor, open: Open, progress: Progress) -> None:
        """All of it. Raises errors by meaning; those that may pass are outlived `attempts` times without progress."""
        what = f"push of blob {digests.short(descriptor.digest)} of {self._name.familiar_name}"
        place: _Place | None = None
        tried, chunk = 1, 0
        while True:
            before = place.offset if place else 0
            try:
                place = place or await self._begin(what)
                place.chunk = chunk
                await self._rest(place, descriptor, open, progress, what)
                return
            except (Unreachable, Untrue):
                raise
            except _TooLarge as error:
                assert place is not None
                chunk = chunk // 4 if chunk else max(_CHUNK, place.least)
                if chunk < max(64 * 1024, place.least):
                    raise InvalidArgument(str(error)) from error
                place = await self._look(place, what)
                continue
            except Unavailable as error:
                place = await self._look(place, what) if place else None
                tried = 1 if place and place.offset - before >= _PROGRESS else tried + 1
                if tried > self._attempts:
                    raise error
            await asyncio.sleep(_FIRST_PAUSE * 2 ** (tried - 1))

    async def along(
        self, open: Callable[[], AsyncIterator[bytes]], described: Callable[[], Awaitable[Descriptor]]
    ) -> None:
        """A blob that is only being made: `open()` gives its bytes as they come, `described` in the end what it is.

        Sent in one go, as docker sends everything. Raises errors by meaning; then nothing of it has arrived.
        """
        what = f"push of a new blob of {self._name.familiar_name}"
        place = await self._begin(what)
        headers = {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        answer = await self._session.ask(
            "PATCH", place.location, what, scopes=self._scopes, headers=headers, body=lambda: _framed(open())
        )
        descriptor = await described()
        async with answer:
            place.location = _location(answer, what)
            if _taken(answer, descriptor.size) != descriptor.size:
                raise Interrupted(f"{what}: the registry has not got all of it")
        await self._finish(place, descriptor.digest, 0, bytes, what)

    async def _begin(self, what: str) -> _Place:
        path = f"/v2/{self._path}/blobs/uploads/"
        answer = await self._session.ask("POST", path, what, scopes=self._scopes, attempts=self._attempts)
        async with answer:
            least = answer.headers.get("oci-chunk-min-length")
            return _Place(_location(answer, what), least=int(least) if least.isdigit() and len(least) < 13 else 0)

    async def _rest(self, place: _Place, descriptor: Descriptor, open: Open, progress: Progress, what: str) -> None:
        size = descriptor.size
        if place.offset > size:
            raise Untrue(f"{what}: the registry says it has {place.offset} bytes of {size}")
        while place.offset < size and (place.offset or place.chunk):
            end = min(size, place.offset + place.chunk) if place.chunk else size
            await self._patch(place, end, open, progress, what)

        def body() -> AsyncIterator[bytes] | bytes:
            return _counted(open, place.offset, size, progress) if place.offset < size else b""

        await self._finish(place, descriptor.digest, size - place.offset, body, what)
        progress(size)

    async def _patch(self, place: _Place, end: int, open: Open, progress: Progress, what: str) -> None:
        start = place.offset
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(end - start),
            "Content-Range": f"{start}-{end - 1}",
        }
        answer = await self._session.ask(
            "PATCH", place.location, what, scopes=self._scopes, headers=headers,
            body=lambda: _counted(open, start, end, progress), passed=(413, 416),
        )  # fmt: skip
        async with answer:
            _judge(answer, what)
            place.location = _location(answer, what)
            taken = _taken(answer, end)
            if taken > end:
                raise Untrue(f"{what}: the registry says it has {taken} bytes where {end} were sent")
            place.offset = taken
            if taken <= start:
                raise Interrupted(f"{what}: the registry has kept nothing of what came: try again")

    async def _finish(self, place: _Place, digest: str, left: int, body: Callable[[], Body], what: str) -> None:
        mark = "&" if "?" in place.location else "?"
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(left)}
        answer = await self._session.ask(
            "PUT", f"{place.location}{mark}digest={quote(digest, safe='')}", what, scopes=self._scopes,
            headers=headers, body=body, passed=(413, 416),
        )  # fmt: skip
        async with answer:
            _judge(answer, what)
            told = answer.headers.get("docker-content-digest")
            if digests.is_digest(told) and told != digest and digests.algorithm(told) == digests.algorithm(digest):
                raise Untrue(f"{what}: the registry keeps it as {told} instead of {digest}")

    async def _look(self, place: _Place, what: str) -> _Place | None:
        """Where the upload stands by the registry's word; None when there is nothing of it left."""
        try:
            answer = await self._session.ask("GET", place.location, what, scopes=self._scopes, attempts=self._attempts)
        except (Unreachable, Interrupted):
            raise
        except CarrackError:
            return None
        async with answer:
            with contextlib.suppress(Unavailable):
                place.location = _location(answer, what)
            match = _RANGE.fullmatch(answer.headers.get("range"))
            # "0-0" is both one byte and, by many registries, none.
            place.offset = int(match[1]) + 1 if match and int(match[1]) else 0
            return place


async def _framed(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A body of unknown length (RFC 9112, section 7.1)."""
    try:
        async for chunk in chunks:
            if chunk:
                yield b"%x\r\n%b\r\n" % (len(chunk), chunk)
    finally:
        if hasattr(chunks, "aclose"):
            await chunks.aclose()
    yield b"0\r\n\r\n"


class _TooLarge(CarrackError):
    """A body was refused for its size."""


def _judge(answer: Answer, what: str) -> None:
    if answer.status == 413:
        raise _TooLarge(f"{what}: the registry, or a proxy before it, takes no body of this size")
    if answer.status == 416:
        raise Interrupted(f"{what}: the registry has other bytes of it than were counted: try again")


def _taken(answer: Answer, sent: int) -> int:
    """How many bytes the registry has, where it says so."""
    match = _RANGE.fullmatch(answer.headers.get("range"))
    return int(match[1]) + 1 if match and int(match[1]) else sent


def _location(answer: Answer, what: str) -> str:
    location = answer.headers.get("location")
    if not location:
        raise Untrue(f"{what}: the registry does not say where the upload goes on")
    url = origin.join(answer.url, location, what)
    origin.split(url, f"{what}: goes on at")
    return url


async def _counted(open: Open, start: int, end: int, progress: Progress) -> AsyncIterator[bytes]:
    """The bytes from `start` to `end`; Raises Untrue when the source has fewer."""
    at = start
    source = open(start)
    try:
        while at < end and (piece := await anext(source, b"")):
            piece = piece[: end - at]
            at += len(piece)
            yield piece
            progress(at)
    finally:
        if hasattr(source, "aclose"):
            await source.aclose()
    if at < end:
        raise Untrue(f"a blob ended {end - at} bytes before its size")


async def forget(session: Session, answer: Answer, scopes: tuple[str, ...]) -> None:
    """Tell the registry that an upload it has opened will not come; nothing depends on it."""
    with contextlib.suppress(CarrackError):
        url = _location(answer, "upload")
        async with await session.ask("DELETE", url, "end of an upload", scopes=scopes):
            pass
