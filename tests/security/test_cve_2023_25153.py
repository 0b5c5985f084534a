"""CVE-2023-25153, CVE-2021-21285: documents and answers without end from a registry.

Whatever is read into memory has a limit: the client stops soon after it, whatever the server says of the length.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault
from tests.security.registry_world import ANONYMOUS, ask, blob_of, locked, outcome

from carrack.errors import CarrackError
from carrack.oci import media_types
from carrack.registry import paging
from carrack.registry.repository import Repository

pytestmark = pytest.mark.alone

GIB = 1 << 30
MOST = 64 << 10  # KiB that the process may grow by
DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as started:
        yield started


async def _tags(repository: Repository) -> list[str]:
    return [tag async for tag in repository.tags()]


ASKED: dict[str, Callable[[Repository], Awaitable[object]]] = {
    "/manifests/": lambda repository: repository.manifest("1"),
    "/tags/list": _tags,
    "/referrers/": lambda repository: repository.referrers(DIGEST),
}


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("said", ["length", "chunks", "status", "less"])
def test_an_answer_of_1_gib(registry: FakeRegistry, what: str, said: str) -> None:
    headers = {"Content-Type": media_types.OCI_MANIFEST}
    fault = Fault(what, fill=GIB, times=None, headers=headers, status=500 if said == "status" else 200)
    fault.chunked, fault.length = said == "chunks", 100 if said == "less" else None
    registry.faults, before, begun = [fault], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    found = outcome(registry, lambda: ask(registry, ASKED[what], credentials=ANONYMOUS, limit=30, attempts=1))
    assert found is None or said == "less"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST
    assert time.monotonic() - begun < 30


def test_a_token_of_1_gib(registry: FakeRegistry) -> None:
    registry.auth.scheme = "bearer"
    registry.faults = [Fault("/token", fill=GIB, status=200, times=None)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CarrackError):
        ask(registry, ASKED["/manifests/"], credentials=ANONYMOUS, limit=30, attempts=1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MOST


@pytest.mark.parametrize("status", [200, 401, 307, 404])
def test_a_head_without_end(registry: FakeRegistry, status: int) -> None:
    """Header fields of a mebibyte, and thousands of fields."""
    for headers in ({"X-Long": "x" * (1 << 20)}, {f"X-{number}": "y" for number in range(5000)}):
        registry.faults = [Fault("/manifests/", status=status, headers=headers, times=None)]
        with pytest.raises(CarrackError):
            ask(registry, ASKED["/manifests/"], credentials=ANONYMOUS, limit=30, attempts=1)


def test_pages_of_tags_without_end(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page names the same next one."""
    monkeypatch.setattr(paging, "PAGES_LIMIT", 300)
    body = b'{"name": "app", "tags": ["a"]}'
    link = {"Link": '</v2/app/tags/list?last=a>; rel="next"', "Content-Type": "application/json"}
    registry.faults = [Fault("/tags/list", status=200, body=body, headers=link, times=None)]
    with pytest.raises(CarrackError):
        ask(registry, _tags, credentials=ANONYMOUS, limit=60, attempts=1)
    assert len(registry.requests) < 310


@pytest.mark.parametrize(
    "challenge", ["Bearer " + 'realm="x",' * 5000, "Bearer " + "a" * 60_000, 'Bearer realm="' * 4000]
)
def test_a_long_challenge(registry: FakeRegistry, challenge: str) -> None:
    registry.auth = locked(challenge=f"Bearer {challenge[:60_000]}")
    begun = time.monotonic()
    with pytest.raises(CarrackError):
        ask(registry, ASKED["/manifests/"], attempts=1)
    assert time.monotonic() - begun < 20


def test_a_blob_that_goes_on_after_its_end(registry: FakeRegistry) -> None:
    digest = registry.content.put_blob("app", bytes(1000))
    for fault in (Fault("/blobs/", fill=GIB, times=None), Fault("/blobs/", fill=GIB, chunked=True, times=None)):
        registry.faults, begun = [fault], time.monotonic()
        work = lambda: ask(registry, lambda found: blob_of(found, digest, 1000), credentials=ANONYMOUS, attempts=1)  # noqa: E731
        assert outcome(registry, work) in (None, bytes(1000))
        assert time.monotonic() - begun < 20
