"""What reaches registries: connections, tokens and what is known of hosts, under one set of settings.

Apart from `client`, so that it is imported by who first speaks with a registry: a daemon that only starts need not pay.
"""

from __future__ import annotations

from typing import Any

from carrack.oci.reference import Reference
from carrack.registry import login, search
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.places import Place, places
from carrack.registry.repository import Repository
from carrack.registry.session import Host, Session
from carrack.registry.settings import RegistrySettings
from carrack.registry.tokens import Tokens
from carrack.registry.transport import Transport

_HOSTS_MOST = 256


class Reach:
    """As RegistryClient, whose methods these are."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._transport = Transport(settings)
        self._tokens = Tokens(self._transport)
        self._hosts: dict[tuple[str, bool], Host] = {}

    def close(self) -> None:
        """Close all connections that nobody uses; the others when they are no longer used."""
        self._transport.close()

    def repository(self, name: Reference, credentials: Credentials, *, push: bool) -> Repository:
        """See RegistryClient."""
        found = places(self._settings, name, push=push)
        sessions = [(place, self._session(place, credentials if place.origin else ANONYMOUS)) for place in found]
        return Repository(name, sessions, self._settings.attempts, push=push)

    async def check(self, host: str, credentials: Credentials) -> str:
        """See RegistryClient."""
        return await login.check(self._session(Place(host, ""), credentials), self._tokens)

    async def search(self, term: str, limit: int, credentials: Credentials) -> list[dict[str, Any]]:
        """See RegistryClient."""
        host, rest = search.split(term)
        return await search.search(self._session(Place(host, ""), credentials), rest, limit)

    def _session(self, place: Place, credentials: Credentials) -> Session:
        key = (place.host, place.insecure)
        if key not in self._hosts:
            while len(self._hosts) >= _HOSTS_MOST:
                del self._hosts[next(iter(self._hosts))]
            self._hosts[key] = Host(place.host, place.insecure)
        return Session(self._transport, self._tokens, self._settings, self._hosts[key], credentials)
