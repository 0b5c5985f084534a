from __future__ import annotations

import json
from typing import Any

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_content import sha
from tests.fakes.registry_faults import Fault
from tests.fakes.registry_use import blob, read, source, with_repository

from carrack.errors import NotFound, Unavailable
from carrack.oci import media_types as types
from carrack.registry.failures import Interrupted, Untrue
from carrack.registry.repository import Repository
from carrack.registry.settings import RegistrySettings, parse_rules

CONFIG = {"mediaType": types.OCI_CONFIG, "digest": sha(b"{}"), "size": 2}
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": types.OCI_MANIFEST, "config": CONFIG, "layers": []}).encode()


def _put(registry: FakeRegistry, tag: str = "1", data: bytes = MANIFEST, kind: str = types.OCI_MANIFEST) -> str:
    registry.content.repositories.setdefault("a/b", set())
    return registry.content.put_manifest("a/b", data, kind, tag)


def test_a_manifest_by_tag_and_by_digest() -> None:
    with FakeRegistry() as registry:
        digest = _put(registry)
        registry.headers = {"RateLimit-Limit": "100;w=60", "RateLimit-Remaining": "9;w=60"}
        for reference in ("1", digest):
            found = with_repository(f"{registry.host}/a/b", lambda r: r.manifest(reference))  # noqa: B023
            assert found.data == MANIFEST
            assert (found.descriptor.digest, found.descriptor.size) == (digest, len(MANIFEST))
            assert found.descriptor.media_type == types.OCI_MANIFEST
            assert found.source == registry.host
            assert found.limits is not None
            assert found.limits.remaining == 9
        accept = registry.asked("GET", "/manifests/1")[0].headers["accept"]
        assert types.OCI_INDEX in accept
        assert types.DOCKER_MANIFEST in accept


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault("/manifests/", body=b'{"schemaVersion": 2, "layers": []}'), "digest"),
        (Fault("/manifests/", headers={"Docker-Content-Digest": "sha256:" + "0" * 64}), "says digest"),
        (Fault("/manifests/", fill=5 << 20), "5242880 bytes"),
        (Fault("/manifests/", fill=5 << 20, chunked=True), "more than"),
    ],
)
def test_a_manifest_that_is_not_what_it_should_be(fault: Fault, told: str) -> None:
    with FakeRegistry() as registry:
        _put(registry)
        registry.faults.append(fault)
        with pytest.raises(Untrue, match=told):
            with_repository(f"{registry.host}/a/b", lambda r: r.manifest("1"))
        assert with_repository(f"{registry.host}/a/b", lambda r: r.manifest("1")).data == MANIFEST


def test_other_content_under_a_digest() -> None:
    with FakeRegistry() as registry:
        digest = _put(registry)
        _put(registry, "2", MANIFEST + b" ")
        registry.faults.append(Fault("/manifests/", body=MANIFEST + b" ", headers={"Docker-Content-Digest": None}))
        with pytest.raises(Untrue, match="other content"):
            with_repository(f"{registry.host}/a/b", lambda r: r.manifest(digest))


@pytest.mark.parametrize(
    ("kind", "data", "expected"),
    [
        ("application/json", MANIFEST, types.OCI_MANIFEST),
        ("", b'{"manifests": []}', types.OCI_INDEX),
        ("text/plain; charset=utf-8", b'{"layers": []}', types.OCI_MANIFEST),
        ("application/json", b'{"schemaVersion": 1}', types.DOCKER_SCHEMA_1),
        (types.DOCKER_SCHEMA_1_SIGNED, b'{"schemaVersion": 1}', types.DOCKER_SCHEMA_1_SIGNED),
        (types.DOCKER_INDEX.upper() + ";a=b", b"{}", types.DOCKER_INDEX),
    ],
)
def test_the_media_type(kind: str, data: bytes, expected: str) -> None:
    with FakeRegistry() as registry:
        _put(registry, "1", data, kind)
        found = with_repository(f"{registry.host}/a/b", lambda r: r.manifest("1"))
        assert found.descriptor.media_type == expected


def test_an_unknown_tag_is_named() -> None:
    with FakeRegistry() as registry:
        _put(registry)
        with pytest.raises(NotFound) as caught:
            with_repository(f"{registry.host}/a/b", lambda r: r.manifest("nope"))
        for part in ("a/b:nope", registry.host, "manifest unknown", "check"):
            assert part in str(caught.value)


