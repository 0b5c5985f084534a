from __future__ import annotations

import email.utils
import time
from typing import Any

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_faults import Fault
from tests.fakes.registry_use import with_client, with_repository

from carrack.errors import Forbidden, NotFound, Unauthorized, Unavailable
from carrack.oci import media_types as types
from carrack.oci import reference
from carrack.registry import session
from carrack.registry.client import RegistryClient
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.failures import TooManyRequests, Unreachable
from carrack.registry.repository import Repository
from carrack.registry.settings import RegistrySettings

JANE = Credentials("jane", "secret")
DATA = b'{"schemaVersion": 2}'


@pytest.fixture
def registry() -> FakeRegistry:
    made = FakeRegistry()
    made.content.put_manifest("a/b", DATA, types.OCI_MANIFEST, "1")
    return made


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_FIRST_PAUSE", 0.01)


def _get(registry: FakeRegistry, credentials: Credentials = ANONYMOUS, attempts: int = 3) -> bytes:
    async def work(repository: Repository) -> bytes:
        return (await repository.manifest("1")).data

    settings = RegistrySettings(attempts=attempts)
    return with_repository(f"{registry.host}/a/b", work, credentials=credentials, settings=settings)


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_challenges_are_met(registry: FakeRegistry, scheme: str) -> None:
    registry.auth = Auth(scheme, users={"jane": "secret"})
    with registry:
        assert _get(registry, JANE) == DATA
        with pytest.raises(Unauthorized, match="log in"):
            _get(registry)
        with pytest.raises(Unauthorized):
            _get(registry, Credentials("jane", "wrong"))


def test_what_anybody_may_pull_needs_a_token_of_nobody(registry: FakeRegistry) -> None:
    registry.auth = Auth("bearer", users={"jane": "secret"}, public={"a/b"})
    with registry:
        assert _get(registry) == DATA
        assert [r.path for r in registry.requests][-3:] == ["/v2/a/b/manifests/1", "/token", "/v2/a/b/manifests/1"]


def test_a_registry_token_is_sent_as_it_is(registry: FakeRegistry) -> None:
    registry.auth = Auth("bearer")
    registry.auth.tokens["ready"] = ("jane", {"repository:a/b:pull"}, time.monotonic() + 60)
    with registry:
        assert _get(registry, Credentials(registry_token="ready")) == DATA
        with pytest.raises(Unauthorized):
            _get(registry, Credentials(registry_token="stale"))
        assert registry.asked("", "/token") == []


def test_a_token_that_is_no_longer_good_is_got_anew(registry: FakeRegistry) -> None:
    registry.auth = Auth("bearer", users={"jane": "secret"})

    async def work(client: RegistryClient) -> None:
        repository = client.repository(reference.parse(f"{registry.host}/a/b"), JANE)
        await repository.manifest("1")
        registry.auth.revoke()
        await repository.manifest("1")

    with registry:
        with_client(work)
        assert len(registry.asked("GET", "/token")) == 2


def test_a_known_challenge_is_met_at_once(registry: FakeRegistry) -> None:
    registry.auth = Auth("bearer", users={"jane": "secret"})

    async def work(client: RegistryClient) -> int:
        await client.repository(reference.parse(f"{registry.host}/a/b"), JANE).manifest("1")
        before = len(registry.requests)
        await client.repository(reference.parse(f"{registry.host}/a/b"), JANE).manifest("1")
        return len(registry.requests) - before

    with registry:
        assert with_client(work) == 1


def test_denied(registry: FakeRegistry) -> None:
    registry.auth = Auth("basic", users={"jane": "secret"}, rights=lambda user, repository, action: False)
    with registry, pytest.raises(Forbidden, match="denied: requested access") as caught:
        _get(registry, JANE)
    assert f"docker login {registry.host}" in str(caught.value)


@pytest.mark.parametrize(
    ("more", "times"),
    [
        ({"status": 503}, 2),
        ({"cut": 0}, 2),
        ({"status": 500}, 1),
        ({"cut": 3, "reset": True}, 1),
        ({"status": 429, "headers": {"Retry-After": "0"}}, 2),
    ],
)
def test_what_may_pass_is_outlived(registry: FakeRegistry, more: dict[str, Any], times: int) -> None:
    registry.faults.append(Fault("/manifests/", times=times, **more))
    with registry:
        assert _get(registry) == DATA


def test_faults_of_the_token_server_are_outlived(registry: FakeRegistry) -> None:
    registry.auth = Auth("bearer", users={"jane": "secret"})
    registry.faults.append(Fault("/token", status=503, times=2))
    with registry:
        assert _get(registry, JANE) == DATA
    registry.faults.append(Fault("/token", status=429, headers={"Retry-After": "900"}, times=None))
    with registry, pytest.raises(TooManyRequests, match="try again in 900 seconds"):
        _get(registry, JANE)


def test_attempts_are_counted(registry: FakeRegistry) -> None:
    registry.faults.append(Fault("/manifests/", status=502, times=None))
    with registry, pytest.raises(Unavailable, match="status 502"):
        _get(registry, attempts=4)
    assert len(registry.asked("GET", "/manifests/")) == 4


def test_a_refusal_is_not_tried_again(registry: FakeRegistry) -> None:
    registry.faults.append(Fault("/manifests/", status=404))
    with registry, pytest.raises(NotFound):
        _get(registry)
    assert len(registry.asked("GET", "/manifests/")) == 1


def test_retry_after_is_waited_for(registry: FakeRegistry) -> None:
    registry.faults.append(Fault("/manifests/", status=429, headers={"Retry-After": "1"}))
    begun = time.monotonic()
    with registry:
        assert _get(registry) == DATA
    assert time.monotonic() - begun >= 1


@pytest.mark.parametrize("date", [False, True])
def test_a_long_retry_after_is_told(registry: FakeRegistry, date: bool) -> None:
    after = email.utils.formatdate(time.time() + 3600, usegmt=True) if date else "3600"
    registry.faults.append(Fault("/manifests/", status=429, headers={"Retry-After": after}))
    with registry, pytest.raises(TooManyRequests, match=r"try again in 3[56]") as caught:
        _get(registry)
    assert caught.value.retry_after is not None
    assert 3590 < caught.value.retry_after <= 3600


def test_a_429_without_a_hint_is_tried_twice(registry: FakeRegistry) -> None:
    registry.faults.append(Fault("/manifests/", status=429, times=None))
    with registry, pytest.raises(TooManyRequests, match="later"):
        _get(registry, attempts=5)
    assert len(registry.asked("GET", "/manifests/")) == 2


def test_nobody_there(registry: FakeRegistry) -> None:
    with registry:
        pass
    with pytest.raises(Unreachable, match="refused") as caught:
        _get(registry)
    assert registry.host in str(caught.value)


def test_no_http(registry: FakeRegistry) -> None:
    registry.faults.append(Fault("/manifests/", headers={"Content-Length": "5, 6"}))
    with registry, pytest.raises(Unavailable, match="protocol"):
        _get(registry)
    assert len(registry.asked("GET", "/manifests/")) == 1
