"""The flows of public registries by their documented protocols, each against a local server that speaks it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_content import sha
from tests.fakes.registry_faults import Fault, Request
from tests.fakes.registry_use import blob, read, source, with_client, with_repository
from tests.registry.vendors import Tokens, Vendor, basic, with_storage

from carrack.errors import Forbidden, NotFound, Unauthorized
from carrack.oci import media_types as types
from carrack.registry import session
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.failures import TooManyRequests
from carrack.registry.repository import Repository

DATA = os.urandom(300_000)
CONFIG = b'{"architecture":"amd64","os":"linux"}'


def _fill(registry: FakeRegistry, repository: str) -> bytes:
    """An image of one layer under the tag 1; its manifest."""
    content = registry.content
    content.put_blob(repository, DATA)
    content.put_blob(repository, CONFIG)
    document = {
        "schemaVersion": 2,
        "mediaType": types.OCI_MANIFEST,
        "config": {"mediaType": types.OCI_CONFIG, "digest": sha(CONFIG), "size": len(CONFIG)},
        "layers": [{"mediaType": types.OCI_LAYER, "digest": sha(DATA), "size": len(DATA)}],
    }
    data = json.dumps(document).encode()
    content.put_manifest(repository, data, types.OCI_MANIFEST, "1")
    return data


async def _pull(repository: Repository) -> bytes:
    """What a pull asks for: a manifest by tag, a blob from its middle and a blob as a whole."""
    found = await repository.manifest("1")
    assert await read(repository, blob(DATA), 1000) == DATA[1000:]
    assert await read(repository, blob(CONFIG)) == CONFIG
    return found.data


async def _push(repository: Repository) -> str:
    await repository.upload(blob(DATA), source(DATA))
    await repository.upload(blob(CONFIG), source(CONFIG))
    layer = {"mediaType": types.OCI_LAYER, "digest": sha(DATA), "size": len(DATA)}
    config = {"mediaType": types.OCI_CONFIG, "digest": sha(CONFIG), "size": len(CONFIG)}
    document = {"schemaVersion": 2, "mediaType": types.OCI_MANIFEST, "config": config, "layers": [layer]}
    return await repository.put_manifest("pushed", json.dumps(document).encode(), types.OCI_MANIFEST)


class Hub:
    """Docker Hub: the API at one host, tokens at another, blobs at a third."""

    def __init__(self, registry: Vendor, tokens: Vendor) -> None:
        self.registry, self.tokens = registry, tokens


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    kind = Tokens(
        "/token", "registry.docker.io", basic(("jane", "dckr_pat"), anonymous=True), ("token", "access_token")
    )
    kind.refresh = True
    with Vendor(kind) as tokens, Vendor(kind) as registry, with_storage(registry):
        registry.auth = tokens.auth
        registry.auth.public = {"library/alpine"}
        registry.auth.realm = f"{tokens.url}/token"
        registry.headers = {
            "RateLimit-Limit": "100;w=21600",
            "RateLimit-Remaining": "75;w=21600",
            "Docker-RateLimit-Source": "192.0.2.7",
        }
        monkeypatch.setattr(session, "_HOSTS", {"docker.io": registry.host})
        yield Hub(registry, tokens)


@pytest.mark.census("registry Docker Hub", "registry rate-limit headers", "registry Bearer token")
def test_docker_hub_as_nobody(hub: Hub) -> None:
    manifest = _fill(hub.registry, "library/alpine")
    assert with_repository("alpine", _pull) == manifest
    (asked,) = hub.tokens.vendor.asked
    assert parse_qs(urlsplit(asked.target).query) == {
        "service": ["registry.docker.io"], "scope": ["repository:library/alpine:pull"],
    }  # fmt: skip
    assert asked.authorization == ""
    limits = with_repository("alpine", lambda r: r.manifest("1")).limits
    assert limits is not None
    assert (limits.limit, limits.remaining, limits.seconds, limits.source) == (100, 75, 21600, "192.0.2.7")


def test_docker_hub_as_a_user(hub: Hub) -> None:
    manifest = _fill(hub.registry, "jane/private")
    jane = Credentials("jane", "dckr_pat", server_address="https://index.docker.io/v1/")
    assert with_repository("jane/private", _pull, credentials=jane) == manifest
    assert with_repository("jane/new", _push, credentials=jane, push=True).startswith("sha256:")
    assert hub.registry.content.has("jane/new", sha(DATA))
    with pytest.raises(Unauthorized, match=r"jane/private:1 from docker\.io.*docker login"):
        with_repository("jane/private", _pull)


def test_a_login_at_docker_hub_gives_an_identity_token(hub: Hub) -> None:
    jane = Credentials("jane", "dckr_pat")
    assert with_client(lambda client: client.check("https://index.docker.io/v1/", jane)) == "identity-of-jane"
    with pytest.raises(Unauthorized):
        with_client(lambda client: client.check("", Credentials("jane", "wrong")))


def test_docker_hubs_limit_is_told_and_not_hammered(hub: Hub) -> None:
    words = "You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit"
    _fill(hub.registry, "library/alpine")
    hub.registry.faults.insert(0, Fault("/manifests/", status=429, code="TOOMANYREQUESTS", message=words, times=None))
    with pytest.raises(TooManyRequests, match="toomanyrequests: You have reached your unauthenticated pull rate limit"):
        with_repository("alpine", lambda r: r.manifest("1"))
    assert len(hub.registry.asked("GET", "/manifests/")) <= 2


@pytest.mark.census("registry GHCR")
def test_ghcr_gives_tokens_to_nobody_for_what_is_public_and_to_a_token_of_github() -> None:
    kind = Tokens("/token", "ghcr.io", basic(("jane", "ghp_secret"), anonymous=True), needs_scope=True)
    with Vendor(kind) as registry, with_storage(registry):
        registry.auth.public = {"jane/public"}
        public, private = _fill(registry, "jane/public"), _fill(registry, "jane/private")
        assert with_repository(f"{registry.host}/jane/public", _pull) == public
        jane = Credentials("jane", "ghp_secret")
        assert with_repository(f"{registry.host}/jane/private", _pull, credentials=jane) == private
        assert with_repository(f"{registry.host}/jane/new", _push, credentials=jane, push=True)
        with pytest.raises(Unauthorized):
            with_repository(f"{registry.host}/jane/private", _pull)
        with pytest.raises(Unauthorized):
            with_repository(f"{registry.host}/jane/private", _pull, credentials=Credentials("jane", "ghp_other"))
        assert with_client(lambda client: client.check(registry.host, jane)) == ""


@pytest.mark.census("registry ECR", "registry Basic auth")
def test_ecr_takes_basic_credentials_that_expire_and_keeps_blobs_in_s3() -> None:
    words = "eyJwYXlsb2FkIjoi" + "x" * 2000
    with FakeRegistry(auth=Auth("basic", users={"AWS": words})) as registry, with_storage(registry) as storage:
        registry.auth.challenge = f'Basic realm="{registry.url}/",service="ecr.amazonaws.com"'
        manifest = _fill(registry, "team/app")
        aws = Credentials("AWS", words)
        name = f"{registry.host}/team/app"
        assert with_repository(name, _pull, credentials=aws) == manifest
        assert with_repository(name, _push, credentials=aws, push=True)
        assert storage.requests
        with pytest.raises(Unauthorized):
            with_repository(name, _pull)
        message = "Your authorization token has expired. Reauthenticate and try again."
        registry.faults.insert(0, Fault("/manifests/", status=403, code="DENIED", message=message))
        with pytest.raises(Forbidden, match=r"authorization token has expired\. Reauthenticate.*docker login"):
            with_repository(name, _pull, credentials=aws)
        message = "The repository with name 'team/none' does not exist in the registry with id '123456789012'"
        registry.faults.insert(0, Fault("/blobs/uploads/", status=404, code="NAME_UNKNOWN", message=message))
        with pytest.raises(NotFound, match="name unknown: The repository with name 'team/none' does not exist"):
            with_repository(f"{registry.host}/team/none", _push, credentials=aws, push=True)


_KEY = json.dumps({"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\nMIIE:x\n"}, indent=2)


@pytest.mark.census("registry GCR/Artifact Registry")
@pytest.mark.parametrize(("user", "word"), [("_json_key", _KEY), ("oauth2accesstoken", "ya29." + "a" * 200)])
def test_google_takes_keys_in_json_and_access_tokens(user: str, word: str) -> None:
    kind = Tokens("/v2/token", "us-docker.pkg.dev", basic((user, word)), seconds=3600)
    with Vendor(kind) as registry, with_storage(registry):
        registry.knobs.relative = True  # uploads go on at a long path of the same host
        manifest = _fill(registry, "project/repository/app")
        credentials = Credentials(user, word)
        name = f"{registry.host}/project/repository/app"
        assert with_repository(name, _pull, credentials=credentials) == manifest
        assert with_repository(name, _push, credentials=credentials, push=True)
        with pytest.raises(Unauthorized):
            with_repository(name, _pull)


@pytest.mark.census("registry ACR", "registry identity token")
def test_azure_takes_refresh_tokens_and_the_admins_password() -> None:
    nobody = "00000000-0000-0000-0000-000000000000"

    def give(request: Request) -> str | None:
        if request.method == "POST":
            form = parse_qs(request.body.decode())
            return nobody if form["grant_type"] == ["refresh_token"] and form["refresh_token"] == ["acr.jwt"] else None
        return basic(("admin", "secret"), (nobody, "acr.jwt"))(request)

    kind = Tokens("/oauth2/token", "team.azurecr.io", give, ("access_token",), 4500, ("GET", "POST"))
    with Vendor(kind) as registry, with_storage(registry):
        registry.knobs.relative = True
        manifest = _fill(registry, "app")
        name = f"{registry.host}/app"
        for credentials in (
            Credentials("<token>", identity_token="acr.jwt"),
            Credentials(nobody, "acr.jwt"),
            Credentials("admin", "secret"),
        ):
            assert with_repository(name, _pull, credentials=credentials) == manifest
            assert with_repository(name, _push, credentials=credentials, push=True)
        posted = [request for request in kind.asked if request.method == "POST"]
        assert parse_qs(posted[0].body.decode())["service"] == ["team.azurecr.io"]
        for wrong in (Credentials("<token>", identity_token="stale"), Credentials("admin", "wrong"), ANONYMOUS):
            with pytest.raises(Unauthorized):
                with_repository(name, _pull, credentials=wrong)


@pytest.mark.parametrize(
    ("path", "service", "repository"),
    [
        ("/v2/auth", "quay.io", "jane/app"),
        ("/jwt/auth", "container_registry", "group/sub/project/app"),
        ("/service/token", "harbor-registry", "project/app"),
    ],
)
@pytest.mark.census("registry Quay", "registry GitLab", "registry Harbor")
def test_others_differ_in_where_tokens_are_got(path: str, service: str, repository: str) -> None:
    kind = Tokens(path, service, basic(("robot$jane+ci", "secret"), anonymous=True))
    with Vendor(kind) as registry:
        registry.auth.public = {"public/app"}
        manifest, public = _fill(registry, repository), _fill(registry, "public/app")
        robot = Credentials("robot$jane+ci", "secret")
        assert with_repository(f"{registry.host}/{repository}", _pull, credentials=robot) == manifest
        assert with_repository(f"{registry.host}/{repository}", _push, credentials=robot, push=True)
        assert with_repository(f"{registry.host}/public/app", _pull) == public
        with pytest.raises(Unauthorized):
            with_repository(f"{registry.host}/{repository}", _pull)


@pytest.mark.census("registry ping /v2/")
def test_a_registry_that_hides_what_nobody_may_see_is_told_who_asks_at_once() -> None:
    """Such registries answer 404 to a stranger, not 401: without a greeting nobody would ask for the credentials."""
    with FakeRegistry(auth=Auth("basic", users={"jane": "secret"})) as registry:
        manifest = _fill(registry, "hidden/app")
        registry.faults.append(
            Fault(
                "/hidden/", status=404, code="NAME_UNKNOWN", times=None, when=lambda request: not request.authorization
            )
        )
        jane = Credentials("jane", "secret")
        assert with_repository(f"{registry.host}/hidden/app", _pull, credentials=jane) == manifest
