from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_faults import Fault

from carrack.errors import Unauthorized, Unavailable
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.settings import RegistrySettings
from carrack.registry.tokens import Service, Tokens, basic
from carrack.registry.transport import Transport

_Result = TypeVar("_Result")
JANE = Credentials("jane", "secret")
SCOPES = ("repository:a/b:pull", "repository:c:pull,push")


def _with_tokens(work: Callable[[Tokens], Awaitable[_Result]]) -> _Result:
    async def run() -> _Result:
        transport = Transport(RegistrySettings())
        try:
            return await work(Tokens(transport))
        finally:
            transport.close()

    return asyncio.run(run())


def _auth(**more: object) -> Auth:
    return Auth("bearer", users={"jane": "secret"}, public={"a/b"}, **more)  # type: ignore[arg-type]


def _service(registry: FakeRegistry, **more: object) -> Service:
    return Service(f"{registry.url}/token", "fake.registry", registry.host, secure=False, **more)  # type: ignore[arg-type]


def test_a_token_is_got_by_get_with_service_scopes_and_account() -> None:
    with FakeRegistry(auth=_auth()) as registry:
        token = _with_tokens(lambda tokens: tokens.get(_service(registry), JANE, SCOPES))
        assert token in registry.auth.tokens
        (asked,) = registry.asked("GET", "/token")
        query = parse_qs(urlsplit(asked.target).query)
        assert query == {"service": ["fake.registry"], "scope": list(SCOPES), "account": ["jane"]}
        assert asked.authorization == "Basic " + base64.b64encode(b"jane:secret").decode() == basic(JANE)


def test_anonymous_tokens() -> None:
    with FakeRegistry(auth=_auth(member="access_token")) as registry:
        token = _with_tokens(lambda tokens: tokens.get(_service(registry), ANONYMOUS, SCOPES))
        assert registry.auth.tokens[token][1] == {"repository:a/b:pull"}
        assert registry.asked("GET", "/token")[0].authorization == ""


def test_an_identity_token_goes_by_oauth2() -> None:
    with FakeRegistry(auth=_auth(refresh={"identity": "jane"})) as registry:
        credentials = Credentials(identity_token="identity")
        token = _with_tokens(lambda tokens: tokens.get(_service(registry), credentials, SCOPES))
        assert registry.auth.tokens[token][0] == "jane"
        (asked,) = registry.asked("POST", "/token")
        assert parse_qs(asked.body.decode())["grant_type"] == ["refresh_token"]
        assert "identity" not in asked.target


@pytest.mark.parametrize("offline", [False, True])
def test_where_get_is_not_served_the_password_goes_by_oauth2(offline: bool) -> None:
    with FakeRegistry(auth=_auth(get=False)) as registry:
        token = _with_tokens(lambda tokens: tokens.fetch(_service(registry), JANE, SCOPES, offline=offline))
        assert registry.auth.tokens[token.value][0] == "jane"
        assert bool(token.refresh) is offline


def test_a_token_is_got_once_and_kept_by_scope() -> None:
    async def work(tokens: Tokens) -> None:
        many = await asyncio.gather(*(tokens.get(service, JANE, SCOPES) for _ in range(8)))
        assert len(set(many)) == 1
        assert await tokens.get(service, JANE, SCOPES) == many[0]
        assert await tokens.get(service, JANE, SCOPES[:1]) != many[0]
        tokens.drop(many[0])
        assert await tokens.get(service, JANE, SCOPES) != many[0]

    with FakeRegistry(auth=_auth()) as registry:
        service = _service(registry)
        _with_tokens(work)
        assert len(registry.asked("GET", "/token")) == 3


def test_an_expired_token_is_got_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    now = time.monotonic()

    async def work(tokens: Tokens) -> None:
        first = await tokens.get(service, JANE, SCOPES)
        monkeypatch.setattr("carrack.registry.tokens.time.monotonic", lambda: now + 280)
        assert await tokens.get(service, JANE, SCOPES) == first
        monkeypatch.setattr("carrack.registry.tokens.time.monotonic", lambda: now + 300)
        assert await tokens.get(service, JANE, SCOPES) != first

    with FakeRegistry(auth=_auth(lifetime=300)) as registry:
        service = _service(registry)
        _with_tokens(work)


def test_wrong_credentials_are_told_in_the_servers_words() -> None:
    with FakeRegistry(auth=_auth()) as registry:
        wrong = Credentials("jane", "canary")
        with pytest.raises(Unauthorized, match="incorrect username or password") as caught:
            _with_tokens(lambda tokens: tokens.get(_service(registry), wrong, SCOPES))
        assert registry.host in str(caught.value)
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"token": 5}', b'{"token": "a\\r\\nX: y"}', b'{"token": ""}'])
def test_what_is_no_token_is_refused(body: bytes) -> None:
    with FakeRegistry(auth=_auth()) as registry:
        registry.faults.append(Fault("/token", status=200, body=body))
        with pytest.raises(Unavailable):
            _with_tokens(lambda tokens: tokens.get(_service(registry), JANE, SCOPES))


def test_the_realm_of_a_secure_registry_must_be_secure() -> None:
    """CVE-2020-15157's kin: a registry with TLS may not have credentials sent in the open."""
    with FakeRegistry(auth=_auth()) as registry:
        service = Service(f"{registry.url}/token", "", "r.example.com", secure=True)
        with pytest.raises(Unavailable, match="not https"):
            _with_tokens(lambda tokens: tokens.get(service, JANE, SCOPES))
        assert registry.requests == []
    for realm in ("file:///etc/passwd", "nonsense", "https://jane:x@evil.example.com/"):
        with pytest.raises(Unavailable, match=r"r\.example\.com sends for tokens"):
            _with_tokens(lambda tokens: tokens.get(Service(realm, "", "r.example.com"), JANE, SCOPES))  # noqa: B023


def test_a_password_does_not_follow_a_redirect() -> None:
    with FakeRegistry(auth=_auth(get=False)) as registry, FakeRegistry() as other:
        registry.faults.append(Fault("/token", "POST", redirect=f"{other.url}/token"))
        with pytest.raises(Unavailable, match="redirects a request with its content"):
            _with_tokens(lambda tokens: tokens.get(_service(registry), JANE, SCOPES))
        assert other.requests == []


def test_no_token_is_shown() -> None:
    with FakeRegistry(auth=_auth()) as registry:
        token = _with_tokens(lambda tokens: tokens.fetch(_service(registry), JANE, (), offline=True))
        assert token.refresh
        assert token.value not in repr(token)
        assert token.refresh not in repr(token)
