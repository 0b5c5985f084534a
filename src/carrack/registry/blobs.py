"""A blob as it comes: from where it was asked on, and never more or less than its descriptor says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable

from carrack.oci.descriptor import Descriptor
from carrack.registry.exchange import Answer, Broken
from carrack.registry.failures import Interrupted, Untrue

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class BlobStream:
    """The bytes of a blob from `offset` on, by iteration, in pieces of up to 1 MiB; only to be read once.

    It ends exactly at the descriptor's size. Raises Interrupted when the connection breaks or stalls: go on with a new
    stream at the number of bytes taken so far. Raises Untrue when the registry sends more, or something else.
    """

    def __init__(self, answer: Answer, descriptor: Descriptor, offset: int, what: str) -> None:
        self.offset = offset
        """Where it really begins: as asked, or 0 where the registry knows no ranges."""
        self.descriptor = descriptor
        self.source = ""
        """The host that gives it."""
        self._answer = answer
        self._what = what

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces()

    async def close(self) -> None:
        """Leave the rest unread."""
        await self._answer.close()

    async def _pieces(self) -> AsyncIterator[bytes]:
        left = self.descriptor.size - self.offset
        try:
            async for piece in self._answer.chunks():
                left -= len(piece)
                if left < 0:
                    raise Untrue(f"{self._what}: more than the {self.descriptor.size} bytes it should have")
                yield piece
        except Broken as error:
            raise Interrupted(f"{self._what}: {error.strerror}: try again") from error
        except OSError as error:
            raise Untrue(f"{self._what}: {error.strerror or error}") from error
        if left:
            raise Interrupted(f"{self._what}: ended {left} bytes before its end: try again")


async def stream(
    ask: Callable[[dict[str, str], tuple[int, ...]], Awaitable[Answer]], descriptor: Descriptor, offset: int, what: str
) -> BlobStream:
    """The blob as `ask` (headers, statuses that pass) gets it. Raises Untrue for sizes that cannot be."""
    if offset:
        answer = await ask({"Range": f"bytes={offset}-"}, (416,))
        if answer.status == 206:
            return BlobStream(await _checked(answer, descriptor, offset, what), descriptor, offset, what)
        if answer.status == 200:
            return BlobStream(await _sized(answer, descriptor.size, what), descriptor, 0, what)
        await answer.close()
    return BlobStream(await _sized(await ask({}, ()), descriptor.size, what), descriptor, 0, what)


async def _checked(answer: Answer, descriptor: Descriptor, offset: int, what: str) -> Answer:
    match = _CONTENT_RANGE.fullmatch(answer.headers.get("content-range"))
    good = match and int(match[1]) == offset and match[3] in ("*", str(descriptor.size))
    if not good or (match and int(match[2]) != descriptor.size - 1):
        await answer.close()
        told = answer.headers.get("content-range")[:80]
        raise Untrue(f"{what}: asked for bytes {offset} to {descriptor.size - 1}, the registry sends {told!r}")
    return await _sized(answer, descriptor.size - offset, what, 206)


async def _sized(answer: Answer, size: int, what: str, status: int = 200) -> Answer:
    if answer.status != status:
        await answer.close()
        raise Untrue(f"{what}: status {answer.status} where {status} should come")
    if answer.length >= 0 and answer.length != size:
        await answer.close()
        raise Untrue(f"{what}: {answer.length} bytes where {size} should come")
    return answer
