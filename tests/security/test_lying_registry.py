"""A registry that lies: on digests, sizes, ranges and types (CVE-2021-41190, CVE-2024-3727)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_content import descriptor
from tests.fakes.registry_faults import Fault
from tests.security.registry_world import ANONYMOUS, LAYER, ask, blob_of, outcome

from carrack.errors import CarrackError
from carrack.oci import manifest as manifests
from carrack.oci import media_types as types
from carrack.oci.descriptor import Descriptor
from carrack.registry.failures import Interrupted
from carrack.registry.repository import Repository

DATA = bytes(range(256)) * 400
ZEROS = "sha256:" + "0" * 64
HOSTILE = ("sha256:../../../../etc/passwd", "../../x", "sha256:" + "A" * 64, ZEROS[:-1], "md5:" + "0" * 32, "")


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as started:
        yield started


def manifest(registry: FakeRegistry, reference: str = "1") -> bytes:
    return ask(registry, lambda repository: repository.manifest(reference), credentials=ANONYMOUS, attempts=1).data


def blob(registry: FakeRegistry, digest: str, size: int, offset: int = 0) -> bytes:
    return ask(
        registry, lambda repository: blob_of(repository, digest, size, offset), credentials=ANONYMOUS, attempts=1
    )


def test_a_manifest_asked_for_by_digest_is_that_one(registry: FakeRegistry) -> None:
    stored = registry.content.add_image("app", "1", [DATA])
    kind, data = registry.content.manifests["app"][stored.manifest]
    assert manifest(registry, stored.manifest) == data
    registry.content.manifests["app"][stored.manifest] = (kind, data + b" ")
    with pytest.raises(CarrackError, match="digest") as caught:
        manifest(registry, stored.manifest)
    assert registry.host in str(caught.value)
    assert stored.manifest in str(caught.value)


@pytest.mark.parametrize("claimed", [*HOSTILE[:-1], ZEROS])
def test_a_manifest_s_digest_is_taken_of_its_bytes(registry: FakeRegistry, claimed: str) -> None:
    """Docker-Content-Digest that is another's, or none: refused, or of no weight."""
    stored = registry.content.add_image("app", "1", [DATA])
    registry.faults = [Fault("/manifests/", headers={"Docker-Content-Digest": claimed}, times=None)]

    async def work(repository: Repository) -> str:
        return (await repository.manifest("1")).descriptor.digest

    found = outcome(registry, lambda: ask(registry, work, credentials=ANONYMOUS, attempts=1))
    assert found in (None, stored.manifest)

    async def head(repository: Repository) -> str:
        answer = await repository.head("1")
        return answer.digest if answer else ""

    found = outcome(registry, lambda: ask(registry, head, credentials=ANONYMOUS, attempts=1))
    assert found in (None, "", ZEROS, stored.manifest)


CONFIG = descriptor(types.OCI_CONFIG, b"{}")


@pytest.mark.parametrize("said", [types.OCI_MANIFEST, types.OCI_INDEX, types.DOCKER_MANIFEST, "text/html", ""])
@pytest.mark.parametrize("inner", [types.OCI_MANIFEST, types.OCI_INDEX, types.DOCKER_INDEX, None])
@pytest.mark.parametrize("members", ["manifest", "index", "both"])
def test_cve_2021_41190_types(registry: FakeRegistry, said: str, inner: str | None, members: str) -> None:
    """Only where Content-Type, mediaType and the members agree is there anything to parse."""
    document: dict[str, object] = {"schemaVersion": 2} | ({"mediaType": inner} if inner else {})
    document |= {"config": CONFIG, "layers": []} if members != "index" else {}
    document |= {"manifests": []} if members != "manifest" else {}
    registry.content.put_manifest("app", json.dumps(document).encode(), said, "1")
    wanted = types.INDEXES if members == "index" else types.MANIFESTS
    promised = said or inner or ""
    agrees = members != "both" and promised in (*wanted, "") and (inner in (said, None) or not said)

    async def work(repository: Repository) -> manifests.Manifest | manifests.Index:
        fetched = await repository.manifest("1")
        return manifests.parse(fetched.data, fetched.descriptor.media_type)

    if agrees:
        assert ask(registry, work, credentials=ANONYMOUS, attempts=1).media_type in wanted
    else:
        with pytest.raises(CarrackError):
            ask(registry, work, credentials=ANONYMOUS, attempts=1)


@pytest.mark.parametrize("digest", HOSTILE)
def test_cve_2024_3727_no_url_is_made_of_what_is_no_digest(registry: FakeRegistry, digest: str) -> None:
    with pytest.raises(CarrackError):
        blob(registry, digest, 10)
    with pytest.raises(CarrackError):
        ask(registry, lambda repository: repository.size_of(digest), credentials=ANONYMOUS)
    with pytest.raises(CarrackError):
        ask(registry, lambda repository: repository.mount(digest, "other"), credentials=ANONYMOUS, push=True)
    assert registry.requests == []