@pytest.mark.census("registry HEAD manifest")
def test_head() -> None:
    with FakeRegistry() as registry:
        digest = _put(registry)
        found = with_repository(f"{registry.host}/a/b", lambda r: r.head("1"))
        assert found is not None
        assert (found.digest, found.size, found.media_type) == (digest, len(MANIFEST), types.OCI_MANIFEST)
        registry.knobs.digests = False
        assert with_repository(f"{registry.host}/a/b", lambda r: r.head("1")) is None
        registry.knobs.heads = False
        assert with_repository(f"{registry.host}/a/b", lambda r: r.head("1")) is None
        registry.knobs.heads = True
        with pytest.raises(NotFound):
            with_repository(f"{registry.host}/a/b", lambda r: r.head("nope"))


def test_the_size_of_a_blob() -> None:
    with FakeRegistry() as registry:
        digest = registry.content.put_blob("a/b", b"data")
        assert with_repository(f"{registry.host}/a/b", lambda r: r.size_of(digest)) == 4
        assert with_repository(f"{registry.host}/a/b", lambda r: r.size_of("sha256:" + "0" * 64)) is None


@pytest.mark.census("registry blob mount cross-repo")
def test_a_mount_saves_the_upload() -> None:
    with FakeRegistry() as registry:
        digest = registry.content.put_blob("a/b", b"data")
        assert with_repository(f"{registry.host}/c", lambda r: r.mount(digest, "a/b"), push=True)
        assert registry.content.has("c", digest)
        assert not with_repository(f"{registry.host}/c", lambda r: r.mount("sha256:" + "0" * 64, "a/b"), push=True)
        registry.knobs.mounts = False
        assert not with_repository(f"{registry.host}/d", lambda r: r.mount(digest, "a/b"), push=True)
        assert registry.content.uploads == {}  # what was opened in vain is ended


@pytest.mark.census("registry delete manifest/tag")
def test_put_and_delete() -> None:
    with FakeRegistry() as registry:
        registry.knobs.strict = False

        async def work(repository: Repository) -> str:
            await repository.upload(blob(b"layer"), source(b"layer"))
            digest = await repository.put_manifest("1", MANIFEST, types.OCI_MANIFEST)
            await repository.put_manifest(digest, MANIFEST, types.OCI_MANIFEST)
            return digest

        assert with_repository(f"{registry.host}/a/b", work, push=True) == sha(MANIFEST)
        assert registry.content.manifest("a/b", "1") is not None
        with_repository(f"{registry.host}/a/b", lambda r: r.delete_manifest("1"), push=True)
        assert registry.content.manifest("a/b", "1") is None
        registry.faults.append(Fault("/manifests/", headers={"Docker-Content-Digest": "sha256:" + "0" * 64}))
        with pytest.raises(Untrue, match="keeps it as"):
            with_repository(f"{registry.host}/a/b", work, push=True)


@pytest.mark.census("registry tags list + pagination")
def test_tags_come_page_by_page() -> None:
    with FakeRegistry() as registry:
        tags = [f"{number:03}" for number in range(25)]
        for tag in tags:
            _put(registry, tag)
        registry.knobs.page = 10

        async def work(repository: Repository) -> list[str]:
            return [tag async for tag in repository.tags()]

        for registry.knobs.relative in (False, True):
            assert with_repository(f"{registry.host}/a/b", work) == tags
        assert len(registry.asked("GET", "/tags/list")) == 6


@pytest.mark.census("registry referrers API")
@pytest.mark.parametrize("api", [True, False])
def test_referrers(api: bool) -> None:
    with FakeRegistry() as registry:
        subject = _put(registry)
        document: dict[str, Any] = {
            "schemaVersion": 2, "mediaType": types.OCI_MANIFEST, "artifactType": "x/sbom", "layers": [],
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": sha(b"{}"), "size": 2},
            "subject": {"mediaType": types.OCI_MANIFEST, "digest": subject, "size": len(MANIFEST)},
        }  # fmt: skip
        data = json.dumps(document).encode()
        digest = _put(registry, "", data)
        registry.knobs.referrers = api
        if not api:
            entry = {"mediaType": types.OCI_MANIFEST, "digest": digest, "size": len(data), "artifactType": "x/sbom"}
            index = {"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": [entry]}
            _put(registry, subject.replace(":", "-"), json.dumps(index).encode(), types.OCI_INDEX)
        for kind, expected in (("", [digest]), ("x/sbom", [digest]), ("x/other", [])):
            index_found = with_repository(f"{registry.host}/a/b", lambda r: r.referrers(subject, kind))  # noqa: B023
            assert [one.digest for one in index_found.manifests] == expected
        nothing = with_repository(f"{registry.host}/a/b", lambda r: r.referrers("sha256:" + "1" * 64))
        assert nothing.manifests == ()


