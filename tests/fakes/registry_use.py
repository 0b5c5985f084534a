"""Our registry client as tests use it: a loop and a client for one piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from carrack.oci import digest as digests
from carrack.oci import media_types as types
from carrack.oci import reference
from carrack.oci.descriptor import Descriptor
from carrack.registry.client import RegistryClient
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.repository import Repository
from carrack.registry.settings import RegistrySettings

_Result = TypeVar("_Result")


def with_client(
    work: Callable[[RegistryClient], Awaitable[_Result]], settings: RegistrySettings | None = None
) -> _Result:
    """What `work` gives with a client of its own."""

    async def run() -> _Result:
        client = RegistryClient(settings or RegistrySettings(attempts=2))
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def with_repository(
    name: str,
    work: Callable[[Repository], Awaitable[_Result]],
    *,
    credentials: Credentials = ANONYMOUS,
    push: bool = False,
    settings: RegistrySettings | None = None,
) -> _Result:
    """What `work` gives with the repository of `name`."""
    return with_client(lambda client: work(client.repository(reference.parse(name), credentials, push=push)), settings)


def blob(data: bytes) -> Descriptor:
    """The descriptor of a layer of these bytes."""
    return Descriptor(types.OCI_LAYER, digests.of(data), len(data))


def source(data: bytes, piece: int = 64 * 1024) -> Callable[[int], AsyncIterator[bytes]]:
    """What an upload reads `data` by."""

    async def open(offset: int) -> AsyncIterator[bytes]:
        for at in range(offset, len(data), piece):
            yield data[at : at + piece]

    return open


async def read(repository: Repository, descriptor: Descriptor, offset: int = 0) -> bytes:
    """A blob's bytes, from where they are granted."""
    async with repository.blob(descriptor, offset) as stream:
        return b"".join([piece async for piece in stream])