@pytest.mark.parametrize("tag", ["../../_catalog", "a/b", "1?x=y", "1#x", "é", "a b", "a\r\nX: y", "x" * 129])
def test_cve_2024_3727_no_url_is_made_of_what_is_no_tag(registry: FakeRegistry, tag: str) -> None:
    with pytest.raises(CarrackError):
        manifest(registry, tag)
    assert registry.requests == []


@pytest.mark.parametrize(
    "said",
    ["bytes 0-99/102400", "bytes 5001-102399/102400", "bytes 5000-102399/102401", "bytes 5000-5999/102400",
     "bytes 5000-102399/*", "bytes */102400", "", "lines 5000-102399/102400", "bytes 5000-4999/102400"],
)  # fmt: skip
def test_a_lie_on_content_range(registry: FakeRegistry, said: str) -> None:
    """What is given on is the right bytes of the right place, or an error."""
    digest = registry.content.put_blob("app", DATA)
    assert blob(registry, digest, len(DATA), 5000) == DATA[5000:]
    registry.faults = [Fault("/blobs/", headers={"Content-Range": said or None}, times=None)]
    assert outcome(registry, lambda: blob(registry, digest, len(DATA), 5000)) in (None, DATA[5000:])


def test_a_range_that_is_ignored_begins_again(registry: FakeRegistry) -> None:
    digest = registry.content.put_blob("app", DATA)
    registry.faults = [Fault("/blobs/", ignore_range=True, times=None)]
    assert blob(registry, digest, len(DATA), 5000) == DATA


@pytest.mark.parametrize("length", [0, 1, len(DATA) - 1, len(DATA) + 1, 1 << 62])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_lie_on_the_length_of_a_blob(registry: FakeRegistry, length: int, chunked: bool) -> None:
    digest = registry.content.put_blob("app", DATA)
    if chunked:
        registry.faults = [Fault("/blobs/", body=(DATA * 2)[: min(length, 2 * len(DATA))], chunked=True, times=None)]
    else:
        registry.faults = [Fault("/blobs/", length=length, times=None)]
    with pytest.raises(CarrackError) as caught:
        blob(registry, digest, len(DATA))
    assert registry.host in str(caught.value)
    assert digest[7:19] in str(caught.value)


@pytest.mark.parametrize("cut", [0, 1, 5000, len(DATA) - 1])
@pytest.mark.parametrize("reset", [False, True])
def test_a_blob_cut_short_gives_what_has_come(registry: FakeRegistry, cut: int, reset: bool) -> None:
    digest, got = registry.content.put_blob("app", DATA), bytearray()
    registry.faults = [Fault("/blobs/", cut=cut, reset=reset, times=None)]

    async def work(repository: Repository) -> None:
        async with repository.blob(Descriptor(LAYER, digest, len(DATA))) as stream:
            async for chunk in stream:
                got.extend(chunk)

    with pytest.raises(Interrupted):
        ask(registry, work, credentials=ANONYMOUS, attempts=1)
    assert DATA.startswith(bytes(got))
    assert reset or len(got) == cut


def test_a_head_asked_for_by_digest_says_nothing_of_another(registry: FakeRegistry) -> None:
    stored = registry.content.add_image("app", "1", [DATA])
    other = registry.content.add_image("app", "2", [DATA + b"x"])

    async def head(repository: Repository) -> Descriptor | None:
        return await repository.head(stored.manifest)

    found = ask(registry, head, credentials=ANONYMOUS)
    assert found is not None
    assert found.digest == stored.manifest
    registry.faults = [Fault("/manifests/", headers={"Docker-Content-Digest": other.manifest}, times=None)]
    assert ask(registry, head, credentials=ANONYMOUS) is None


@pytest.mark.parametrize(
    "name", ["Content-Type", "Docker-Content-Digest", "Location", "WWW-Authenticate", "Retry-After"]
)
@pytest.mark.parametrize("status", [200, 307, 401, 429])
def test_no_field_steers_a_terminal(registry: FakeRegistry, name: str, status: int) -> None:
    value = "\x1b[2J\x07text/\x1b]0;x\x9b31m"
    registry.content.add_image("app", "1", [DATA])
    registry.faults = [Fault("/manifests/", status=status if status != 200 else 0, headers={name: value}, times=None)]
    text = ""
    try:
        manifest(registry)
    except CarrackError as error:
        text = str(error)
    assert not text or text.isprintable()


def test_errors_are_shown_without_what_steers_terminals(registry: FakeRegistry) -> None:
    registry.faults = [Fault("/manifests/", status=403, message="\x1b[2Jcleared\r\nfaked line\u202e", times=None)]
    with pytest.raises(CarrackError) as caught:
        manifest(registry)
    assert str(caught.value).isprintable()
    registry.faults = [Fault("/manifests/", status=403, body=b"<html>" * 100_000, times=None)]
    with pytest.raises(CarrackError) as caught:
        manifest(registry)
    assert len(str(caught.value)) < 2000