def _mirrored(mirror: FakeRegistry, registry: FakeRegistry, more: str = "") -> RegistrySettings:
    text = f"""
[[registry]]
prefix = "{registry.host}"
{more}
[[registry.mirror]]
location = "{mirror.host}/copy"
"""
    return RegistrySettings(rules=parse_rules(text), attempts=1)


def test_a_mirror_is_asked_first_and_the_registry_when_it_fails() -> None:
    with FakeRegistry() as mirror, FakeRegistry() as registry:
        digest = _put(registry)
        mirror.content.repositories["copy/a/b"] = set()
        mirror.content.put_manifest("copy/a/b", MANIFEST, types.OCI_MANIFEST, "1")
        registry.content.put_blob("a/b", b"data")
        settings = _mirrored(mirror, registry)
        name = f"{registry.host}/a/b"
        assert with_repository(name, lambda r: r.manifest("1"), settings=settings).source == mirror.host
        assert registry.requests == []
        assert (
            with_repository(name, lambda r: read(r, blob(b"data")), settings=settings) == b"data"
        )  # not at the mirror
        for status in (401, 403, 404, 429, 500):
            mirror.faults = [Fault("/manifests/", status=status)]
            found = with_repository(name, lambda r: r.manifest(digest), settings=settings)
            assert found.source == registry.host
        mirror.stop()
        assert with_repository(name, lambda r: r.manifest("1"), settings=settings).source == registry.host
        mirror.start()


def test_a_blob_that_breaks_off_at_a_mirror_goes_on_at_the_registry() -> None:
    data = bytes(range(256)) * 4000
    with FakeRegistry() as mirror, FakeRegistry() as registry:
        mirror.content.put_blob("copy/a/b", data)
        registry.content.put_blob("a/b", data)
        mirror.faults.append(Fault("/blobs/", cut=100_000, times=None))

        async def work(repository: Repository) -> bytes:
            with pytest.raises(Interrupted):
                await read(repository, blob(data))
            return data[:50_000] + await read(repository, blob(data), 50_000)

        assert with_repository(f"{registry.host}/a/b", work, settings=_mirrored(mirror, registry)) == data
        assert len(mirror.asked("GET", "/blobs/")) == 1


def test_without_fallback_the_registry_is_never_asked() -> None:
    with FakeRegistry() as mirror, FakeRegistry() as registry:
        _put(registry)
        with pytest.raises(NotFound, match=f"copy|{mirror.host}"):
            with_repository(
                f"{registry.host}/a/b",
                lambda r: r.manifest("1"),
                settings=_mirrored(mirror, registry, "fallback = false"),
            )
        assert registry.requests == []


def test_what_the_mirrors_said_is_noted_when_all_fail() -> None:
    with FakeRegistry() as mirror, FakeRegistry() as registry:
        mirror.faults.append(Fault("/manifests/", status=500, message="broken mirror"))
        with pytest.raises(NotFound) as caught:
            with_repository(f"{registry.host}/a/b", lambda r: r.manifest("1"), settings=_mirrored(mirror, registry))
        assert any("broken mirror" in note for note in caught.value.__notes__)


def test_nobody_left_to_ask() -> None:
    text = """
[[registry]]
prefix = "r.example.com"
fallback = false
[[registry.mirror]]
location = "127.0.0.1:1"
pull-from-mirror = "digest-only"
"""
    settings = RegistrySettings(rules=parse_rules(text))
    with pytest.raises(Unavailable, match=r"registries\.toml"):
        with_repository("r.example.com/a", lambda r: r.manifest("1"), settings=settings)


def test_a_place_is_asked_last_for_what_it_gave_wrong() -> None:
    with FakeRegistry() as registry, FakeRegistry(registry.content) as mirror:
        _put(registry)
        data = blob(b"data")
        registry.content.put_blob("a/b", b"data")
        rules = parse_rules(f"[[registry]]\nprefix = '{registry.host}'\nmirror = [{{location = '{mirror.host}'}}]\n")

        async def ask(repository: Repository) -> None:
            async with repository.blob(data) as stream:
                assert stream.source == mirror.host
            assert repository.avoid(data.digest, "elsewhere")
            assert repository.avoid(data.digest, mirror.host)
            async with repository.blob(data) as stream:
                assert stream.source == registry.host
            assert not repository.avoid(data.digest, registry.host), "nobody else is left"

        with_repository(f"{registry.host}/a/b", ask, settings=RegistrySettings(rules=rules))
