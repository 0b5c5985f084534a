"""CVE-2020-15157: whoever makes an image or answers for a registry names another host, and waits for credentials.

Each test first sees that the registry itself was given them, so that an empty log of the other host means something.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.fakes import certificates
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_faults import Fault, Request
from tests.security.registry_world import PASSWORD, USER, ask, blob_of, locked, told

from carrack.errors import CarrackError
from carrack.oci.descriptor import Descriptor
from carrack.registry.repository import Repository
from carrack.registry.settings import parse_rules

DATA = b"the layer" * 1000


def known(request: Request) -> bool:
    """Whether the client has shown who it is."""
    return bool(request.authorization)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(auth=locked()) as started:
        yield started


@pytest.fixture
def other(registry: FakeRegistry) -> Iterator[FakeRegistry]:
    """Another origin that has the same content and asks for nothing."""
    with FakeRegistry(registry.content) as started:
        yield started


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_blob_takes_no_credentials_along(
    registry: FakeRegistry, other: FakeRegistry, scheme: str, status: int
) -> None:
    registry.auth.scheme = scheme
    digest = registry.content.put_blob("app", DATA)
    registry.faults = [Fault("/blobs/", redirect=other.url + "{target}", status=status, times=None, when=known)]
    assert ask(registry, lambda repository: blob_of(repository, digest, len(DATA))) == DATA
    assert told(registry)
    assert other.asked("GET", "/blobs/")
    assert told(other) == []


def test_a_redirect_of_a_manifest_takes_no_credentials_along(registry: FakeRegistry, other: FakeRegistry) -> None:
    stored = registry.content.add_image("app", "1", [DATA])
    registry.faults = [Fault("/manifests/", redirect=other.url + "{target}", times=None, when=known)]
    fetched = ask(registry, lambda repository: repository.manifest("1"))
    assert fetched.descriptor.digest == stored.manifest
    assert told(registry)
    assert other.asked("GET", "/manifests/")
    assert told(other) == []


def test_the_host_redirected_to_cannot_ask_for_them(registry: FakeRegistry, other: FakeRegistry) -> None:
    digest = registry.content.put_blob("app", DATA)
    other.auth = Auth("bearer", users={"user": PASSWORD})
    registry.faults = [Fault("/blobs/", redirect=other.url + "{target}", times=None, when=known)]
    with pytest.raises(CarrackError):
        ask(registry, lambda repository: blob_of(repository, digest, len(DATA)))
    other.auth = Auth("basic", users={"user": PASSWORD})
    with pytest.raises(CarrackError):
        ask(registry, lambda repository: blob_of(repository, digest, len(DATA)))
    assert told(registry)
    assert other.asked("GET", "/blobs/")
    assert told(other) == []


def test_the_host_redirected_to_cannot_send_them_back_elsewhere(registry: FakeRegistry, other: FakeRegistry) -> None:
    """A challenge of the other host that names the registry's own token service gets nobody's token."""
    digest = registry.content.put_blob("app", DATA)
    other.auth = Auth("bearer", users={"user": PASSWORD}, realm=f"{registry.url}/token", service=registry.auth.service)
    registry.faults = [Fault("/blobs/", redirect=other.url + "{target}", times=None, when=known)]
    with pytest.raises(CarrackError):
        ask(registry, lambda repository: blob_of(repository, digest, len(DATA)))
    assert told(other) == []


def test_a_redirect_of_an_upload_takes_no_credentials_along(registry: FakeRegistry, other: FakeRegistry) -> None:
    """Location of an upload that was begun."""
    registry.faults = [
        Fault(
            "/blobs/uploads/",
            "POST",
            headers={"Location": f"{other.url}/v2/app/blobs/uploads/x"},
            times=None,
            when=known,
        )
    ]
    digest, size = registry.content.put_blob("elsewhere", DATA), len(DATA)

    async def upload(repository: Repository) -> None:
        async def data(offset: int) -> AsyncIterator[bytes]:
            yield DATA[offset:]

        await repository.upload(Descriptor("application/octet-stream", digest, size), data, lambda count: None)

    with pytest.raises(CarrackError):
        ask(registry, upload, push=True)
    assert told(registry)
    assert told(other) == []


def test_the_next_page_of_tags_is_not_on_another_host(registry: FakeRegistry, other: FakeRegistry) -> None:
    for tag in ("a", "b"):
        registry.content.put_manifest("app", b"{}", "application/vnd.oci.image.manifest.v1+json", tag)
    link = f'<{other.url}/v2/app/tags/list?last=b>; rel="next"'
    registry.faults = [Fault("/tags/list", headers={"Link": link}, times=None, when=known)]

    async def tags(repository: Repository) -> list[str]:
        return [tag async for tag in repository.tags()]

    with pytest.raises(CarrackError):
        ask(registry, tags)
    assert told(registry)
    assert told(other) == []


@pytest.mark.parametrize(
    "realm", ["file:///etc/passwd", "gopher://127.0.0.1/", "//127.0.0.1:1", "/token", "", "http://"]
)
def test_a_realm_that_is_no_url_is_refused(registry: FakeRegistry, realm: str) -> None:
    registry.auth.challenge = f'Bearer realm="{realm}",service="x",scope="repository:app:pull"'
    with pytest.raises(CarrackError) as caught:
        ask(registry, lambda repository: repository.manifest("1"))
    assert registry.host in str(caught.value)
    assert told(registry) == []


def test_a_plain_realm_of_a_registry_with_tls_is_refused(tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.server_key)
    with FakeRegistry(auth=locked()) as plain, FakeRegistry(auth=locked(), tls=context) as registry:
        trusted = tmp_path / "certs.d" / registry.host
        trusted.mkdir(parents=True)
        (trusted / "ca.crt").write_bytes(made.authority.read_bytes())
        registry.content.add_image("app", "1", [DATA])
        assert ask(registry, lambda repository: repository.manifest("1"), certs_dir=tmp_path / "certs.d")
        registry.auth.realm = f"{plain.url}/token"
        with pytest.raises(CarrackError, match="http"):
            ask(registry, lambda repository: repository.manifest("1"), certs_dir=tmp_path / "certs.d")
        assert plain.requests == []


@pytest.mark.parametrize("there", ["https", "http"])
def test_no_redirect_leads_out_of_tls(tmp_path: Path, there: str) -> None:
    """A blob that a registry with TLS sends elsewhere is fetched with TLS or not at all."""
    made = certificates.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.server_key)
    with (
        FakeRegistry(auth=locked(), tls=context) as registry,
        FakeRegistry(registry.content, tls=context if there == "https" else None) as other,
    ):
        for host in (registry.host, other.host):
            trusted = tmp_path / "certs.d" / host
            trusted.mkdir(parents=True)
            (trusted / "ca.crt").write_bytes(made.authority.read_bytes())
        digest = registry.content.put_blob("app", DATA)
        registry.faults = [Fault("/blobs/", redirect=other.url + "{target}", times=None, when=known)]

        def fetch() -> bytes:
            work = lambda repository: blob_of(repository, digest, len(DATA))  # noqa: E731
            return ask(registry, work, certs_dir=tmp_path / "certs.d")

        if there == "https":
            assert fetch() == DATA
        else:
            with pytest.raises(CarrackError):
                fetch()
            assert other.requests == []
        assert told(other) == []


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://user:pw@127.0.0.1:1/", "http://[", ""]
)
def test_a_redirect_to_what_is_no_url_is_refused(registry: FakeRegistry, place: str) -> None:
    digest = registry.content.put_blob("app", DATA)
    registry.faults = [Fault("/blobs/", status=307, headers={"Location": place}, times=None, when=known)]
    with pytest.raises(CarrackError) as caught:
        ask(registry, lambda repository: blob_of(repository, digest, len(DATA)))
    assert registry.host in str(caught.value)


def test_redirects_without_end_are_refused(registry: FakeRegistry) -> None:
    digest = registry.content.put_blob("app", DATA)
    registry.faults = [Fault("/blobs/", redirect=registry.url + "{target}", times=None)]
    with pytest.raises(CarrackError, match="redirect"):
        ask(registry, lambda repository: blob_of(repository, digest, len(DATA)))
    assert len(registry.asked("GET", "/blobs/")) < 100


def test_a_registry_s_credentials_are_not_its_mirror_s(registry: FakeRegistry, other: FakeRegistry) -> None:
    stored = registry.content.add_image("app", "1", [DATA])
    other.auth = Auth("basic", users={"user": PASSWORD})
    rules = parse_rules(f'[[registry]]\nprefix = "{registry.host}"\n[[registry.mirror]]\nlocation = "{other.host}"\n')
    fetched = ask(registry, lambda repository: repository.manifest("1"), rules=rules)
    assert fetched.descriptor.digest == stored.manifest
    assert other.requests
    assert told(registry)
    assert told(other) == []


def test_the_password_is_in_no_error(registry: FakeRegistry) -> None:
    registry.auth.users = {"user": "another"}
    with pytest.raises(CarrackError) as caught:
        ask(registry, lambda repository: repository.manifest("1"))
    chain: list[str] = []
    error: BaseException | None = caught.value
    while error is not None:
        chain.append(repr(error) + str(error))
        error = error.__cause__ or error.__context__
    assert PASSWORD not in "".join(chain)
    assert PASSWORD not in repr(USER)
