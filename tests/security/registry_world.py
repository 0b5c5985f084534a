"""The registry client against fake registries: what these tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth

from carrack.errors import CarrackError
from carrack.oci import reference
from carrack.oci.descriptor import Descriptor
from carrack.registry.client import RegistryClient
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.repository import Repository
from carrack.registry.settings import RegistrySettings

T = TypeVar("T")
PASSWORD = "canary-of-a-password"
USER = Credentials("user", PASSWORD)
LAYER = "application/vnd.oci.image.layer.v1.tar"


def locked(scheme: str = "bearer", **more: Any) -> Auth:
    """A registry that lets in the one user."""
    return Auth(scheme, users={"user": PASSWORD}, **more)


def ask(
    registry: FakeRegistry,
    work: Callable[[Repository], Awaitable[T]],
    *,
    path: str = "app",
    credentials: Credentials = USER,
    push: bool = False,
    limit: float = 20,
    **settings: Any,
) -> T:
    """Run `work` on a repository of the registry, with a client of its own."""

    async def main() -> T:
        client = RegistryClient(RegistrySettings(**({"certs_dir": Path("/nonexistent")} | settings)))
        try:
            async with asyncio.timeout(limit):
                name = reference.parse(f"{registry.host}/{path}")
                return await work(client.repository(name, credentials, push=push))
        finally:
            await client.close()

    return asyncio.run(main())


async def blob_of(repository: Repository, digest: str, size: int, offset: int = 0) -> bytes:
    """A blob's bytes from where the registry began."""
    data = b""
    async with repository.blob(Descriptor(LAYER, digest, size), offset) as stream:
        async for chunk in stream:
            data += chunk
    return data


def outcome(registry: FakeRegistry, work: Callable[[], T]) -> T | None:
    """What comes of it; None when it is refused, in words that name the registry."""
    try:
        return work()
    except CarrackError as error:
        text = str(error)
    assert registry.host in text
    return None


def told(registry: FakeRegistry) -> list[str]:
    """Every Authorization header, and other trace of the credentials, that reached the registry."""
    secrets = (PASSWORD, *registry.auth.tokens, *registry.auth.refresh)
    found = []
    for request in registry.requests:
        everything = [request.target, request.body.decode("latin-1"), *request.headers.values()]
        if request.authorization or any(secret in text for secret in secrets for text in everything):
            found.append(f"{request.method} {request.target}: {request.authorization}")
    return found


__all__ = ["ANONYMOUS", "LAYER", "PASSWORD", "USER", "ask", "blob_of", "locked", "outcome", "told"]
