"""Bearer tokens: got from the server that a registry names, kept until they expire.

Sources: the distribution project's "Token Authentication Specification" (GET) and "OAuth2 Token Authentication" (POST).
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from carrack.errors import Forbidden, Unauthorized
from carrack.registry import failures, limits, origin
from carrack.registry.credentials import Credentials
from carrack.registry.exchange import Answer
from carrack.registry.failures import Untrue
from carrack.registry.transport import Transport

_LIMIT = 1024 * 1024
_LEAST_SECONDS = 60.0
"""A token that says less is held to live so long (the specification's default)."""
_MOST_SECONDS = 86400.0
_MARGIN = 10.0
_MOST = 256
CLIENT_ID = "carrack"


@dataclass(frozen=True, slots=True)
class Service:
    """What a registry's challenge says: where tokens are got (a URL) and for whom. `registry` is its host for texts,
    `verify` and `hosts` are how TLS to it is judged when the realm is on the registry's own host."""

    realm: str
    service: str
    registry: str
    secure: bool = True
    verify: bool = True


@dataclass(frozen=True, slots=True)
class Token:
    """`expires` is in seconds of time.monotonic(); `refresh` is an identity token, "" when none came."""

    value: str = field(repr=False)
    expires: float
    refresh: str = field(default="", repr=False)


_Key = tuple[Service, Credentials, tuple[str, ...]]


class Tokens:
    """Tokens of all registries. One that several ask for at once is got once."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._tokens: dict[_Key, Token] = {}
        self._locks: dict[_Key, asyncio.Lock] = {}

    async def get(self, service: Service, credentials: Credentials, scopes: tuple[str, ...]) -> str:
        """A token for `scopes` (`repository:library/x:pull`). Raises Unauthorized, Forbidden, Unavailable."""
        key = (service, credentials, scopes)
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                token = self._tokens.get(key)
                if token is None or token.expires < time.monotonic():
                    token = await self.fetch(service, credentials, scopes)
                    self._keep(key, token)
                return token.value
        finally:
            if not lock.locked():
                self._locks.pop(key, None)

    def drop(self, value: str) -> None:
        """Forget a token that was refused."""
        for key in [key for key, token in self._tokens.items() if token.value == value]:
            del self._tokens[key]

    def _keep(self, key: _Key, token: Token) -> None:
        if len(self._tokens) >= _MOST:
            self._tokens.pop(min(self._tokens, key=lambda k: self._tokens[k].expires))
        self._tokens[key] = token

    async def fetch(
        self, service: Service, credentials: Credentials, scopes: tuple[str, ...], *, offline: bool = False
    ) -> Token:
        """A new token; with `offline` an identity token is asked for, too."""
        _check_realm(service)
        if credentials.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": credentials.identity_token}
            answer = await self._post(service, form, scopes)
        else:
            answer = await self._get(service, credentials, scopes, offline)
            if answer.status in (404, 405) and credentials:
                await answer.close()
                form = {"grant_type": "password", "username": credentials.username, "password": credentials.password}
                answer = await self._post(service, {**form, "access_type": "offline" if offline else "online"}, scopes)
        async with answer:
            with credentials.kept():
                return await _token(answer, service)

    async def _get(self, service: Service, credentials: Credentials, scopes: tuple[str, ...], offline: bool) -> Answer:
        query = [("service", service.service)] if service.service else []
        query += [("scope", scope) for scope in scopes]
        headers = {}
        if credentials:
            query.append(("account", credentials.username))
            headers["Authorization"] = basic(credentials)
        if offline:
            query += [("offline_token", "true"), ("client_id", CLIENT_ID)]
        mark = "&" if urlsplit(service.realm).query else "?"
        url = f"{service.realm}{mark}{urlencode(query)}" if query else service.realm
        return await self._transport.ask("GET", url, headers, verify=service.verify)

    async def _post(self, service: Service, form: Mapping[str, str], scopes: tuple[str, ...]) -> Answer:
        fields = {**form, "service": service.service, "client_id": CLIENT_ID}
        if scopes:
            fields["scope"] = " ".join(scopes)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = urlencode(fields).encode()
        return await self._transport.ask("POST", service.realm, headers, body, verify=service.verify)


def basic(credentials: Credentials) -> str:
    """The value of `Authorization` that sends name and password."""
    return "Basic " + base64.b64encode(f"{credentials.username}:{credentials.password}".encode()).decode()


def _check_realm(service: Service) -> None:
    there, _ = origin.split(service.realm, f"{service.registry} sends for tokens to")
    if service.secure and there.scheme != "https":
        raise Untrue(
            f"{service.registry} sends for tokens to {there}, which is not https: no credentials are sent there"
        )


async def _token(answer: Answer, service: Service) -> Token:
    there = f"{origin.split(service.realm)[0]}"
    body = await answer.read(_LIMIT)
    if answer.status in (400, 401, 403):
        said = failures.words(body, answer.status)
        kind = Forbidden if answer.status == 403 else Unauthorized
        raise kind(f"{service.registry}: {there} gives no token: {said}: check the user name and password, or log in")
    if answer.status != 200:
        raise failures.refusal(
            answer.status, body, f"token for {service.registry}", there, limits.retry_after(answer.headers)
        )
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Untrue(f"{service.registry}: {there} answers with no token but with something else than JSON")
    return _read(document, service.registry, there)


def _read(document: Mapping[str, Any], registry: str, there: str) -> Token:
    value = document.get("token") or document.get("access_token")
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or " " in value:
        raise Untrue(f"{registry}: {there} answers without a token")
    lives = document.get("expires_in")
    seconds = max(_LEAST_SECONDS, min(lives, _MOST_SECONDS)) if isinstance(lives, int | float) else _LEAST_SECONDS
    refresh = document.get("refresh_token")
    return Token(value, time.monotonic() + seconds - _MARGIN, refresh if isinstance(refresh, str) else "")
