"""What registries are asked without an image coming or going."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_faults import Fault

from carrack.engine.images.remote import Remote
from carrack.errors import InvalidArgument, NotFound, Unauthorized, Unavailable
from carrack.oci import reference
from carrack.registry.client import RegistryClient
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.settings import RegistrySettings


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def ask(verb: str, *arguments: Any) -> Any:
    async def run() -> Any:
        client = RegistryClient(RegistrySettings(attempts=1))
        try:
            return await getattr(Remote(client), verb)(*arguments)
        finally:
            await client.close()

    return asyncio.run(run())


def test_what_a_name_stands_for(registry: FakeRegistry) -> None:
    one = registry.content.add_image("app", "amd", [tar({"a": b"1"})])
    two = registry.content.add_image("app", "arm", [tar({"a": b"2"})], architecture="arm64", variant="v8")
    index = registry.content.add_index("app", "latest", [(one, "linux/amd64"), (two, "linux/arm64/v8")])
    single = ask("describe", reference.parse(f"{registry.host}/app:arm"), ANONYMOUS)
    assert single["Descriptor"]["digest"] == two.manifest
    assert single["Platforms"] == [{"architecture": "arm64", "os": "linux", "variant": "v8"}]
    both = ask("describe", reference.parse(f"{registry.host}/app"), ANONYMOUS)
    assert both["Descriptor"]["digest"] == index
    assert both["Platforms"] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
    ]
    named = ask("describe", reference.parse(f"{registry.host}/app@{one.manifest}"), ANONYMOUS)
    assert named["Descriptor"]["digest"] == one.manifest
    with pytest.raises(NotFound):
        ask("describe", reference.parse(f"{registry.host}/none"), ANONYMOUS)


def test_logins() -> None:
    with FakeRegistry(auth=Auth("bearer", {"me": "canary"})) as registry:
        answer = ask("login", Credentials("me", "canary", server_address=registry.host))
        assert answer["Status"] == "Login Succeeded"
        assert registry.auth.refresh[answer["IdentityToken"]] == "me"
        with pytest.raises(Unauthorized) as failure:
            ask("login", Credentials("me", "wrong-canary", server_address=f"http://{registry.host}/v1/"))
        assert "canary" not in str(failure.value)


RESULTS = [
    {"name": "a", "description": "first", "star_count": 3, "is_official": True},
    {"name": "b/c", "description": "second", "star_count": 30, "is_official": False, "is_automated": True},
]


@pytest.mark.census("image search", "filter /images/search is-*", "filter /images/search stars")
def test_searches_and_their_filters(registry: FakeRegistry) -> None:
    body = json.dumps({"results": RESULTS}).encode()
    registry.faults.append(Fault("/v1/search", times=None, status=200, body=body))

    def names(**filters: list[str]) -> list[str]:
        given = {name.replace("_", "-"): words for name, words in filters.items()}
        return [each["name"] for each in ask("search", f"{registry.host}/x", 0, given, ANONYMOUS)]

    assert names() == ["a", "b/c"]
    assert names(is_official=["true"]) == ["a"]
    assert names(is_official=["0"]) == ["b/c"]
    assert names(stars=["4"]) == ["b/c"]
    assert names(stars=["40"]) == []
    assert names(is_automated=["true"]) == []
    assert names(is_automated=["false"]) == ["a", "b/c"]
    assert "q=x&n=25" in registry.requests[-1].target
    ask("search", f"{registry.host}/x", 7, {}, ANONYMOUS)
    assert "q=x&n=7" in registry.requests[-1].target


@pytest.mark.parametrize(
    ("limit", "filters", "told"),
    [
        (101, {}, r"limit 101 is outside the range of \[1, 100\]"),
        (-1, {}, "limit -1 is outside"),
        (0, {"a": ["b"]}, "^invalid filter 'a'$"),
        (0, {"stars": ["b"]}, "^invalid filter 'stars=b': strconv.Atoi: parsing \"b\": invalid syntax$"),
        (0, {"is-official": ["b"]}, r"^invalid filter 'is-official=\[b\]'$"),
    ],
)
def test_what_cannot_be_searched_for(limit: int, filters: dict[str, list[str]], told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        ask("search", "127.0.0.1:1/x", limit, filters, ANONYMOUS)


def test_a_config_that_is_another(registry: FakeRegistry) -> None:
    registry.content.add_image("app", "1", [tar({"a": b"1"})])
    registry.faults.append(Fault("/blobs/", times=None, corrupt=5))
    with pytest.raises(Unavailable, match="the registry sent other content"):
        ask("describe", reference.parse(f"{registry.host}/app:1"), ANONYMOUS)
