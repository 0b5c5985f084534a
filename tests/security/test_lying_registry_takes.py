"""A registry that lies while it is pushed to: on what it has got, on where to go on, on what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_content import sha
from tests.fakes.registry_faults import Fault
from tests.security.registry_world import ANONYMOUS, LAYER, ask

from carrack.errors import CarrackError
from carrack.oci import media_types as types
from carrack.oci.descriptor import Descriptor
from carrack.registry import uploads
from carrack.registry.repository import Repository

DATA = bytes(range(256)) * 2000
DIGEST = sha(DATA)
ZEROS = "sha256:" + "0" * 64


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRegistry]:
    monkeypatch.setattr(uploads, "_FIRST_PAUSE", 0.01)
    with FakeRegistry() as started:
        yield started


async def upload(repository: Repository) -> None:
    async def data(offset: int) -> AsyncIterator[bytes]:
        for at in range(offset, len(DATA), 50_000):
            yield DATA[at : at + 50_000]
            await asyncio.sleep(0)

    await repository.upload(Descriptor(LAYER, DIGEST, len(DATA)), data, lambda count: None)


def push(registry: FakeRegistry) -> None:
    ask(registry, upload, credentials=ANONYMOUS, push=True, attempts=3)


def refused(registry: FakeRegistry) -> None:
    """The push ends, soon, in words that name the registry and the blob; an honest registry then takes it."""
    with pytest.raises(CarrackError) as caught:
        push(registry)
    assert registry.host in str(caught.value)
    assert DIGEST[7:19] in str(caught.value)
    assert len(registry.requests) < 60
    registry.faults.clear()
    push(registry)
    assert registry.content.blobs[DIGEST] == DATA


# Broken off first, so that the rest goes in chunks, of which the registry tells how far they have got.
BROKEN = Fault("/uploads/", "PUT", take=100_000)


RANGES = ["0-5", "0-99999", "0-511998", "0-0", "0-9999999999", "0-999999999999999999", "bytes", "5-3", "-1"]


@pytest.mark.parametrize("said", RANGES)
@pytest.mark.parametrize("method", ["PATCH", "GET"])
def test_a_lie_on_what_has_come(registry: FakeRegistry, method: str, said: str) -> None:
    """After a chunk, or when asked after a break."""
    BROKEN.seen, text = 0, ""
    registry.faults = [BROKEN, Fault("/uploads/", method, headers={"Range": said}, times=None)]
    try:
        push(registry)
    except CarrackError as error:
        text = str(error)
    assert DIGEST[7:19] in text or registry.content.blobs[DIGEST] == DATA
    assert len(registry.requests) < 60
    assert not any(request.headers.get("content-length", "0").startswith("-") for request in registry.requests)


@pytest.mark.parametrize("status", [413, 416, 500, 404])
def test_what_is_never_taken(registry: FakeRegistry, status: int) -> None:
    registry.faults = [
        Fault("/uploads/", "PUT", status=status, times=None),
        Fault("/uploads/", "PATCH", status=status, times=None),
    ]
    refused(registry)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "http://[", "ftp://127.0.0.1/", ""])
def test_a_place_that_is_none(registry: FakeRegistry, place: str) -> None:
    registry.faults = [Fault("/uploads/", "POST", headers={"Location": place or None}, times=None)]
    refused(registry)


def test_it_keeps_another_blob(registry: FakeRegistry) -> None:
    registry.faults = [Fault("/uploads/", "PUT", headers={"Docker-Content-Digest": ZEROS}, times=None)]
    refused(registry)


def test_it_keeps_another_manifest(registry: FakeRegistry) -> None:
    registry.faults = [Fault("/manifests/", "PUT", headers={"Docker-Content-Digest": ZEROS}, times=None)]
    registry.knobs.strict = False

    async def put(repository: Repository) -> str:
        return await repository.put_manifest("1", b'{"layers":[],"config":{"digest":""}}', types.OCI_MANIFEST)

    with pytest.raises(CarrackError, match="instead of"):
        ask(registry, put, credentials=ANONYMOUS, push=True)


def test_it_says_that_it_has_what_it_has_not(registry: FakeRegistry) -> None:
    """Then the manifest is refused, which is told."""
    registry.faults = [Fault("/blobs/uploads/", "POST", status=201, body=b"", times=None)]

    async def mount(repository: Repository) -> bool:
        return await repository.mount(DIGEST, "other")

    assert ask(registry, mount, credentials=ANONYMOUS, push=True) is True
    registry.faults = [Fault("/blobs/uploads/", "POST", status=200, body=b"", times=None)]
    assert ask(registry, mount, credentials=ANONYMOUS, push=True) is False
