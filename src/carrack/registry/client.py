"""The door to all registries: one client per daemon, with its connections, its tokens and what it knows of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from carrack.oci.reference import DEFAULT_DOMAIN, Reference
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.settings import RegistrySettings

if TYPE_CHECKING:
    from carrack.registry.reach import Reach
    from carrack.registry.repository import Repository


class RegistryClient:
    """Belongs to one event loop. `close` it at the end; nothing runs between requests."""

    def __init__(self, settings: RegistrySettings) -> None:
        self.settings = settings
        self._made: Reach | None = None

    @property
    def _reach(self) -> Reach:
        if self._made is None:
            from carrack.registry.reach import Reach

            self._made = Reach(self.settings)
        return self._made

    async def close(self) -> None:
        """Close all connections that nobody uses."""
        self.change(self.settings)

    def change(self, settings: RegistrySettings) -> None:
        """Go by other settings from now on; what is under way ends by the old ones."""
        made, self._made = self._made, None
        self.settings = settings
        if made is not None:
            made.close()

    def repository(self, name: Reference, credentials: Credentials = ANONYMOUS, *, push: bool = False) -> Repository:
        """The repository that `name` lies in, to pull from or to `push` to; nothing is asked yet.

        Raises Forbidden or Unavailable when registries.toml does not let it be asked for.
        """
        return self._reach.repository(name, credentials, push=push)

    async def check(self, server: str, credentials: Credentials) -> str:
        """Whether the registry at `server` takes `credentials`: an identity token, "" when it gives none.

        `server` is as in Docker's AuthConfig: a host, a URL, "" or https://index.docker.io/v1/ for Docker Hub. Raises
        Unauthorized with the registry's words, or Unavailable.
        """
        return await self._reach.check(server_host(server), credentials)

    async def search(self, term: str, limit: int, credentials: Credentials = ANONYMOUS) -> list[dict[str, Any]]:
        """What a registry finds for `[host/]term`, as Docker's API documents it. Raises errors by meaning."""
        return await self._reach.search(term, limit, credentials)


def server_host(server: str) -> str:
    """The host that a server address of Docker's clients means: `https://index.docker.io/v1/` is docker.io."""
    host = server.removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
    return DEFAULT_DOMAIN if host in ("", "index.docker.io", "registry-1.docker.io") else host


def credentials_for(config: Mapping[str, Credentials], name: Reference) -> Credentials:
    """Those of an `X-Registry-Config` that are for the registry of `name`; ANONYMOUS when there are none."""
    return next((found for server, found in config.items() if server_host(server) == name.domain), ANONYMOUS)
