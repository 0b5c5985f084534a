from __future__ import annotations

import os

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault
from tests.fakes.registry_use import blob, read, with_repository

from carrack.oci.descriptor import Descriptor
from carrack.registry.failures import Interrupted, Untrue
from carrack.registry.repository import Repository

DATA = os.urandom(700_000)


def _read(registry: FakeRegistry, descriptor: Descriptor | None = None, offset: int = 0) -> tuple[int, bytes]:
    registry.content.put_blob("a/b", DATA)

    async def work(repository: Repository) -> tuple[int, bytes]:
        async with repository.blob(descriptor or blob(DATA), offset) as stream:
            return stream.offset, b"".join([piece async for piece in stream])

    return with_repository(f"{registry.host}/a/b", work)


@pytest.mark.census("registry range requests")
@pytest.mark.parametrize("fault", [None, Fault("/blobs/", chunked=True)])
@pytest.mark.parametrize("offset", [0, 1, 300_000, len(DATA) - 1])
def test_a_blob_comes_from_where_it_is_asked(offset: int, fault: Fault | None) -> None:
    with FakeRegistry() as registry:
        registry.faults += [fault] if fault else []
        assert _read(registry, offset=offset) == (offset, DATA[offset:])


def test_a_registry_without_ranges_sends_all() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/", ignore_range=True))
        assert _read(registry, offset=1000) == (0, DATA)


def test_an_offset_past_the_end_begins_anew() -> None:
    with FakeRegistry() as registry:
        assert _read(registry, offset=len(DATA)) == (0, DATA)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("/blobs/", cut=1000),
        Fault("/blobs/", cut=0, reset=True),
        Fault("/blobs/", cut=1000, reset=True),
        Fault("/blobs/", cut=70_000, chunked=True),
    ],
)
def test_a_broken_connection_is_an_interruption(fault: Fault) -> None:
    taken = bytearray()

    async def take(repository: Repository) -> None:
        async with repository.blob(blob(DATA), len(taken)) as stream:
            assert stream.offset == len(taken)
            async for piece in stream:
                taken.extend(piece)

    async def work(repository: Repository) -> None:
        with pytest.raises(Interrupted, match=r"blob [0-9a-f]{12} of 127.*a/b.*try again"):
            await take(repository)
        await take(repository)

    with FakeRegistry() as registry:
        registry.content.put_blob("a/b", DATA)
        registry.faults.append(fault)
        with_repository(f"{registry.host}/a/b", work)
    assert taken == DATA


@pytest.mark.parametrize(
    ("fault", "offset"),
    [
        (Fault("/blobs/", length=len(DATA) + 1), 0),
        (Fault("/blobs/", length=5), 0),
        (Fault("/blobs/", body=DATA + b"x", chunked=True), 0),
        (Fault("/blobs/", content_range=f"bytes 0-99/{len(DATA)}"), 100),
        (Fault("/blobs/", content_range=f"bytes 100-{len(DATA) - 1}/7"), 100),
        (Fault("/blobs/", content_range="nonsense"), 100),
        (Fault("/blobs/", status=204, body=b""), 0),
    ],
)
def test_a_lie_is_told_from_an_interruption(fault: Fault, offset: int) -> None:
    with FakeRegistry() as registry:
        registry.faults.append(fault)
        with pytest.raises(Untrue, match="a/b"):
            _read(registry, offset=offset)


def test_a_chunked_body_that_ends_early_is_an_interruption() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/", body=DATA[:1000], chunked=True))
        with pytest.raises(Interrupted, match="before its end"):
            _read(registry)


def test_an_empty_blob() -> None:
    with FakeRegistry() as registry:
        registry.content.put_blob("a/b", b"")
        assert with_repository(f"{registry.host}/a/b", lambda r: read(r, blob(b""))) == b""
