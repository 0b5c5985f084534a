"""The registry that this one stands before, asked by threads: the client of `registry` lives in a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from carrack.errors import CarrackError, Forbidden, InvalidArgument, NotFound, Unauthorized
from carrack.oci.descriptor import Descriptor
from carrack.oci.manifest import Index
from carrack.oci.reference import Reference
from carrack.registry_server.config import Proxy
from carrack.registry_server.message import Problem

TRIES = 5
"""How often a blob is gone on with after a broken connection that has brought something."""

PROGRESS = 64 * 1024
"""Bytes that a connection must bring to count for something."""

_Result = TypeVar("_Result")


class Upstream:
    """Made at the start of a registry that stands before another, and closed at its end. All methods but `close` raise
    Problem: MANIFEST_UNKNOWN for what the other has not, DENIED where it does not let us, TOOMANYREQUESTS when it has
    had enough of us, UNAVAILABLE for all else."""

    def __init__(self, proxy: Proxy) -> None:
        from carrack.registry.client import RegistryClient, server_host
        from carrack.registry.credentials import Credentials
        from carrack.registry.settings import RegistrySettings

        url = urlsplit(proxy.remote)
        if url.scheme not in ("http", "https") or not url.netloc or url.path.strip("/") or "@" in url.netloc:
            raise InvalidArgument(f"proxy.remote: {proxy.remote!r} is to be https://HOST, or http://HOST")
        password = Path(proxy.password_file).read_text().rstrip("\n") if proxy.password_file else ""
        self._domain = server_host(proxy.remote)
        self._credentials = Credentials(proxy.username, password)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="upstream", daemon=True)
        self._thread.start()
        insecure = (url.netloc,) if url.scheme == "http" else ()
        self._client = self._run(_made(lambda: RegistryClient(RegistrySettings(insecure=insecure))))

    def close(self) -> None:
        """End the connections; who still waits for something gets a Problem."""
        with contextlib.suppress(CarrackError, OSError, Problem):
            self._run(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        if not self._thread.is_alive():
            self._loop.close()

    def head(self, name: str, reference: str) -> str | None:
        """The digest that a tag or digest leads to; None where the other does not tell."""
        found = self._run(self._repository(name).head(reference))
        return found.digest if found is not None else None

    def manifest(self, name: str, reference: str) -> tuple[bytes, str]:
        """A manifest and its media type; its digest has been checked."""
        found = self._run(self._repository(name).manifest(reference))
        return found.data, found.descriptor.media_type

    def size(self, name: str, digest: str) -> int | None:
        """A blob's size; None when the other has not got it."""
        size: int | None = self._run(self._repository(name).size_of(digest))
        return size

    def tags(self, name: str) -> list[str]:
        """All tags."""

        async def collect() -> list[str]:
            return [tag async for tag in self._repository(name).tags()]

        return self._run(collect())

    def referrers(self, name: str, digest: str) -> Index:
        """What refers to a manifest."""
        index: Index = self._run(self._repository(name).referrers(digest))
        return index

    def blob(self, name: str, descriptor: Descriptor, write: Callable[[bytes], None]) -> None:
        """Have all of a blob written, unchecked; a broken connection is gone on with."""
        self._run(self._blob(name, descriptor, write))

    async def _blob(self, name: str, descriptor: Descriptor, write: Callable[[bytes], None]) -> None:
        from carrack.registry.failures import Interrupted

        taken = tries = 0
        while True:
            before = taken
            try:
                async with self._repository(name).blob(descriptor, taken) as stream:
                    passed = taken - stream.offset  # what comes again
                    async for piece in stream:
                        new = piece[passed:] if passed else piece
                        passed = max(0, passed - len(piece))
                        write(new)
                        taken += len(new)
                return
            except Interrupted:
                tries = 0 if taken - before >= PROGRESS else tries + 1
                if tries >= TRIES:
                    raise

    def _repository(self, name: str) -> Any:
        return self._client.repository(Reference(self._domain, name), self._credentials)

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop).result()
        except NotFound as error:
            raise Problem("MANIFEST_UNKNOWN", str(error)) from error
        except (Unauthorized, Forbidden) as error:
            raise Problem("DENIED", f"the registry behind this one refuses: {error}") from error
        except CarrackError as error:
            raise _unavailable(error) from error


def _unavailable(error: CarrackError) -> Problem:
    from carrack.registry.failures import TooManyRequests

    text = f"the registry behind this one: {error}"
    if not isinstance(error, TooManyRequests):
        return Problem("UNAVAILABLE", text)
    headers = {} if error.retry_after is None else {"Retry-After": str(max(1, round(error.retry_after)))}
    return Problem("TOOMANYREQUESTS", text, headers=headers)


async def _made(make: Callable[[], _Result]) -> _Result:
    return make()
