"""The door to all registries: one client per daemon, with its connections, its tokens and what it knows of hosts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from carrack.oci.reference import DEFAULT_DOMAIN, Reference
from carrack.registry import login, search
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.places import Place, places
from carrack.registry.repository import Repository
from carrack.registry.session import Host, Session
from carrack.registry.settings import RegistrySettings
from carrack.registry.tokens import Tokens
from carrack.registry.transport import Transport

_HOSTS_MOST = 256


class RegistryClient:
    """Belongs to one event loop. `close` it at the end; nothing runs between requests."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._take(settings)

    def _take(self, settings: RegistrySettings) -> None:
        self.settings = settings
        self._transport = Transport(settings)
        self._tokens = Tokens(self._transport)
        self._hosts: dict[tuple[str, bool], Host] = {}

    async def close(self) -> None:
        """Close all connections that nobody uses."""
        await self._transport.close()

    async def change(self, settings: RegistrySettings) -> None:
        """Go by other settings from now on; what is under way ends by the old ones."""
        old = self._transport
        self._take(settings)
        await old.close()

    def repository(self, name: Reference, credentials: Credentials = ANONYMOUS, *, push: bool = False) -> Repository:
        """The repository that `name` lies in, to pull from or to `push` to; nothing is asked yet.

        Raises Forbidden or Unavailable when registries.toml does not let it be asked for.
        """
        found = places(self.settings, name, push=push)
        sessions = [(place, self._session(place, credentials if place.origin else ANONYMOUS)) for place in found]
        return Repository(name, sessions, self.settings.attempts, push=push)

    async def check(self, server: str, credentials: Credentials) -> str:
        """Whether the registry at `server` takes `credentials`: an identity token, "" when it gives none.

        `server` is as in Docker's AuthConfig: a host, a URL, "" or https://index.docker.io/v1/ for Docker Hub. Raises
        Unauthorized with the registry's words, or Unavailable.
        """
        return await login.check(self._session(Place(server_host(server), ""), credentials), self._tokens)

    async def search(self, term: str, limit: int, credentials: Credentials = ANONYMOUS) -> list[dict[str, Any]]:
        """What a registry finds for `[host/]term`, as Docker's API documents it. Raises errors by meaning."""
        host, rest = search.split(term)
        return await search.search(self._session(Place(host, ""), credentials), rest, limit)

    def _session(self, place: Place, credentials: Credentials) -> Session:
        key = (place.host, place.insecure)
        if key not in self._hosts:
            while len(self._hosts) >= _HOSTS_MOST:
                del self._hosts[next(iter(self._hosts))]
            self._hosts[key] = Host(place.host, place.insecure)
        return Session(self._transport, self._tokens, self.settings, self._hosts[key], credentials)


def server_host(server: str) -> str:
    """The host that a server address of Docker's clients means: `https://index.docker.io/v1/` is docker.io."""
    host = server.removeprefix("https://").removeprefix("http://").partition("/")[0].lower()
    return DEFAULT_DOMAIN if host in ("", "index.docker.io", "registry-1.docker.io") else host


def credentials_for(config: Mapping[str, Credentials], name: Reference) -> Credentials:
    """Those of an `X-Registry-Config` that are for the registry of `name`; ANONYMOUS when there are none."""
    return next((found for server, found in config.items() if server_host(server) == name.domain), ANONYMOUS)
