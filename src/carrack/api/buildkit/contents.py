"""A folder of the client's that holds blobs by their digests, over its session: see Store of
carrack.engine.build.caching.importing.

The client serves containerd's content service for each folder that its command line named, which a call says by a
header. Source: containerd, content.proto; what buildx sends.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from carrack.api.buildkit import messages as m
from carrack.errors import InvalidArgument, NotSupported
from carrack.http.grpc import Failed

if TYPE_CHECKING:
    from carrack.api.buildkit.sessions import Session
    from carrack.engine.build.caching.wanted import CacheAt
    from carrack.oci.descriptor import Descriptor

_SERVICE = "/containerd.services.content.v1.Content/"
_STORE = "buildkit-attachable-store-id"
_NOT_FOUND, _EXISTS = 5, 6
_WRITE, _COMMIT = 1, 2
_PIECE = 1 << 20


class SessionStore:
    """One folder, by what the client calls it: ``local:`` and its path for a cache, ``oci:`` and a name for a layout of
    images."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._metadata = [(_STORE, name)]

    async def size(self, digest: str) -> int | None:
        """See Store."""
        try:
            async with self._open("Info", m.CONTENT_INFO_REQUEST, m.CONTENT_INFO_RESPONSE) as call:
                await call.send_message({"digest": digest})
                await call.end()
                answer = await call.recv_message()
        except Failed as error:
            if error.code == _NOT_FOUND:
                return None
            raise
        return int(((answer or {}).get("info") or {}).get("size", 0))

    async def read(self, digest: str, offset: int, size: int) -> AsyncIterator[bytes]:
        """See Store."""
        asked = {"digest": digest, "offset": offset, "size": size}
        async with self._open("Read", m.CONTENT_READ_REQUEST, m.CONTENT_READ_RESPONSE) as call:
            await call.send_message(asked)
            await call.end()
            while (message := await call.recv_message()) is not None:
                yield message["data"]

    async def write(self, descriptor: Descriptor, chunks: AsyncIterator[bytes]) -> None:
        """See Store."""
        head = {"ref": f"carrack-{descriptor.digest}", "total": descriptor.size, "expected": descriptor.digest}
        try:
            async with self._open("Write", m.CONTENT_WRITE_REQUEST, m.CONTENT_WRITE_RESPONSE) as call:
                offset = 0
                async for chunk in chunks:
                    for at in range(0, len(chunk), _PIECE):
                        piece = chunk[at : at + _PIECE]
                        await _told(call, head | {"action": _WRITE, "offset": offset, "data": piece})
                        offset += len(piece)
                await _told(call, head | {"action": _COMMIT, "offset": offset}, end=True)
        except Failed as error:
            if error.code != _EXISTS:
                raise

    def _open(self, method: str, request: Any, reply: Any) -> Any:
        path = _SERVICE + method
        if not self._session.offers(path):
            raise NotSupported("the client offers no folder for caches over its session")
        return self._session.caller.open(path, request, reply, self._metadata)


async def _told(call: Any, message: dict[str, Any], *, end: bool = False) -> None:
    """Send a piece, or the word that all is there; the client must have just so much then."""
    await call.send_message(message, end=end)
    answer = await call.recv_message()
    had = message["offset"] + len(message.get("data", b""))
    if answer is None or answer["offset"] != had:
        some = "no more" if answer is None else f"{answer['offset']} bytes, not {had},"
        raise InvalidArgument(f"the client has taken {some} of {message['expected']}")


def opener(session: Session) -> Any:
    """Opens the folder that a cache of this client's is in."""

    def opened(at: CacheAt) -> SessionStore:
        return SessionStore(session, f"local:{at.attributes.get('src') or at.attributes.get('dest', '')}")

    return opened
