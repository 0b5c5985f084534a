from __future__ import annotations

import os

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_content import sha
from tests.fakes.registry_faults import Fault, Request
from tests.fakes.registry_use import blob, source, with_repository

from carrack.errors import Forbidden, InvalidArgument, Unavailable
from carrack.registry import uploads
from carrack.registry.credentials import Credentials
from carrack.registry.failures import Untrue
from carrack.registry.settings import RegistrySettings

DATA = os.urandom(900_000)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_FIRST_PAUSE", 0.01)


def _upload(registry: FakeRegistry, data: bytes = DATA, **more: object) -> list[int]:
    told: list[int] = []
    with_repository(
        f"{registry.host}/a/b", lambda r: r.upload(blob(data), source(data), told.append), push=True,
        settings=RegistrySettings(attempts=3), **more,  # type: ignore[arg-type]
    )  # fmt: skip
    return told


@pytest.mark.census("registry monolithic upload")
@pytest.mark.parametrize("relative", [True, False])
def test_a_blob_goes_at_once(relative: bool) -> None:
    with FakeRegistry() as registry:
        registry.knobs.relative = relative
        told = _upload(registry)
        assert registry.content.has("a/b", sha(DATA))
        assert [r.method for r in registry.asked("", "/blobs/uploads/")] == ["POST", "PUT"]
        assert told[-1] == len(DATA)
        assert told == sorted(told)


def test_an_empty_blob() -> None:
    with FakeRegistry() as registry:
        _upload(registry, b"")
        assert registry.content.has("a/b", sha(b""))


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_with_credentials(scheme: str) -> None:
    with FakeRegistry(auth=Auth(scheme, users={"jane": "secret"})) as registry:
        _upload(registry, credentials=Credentials("jane", "secret"))
        assert registry.content.has("a/b", sha(DATA))


def test_what_broke_goes_on_where_it_was_broken() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/uploads/", "PUT", take=300_000))
        _upload(registry)
        assert registry.content.has("a/b", sha(DATA))
        (patch,) = registry.asked("PATCH")
        assert patch.headers["content-range"] == f"300000-{len(DATA) - 1}"


def test_it_goes_on_as_often_as_there_is_progress() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/uploads/", "PUT", take=100_000))
        registry.faults.append(Fault("/blobs/uploads/", "PATCH", take=100_000, times=6))
        _upload(registry)
        assert registry.content.has("a/b", sha(DATA))


def test_an_upload_that_was_forgotten_begins_anew() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/uploads/", "PUT", take=100_000))
        registry.faults.append(Fault("/blobs/uploads/", "GET", status=404))
        _upload(registry)
        assert registry.content.has("a/b", sha(DATA))
        assert len(registry.asked("POST")) == 2


def test_without_progress_it_gives_up() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/uploads/", "PUT", status=500, times=None))
        with pytest.raises(Unavailable, match="push of blob"):
            _upload(registry)


@pytest.mark.census("registry chunked upload PATCH")
def test_a_body_that_is_too_large_goes_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_CHUNK", 256 * 1024)

    def forget(request: Request) -> bool:
        """A proxy before the registry has refused: nothing has come to the registry itself."""
        for _, data in registry.content.uploads.values():
            data.clear()
        return False

    def large(request: Request) -> bool:
        return int(request.headers.get("content-length", "0")) > 300_000

    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/uploads/", "GET", when=forget))
        registry.faults.append(Fault("/blobs/uploads/", status=413, times=None, when=large))
        _upload(registry)
        assert registry.content.has("a/b", sha(DATA))
        assert len([r for r in registry.asked("PATCH") if r.status == 202]) == 4


def test_a_registry_that_finds_all_too_large_and_forgets_is_left() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/uploads/", "PUT", status=413, times=None))
        registry.faults.append(Fault("/blobs/uploads/", "PATCH", status=413, times=None))
        registry.faults.append(Fault("/blobs/uploads/", "GET", status=404, times=None))
        with pytest.raises(InvalidArgument, match="no body of this size"):
            _upload(registry)
        assert len(registry.asked("POST")) < 10


def test_refusals_are_told() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/blobs/uploads/", "PUT", status=400, code="DIGEST_INVALID", message="no"))
        with pytest.raises(InvalidArgument, match="digest invalid: no"):
            _upload(registry)
        registry.faults.append(Fault("/blobs/uploads/", status=403, code="DENIED"))
        with pytest.raises(Forbidden, match="denied"):
            _upload(registry)
        registry.faults.append(Fault("/blobs/uploads/", "POST", headers={"Location": None}))
        with pytest.raises(Untrue, match="where the upload goes on"):
            _upload(registry)
        registry.faults.append(Fault("/blobs/uploads/", "PUT", status=413, times=None))
        registry.faults.append(Fault("/blobs/uploads/", "PATCH", status=413, times=None))
        with pytest.raises(InvalidArgument, match="no body of this size"):
            _upload(registry)


def test_a_source_that_is_too_short_is_told() -> None:
    with FakeRegistry() as registry, pytest.raises(Untrue, match="before its size"):
        with_repository(f"{registry.host}/a/b", lambda r: r.upload(blob(DATA), source(DATA[:-1])), push=True)


def test_an_upload_on_another_server_goes_without_credentials() -> None:
    with FakeRegistry(auth=Auth("basic", users={"jane": "secret"})) as registry, FakeRegistry() as other:
        other.content.uploads["1"] = ("a/b", bytearray())
        place = f"{other.url}/v2/a/b/blobs/uploads/1"
        registry.faults.append(Fault("/blobs/uploads/", "POST", headers={"Location": place}))
        _upload(registry, credentials=Credentials("jane", "secret"))
        assert other.content.has("a/b", sha(DATA))
        assert all(not request.authorization for request in other.requests)
