"""Accounts at registries, pushes, searches and lists of manifests, by both commands against one registry."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, eventually
from tests.fakes.credential_helper import install
from tests.fakes.images import config_for, docker_archive, tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_faults import Fault

pytestmark = pytest.mark.root

CANARY = "canary-5b2f"


@pytest.fixture(params=["basic", "bearer"])
def registry(request: pytest.FixtureRequest) -> Iterator[FakeRegistry]:
    """Takes one user, named me; with "bearer" it gives tokens, and an identity token at a login."""
    with FakeRegistry(auth=Auth(request.param, {"me": CANARY})) as running:
        yield running


@pytest.fixture
def tokens() -> Iterator[FakeRegistry]:
    with FakeRegistry(auth=Auth("bearer", {"me": CANARY, "other": "other"})) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The client's own folder."""
    made = tmp_path / "client"
    made.mkdir()
    return made


class User:
    """A command line with a configuration folder of its own."""

    def __init__(self, cli: Cli, folder: Path) -> None:
        self.cli, self.folder, self.name = cli, folder, cli.name

    def __call__(self, *words: str, **more: Any) -> Any:
        return self.cli("--config", str(self.folder), *words, **more)

    def log_in(self, host: str, user: str = "me", password: str = CANARY, **more: Any) -> Any:
        return self("login", "-u", user, "--password-stdin", host, stdin=password + "\n", **more)

    @property
    def settings(self) -> Any:
        return json.loads((self.folder / "config.json").read_text())


@pytest.fixture
def user(cli: Cli, folder: Path, daemon: DaemonProcess) -> Iterator[User]:
    yield User(cli, folder)
    assert CANARY not in daemon.log.read_text()
    for name in cli("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split():
        if name.startswith("127.0.0.1"):
            cli("rmi", name)


@pytest.mark.census(
    "login", "login --username", "login --password-stdin", "logout", "registry Basic auth", "cli-config auths"
)
def test_in_and_out(user: User, registry: FakeRegistry) -> None:
    wrong = user.log_in(registry.host, password="wrong", check=False)
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("Error response from daemon: ")
    assert not (user.folder / "config.json").exists()
    done = user.log_in(registry.host)
    assert done.stdout == "Login Succeeded\n"
    assert (user.folder / "config.json").stat().st_mode & 0o777 == 0o600
    kept = user.settings["auths"][registry.host]
    if registry.auth.scheme == "basic":
        assert f"WARNING! Your credentials are stored unencrypted in '{user.folder}/config.json'." in done.stderr
        assert base64.b64decode(kept["auth"]).decode() == f"me:{CANARY}"
        again = user("login", registry.host)
        assert again.stdout == "Login Succeeded\n"
        assert again.stderr.startswith("Authenticating with existing credentials... [Username: me]\n\n Info -> ")
    else:
        assert kept["identitytoken"] in registry.auth.refresh
    assert user("logout", registry.host).stdout == f"Removing login credentials for {registry.host}\n"
    assert user.settings == {"auths": {}}


@pytest.mark.census("login --password")
def test_words_that_do_not_go_together(user: User) -> None:
    plain = user("login", "-u", "me", "-p", "x", "127.0.0.1:1", check=False)
    assert plain.stderr.startswith("WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n")
    for words, told in (
        (["-u", "a", "-p", "b", "--password-stdin"], "conflicting options: cannot specify both --password and"),
        (["--password-stdin"], "the --password-stdin option requires --username to be set"),
        (["-u", "", "--password-stdin"], "username is empty"),
        (["-u", "a"], "Error: Cannot perform an interactive login from a non TTY device"),
        (["-u", "a", "--password-stdin"], "Error: Cannot perform an interactive login from a non TTY device"),
    ):
        refused = user("login", *words, "127.0.0.1:1", check=False)
        assert (refused.returncode, refused.stderr.partition("\n")[0].startswith(told)) == (1, True), refused.stderr
    assert user("login", "a", "b", check=False).returncode == 1


def test_what_is_typed_is_not_shown(user: User, tokens: FakeRegistry) -> None:
    tokens.auth.scheme = "basic"
    words = ["--config", str(user.folder), "login", tokens.host]
    steps = [(b"Username: ", b"me\r"), (b"Password: ", CANARY.encode() + b"\r")]
    shown, code = user.cli.on_terminal(words, list(steps))
    assert (code, CANARY.encode() in shown) == (0, False), shown
    assert shown.rstrip().endswith(b"Login Succeeded")
    user("logout", tokens.host)
    for typed, told in (([b"\r"], b"Non-null Username Required"), ([b"me\r", b"\r"], b"Password Required")):
        prompts = (b"Username: ", b"Password: ")
        shown, code = user.cli.on_terminal(words, list(zip(prompts, typed, strict=False)))
        assert (code, told in shown) == (1, True), shown


@pytest.mark.census("cli-config credsStore", "cli-config credHelpers", "credential docker-credential-*")
def test_a_helper_keeps_the_secret(
    user: User, tokens: FakeRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str
) -> None:
    tokens.auth.identity = False
    install(tmp_path, "any")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (user.folder / "config.json").write_text(json.dumps({"credHelpers": {tokens.host: "any"}}))
    assert "WARNING" not in user.log_in(tokens.host).stderr
    assert CANARY not in (user.folder / "config.json").read_text()
    user("tag", image, f"{tokens.host}/app:1")
    user("push", f"{tokens.host}/app:1")
    assert tokens.content.tags["app"]
    user("logout", tokens.host)
    assert json.loads((tmp_path / "kept.json").read_text()) == {}


@pytest.mark.census("image push --quiet", "image push --all-tags", "image push", "registry identity token")
@pytest.mark.census("registry Bearer token")
def test_pushes(user: User, registry: FakeRegistry, image: str) -> None:
    name = f"{registry.host}/team/app"
    user("tag", image, f"{name}:1")
    refused = user("push", f"{name}:1", check=False)
    assert (refused.returncode, registry.host in refused.stderr) == (1, True)
    user.log_in(registry.host)
    lines = user("push", f"{name}:1").stdout.splitlines()
    digest = registry.content.tags["team/app"]["1"]
    assert lines[0] == f"The push refers to repository [{name}]"
    assert lines[1].endswith(": Preparing")
    assert lines[-2].endswith((": Pushed", ": Layer already exists"))
    assert lines[-1].startswith(f"1: digest: {digest} size: ")
    assert user("push", "-q", f"{name}:1").stdout == f"{name}:1\n"
    user("tag", image, f"{name}:2")
    user("tag", image, name)
    assert user("push", name).stdout.startswith("Using default tag: latest\n")
    user("push", "-a", name)
    assert set(registry.content.tags["team/app"]) == {"1", "2", "latest"}
    assert f"{name}@{digest}" in user("inspect", "-f", "{{.RepoDigests}}", f"{name}:1").stdout
    events = user("events", "--since", "1m", "--until", f"{time.time() + 1:.1f}", "--filter", "event=push").stdout
    assert f"image push {name}:2 " in events
    assert CANARY not in events + user("inspect", f"{name}:1").stdout


@pytest.mark.census("image push --disable-content-trust", "image content trust*")
def test_pushes_that_are_refused(user: User, tokens: FakeRegistry, image: str) -> None:
    name = f"{tokens.host}/team/app"
    for words, told in (
        (["-a", f"{name}:1"], "tag can't be used with --all-tags/-a"),
        ([f"{name}:1"], f"An image does not exist locally with the tag: {name}"),
        (["UP"], "invalid reference format: repository name (library/UP) must be lowercase"),
    ):
        refused = user("push", *words, check=False)
        assert (refused.returncode, refused.stderr) == (1, told + "\n")
    user("tag", image, f"{name}:1")
    other = user("push", "--platform", "linux/s390x", f"{name}:1", check=False)
    assert other.stdout.startswith("\n Info -> Using --platform pushes only the specified platform manifest")
    assert "does not match the specified platform (linux/s390x)" in other.stderr
    if user.name == "carrack":
        unsigned = user("push", "--disable-content-trust=false", f"{name}:1", check=False)
        assert (unsigned.returncode, "cosign" in unsigned.stderr) == (1, True)
    assert not tokens.asked("PUT")


def test_who_goes_away_in_the_midst_leaves_nothing(daemon: DaemonProcess, image: str) -> None:
    cli = CommandLine("carrack", daemon)
    with FakeRegistry() as registry:
        layer = tar({"noise": b"".join(str(number * 7919).encode() for number in range(100_000))})
        name = f"{registry.host}/app:1"
        cli("load", stdin=docker_archive([(config_for([layer]), [layer], [name])]))
        registry.faults.append(Fault("/blobs/uploads/", "PATCH", stall=60))
        pushing = cli.start("push", name)
        eventually(lambda: bool(registry.asked("PATCH")))
        pushing.kill()
        pushing.communicate()
        eventually(lambda: not os.listdir(daemon.root / "data" / "ingest"))
        assert cli("push", name, timeout=20).stdout.splitlines()[-1].startswith("1: digest: ")
        cli("rmi", name)
    assert "Traceback" not in daemon.log.read_text()


def test_an_index_of_which_not_all_is_here(user: User, image: str) -> None:
    with FakeRegistry() as registry:
        layers = [[tar({"a": name.encode()})] for name in ("amd64", "arm64")]
        one, two = (
            registry.content.add_image("app", "", layer, architecture=name)
            for layer, name in zip(layers, ("amd64", "arm64"), strict=True)
        )
        index = registry.content.add_index("app", "1", [(one, "linux/amd64"), (two, "linux/arm64")])
        user("pull", "-q", f"{registry.host}/app:1")
        user("tag", f"{registry.host}/app:1", f"{registry.host}/alone:1")
        shown = user("push", f"{registry.host}/alone:1").stdout
        assert registry.content.tags["alone"] == {"1": one.manifest}
        assert "\n\n Info -> Not all multiplatform-content is present and only the available single-platform" in shown
        user("pull", "-q", "--platform", "linux/arm64", f"{registry.host}/app:1")
        assert " Info -> " not in user("push", f"{registry.host}/alone:1").stdout
        assert registry.content.tags["alone"] == {"1": index}


@pytest.mark.census("GET /distribution/{name}/json*")
def test_what_a_name_stands_for(daemon: DaemonProcess, tokens: FakeRegistry) -> None:
    tokens.auth.public.add("app")
    stored = tokens.content.add_image("app", "1", [])
    status, body = api(daemon, "GET", f"/v1.51/distribution/{tokens.host}/app:1/json")
    assert (status, json.loads(body)["Descriptor"]["digest"]) == (200, stored.manifest)
    assert api(daemon, "GET", f"/v1.51/distribution/{tokens.host}/secret/json")[0] == 403


def test_the_nearest_account_is_used(daemon: DaemonProcess, image: str, folder: Path, tokens: FakeRegistry) -> None:
    """By our command alone: docker keeps one account a registry."""
    tokens.auth.rights = lambda name, repository, action: name == ("me" if repository.startswith("team/") else "other")
    user = User(CommandLine("carrack", daemon), folder)
    user.log_in(f"{tokens.host}/team")
    user.log_in(tokens.host, "other", "other")
    assert set(user.settings["auths"]) == {tokens.host, f"{tokens.host}/team"}
    for name in ("team/app:1", "free/app:1"):
        user("tag", image, f"{tokens.host}/{name}")
        user("push", f"{tokens.host}/{name}")
        user("rmi", f"{tokens.host}/{name}")
    assert set(tokens.content.tags) == {"team/app", "free/app"}
    user("logout", f"{tokens.host}/team")
    assert set(user.settings["auths"]) == {tokens.host}


@pytest.mark.census("search*")
def test_searches(user: User, tokens: FakeRegistry) -> None:
    results = [
        {"name": "one", "description": "a long\ndescription that does not end before the edge", "star_count": 7},
        {"name": "two", "description": "", "star_count": 1, "is_official": True},
    ]
    body = json.dumps({"results": results}).encode()
    tokens.faults.append(Fault("/v1/search", times=None, status=200, body=body))
    term = f"{tokens.host}/x"
    lines = user("search", "--limit", "5", term).stdout.splitlines()
    assert "n=5" in tokens.requests[-1].target
    assert lines[0].split() == ["NAME", "DESCRIPTION", "STARS", "OFFICIAL"]
    assert lines[1].startswith("one       a long description that does not end before …")
    assert lines[2].split() == ["two", "1", "[OK]"]
    assert "the edge" in user("search", "--no-trunc", term).stdout
    assert user("search", "-f", "stars=3", "--format", "{{.Name}}", term).stdout == "one\n"
    assert (
        user("search", "-f", "is-official=true", "--format", "{{.Name}}|{{.IsOfficial}}", term).stdout == "two|[OK]\n"
    )
    shown = json.loads(user("search", "-f", "is-official=true", "--format", "json", term).stdout)
    assert shown == {"Description": "", "IsOfficial": "true", "Name": "two", "StarCount": "1"}
    wrong = user("search", "-f", "stars=x", term, check=False)
    assert "invalid filter 'stars=x'" in wrong.stderr


@pytest.mark.census("manifest *")
def test_lists_of_manifests(daemon: DaemonProcess, folder: Path, tokens: FakeRegistry) -> None:
    """By our command alone: docker's asks for TLS whatever is said of the registry. They were compared without."""
    user = User(CommandLine("carrack", daemon), folder)
    host = tokens.host
    tokens.auth.scheme = "basic"
    user.log_in(host)
    one = tokens.content.add_image("app", "1", [b"\0" * 1024], docker=True)
    two = tokens.content.add_image("lib", "2", [b"\0" * 2048], docker=True)
    create = ("manifest", "create", "--insecure")
    assert user(*create, f"{host}/all:1", f"{host}/app:1").stdout == f"Created manifest list {host}/all:1\n"
    again = user(*create, f"{host}/all:1", f"{host}/lib:2", check=False)
    assert again.stderr == "refusing to amend an existing manifest list with no --amend flag\n"
    user(*create, "--amend", f"{host}/all:1", f"{host}/lib:2")
    given = ("--arch", "arm64", "--os", "linux", "--os-version", "1", "--os-features", "a,b", "--variant", "v8")
    user("manifest", "annotate", *given, f"{host}/all:1", f"{host}/lib:2")
    local = user("manifest", "inspect", f"{host}/all:1").stdout
    assert user("manifest", "push", "--insecure", f"{host}/all:1").stdout.endswith(
        tokens.content.tags["all"]["1"] + "\n"
    )
    entries = json.loads(local)["manifests"]
    assert {each["digest"] for each in entries} == {one.manifest, two.manifest}
    assert entries[1]["platform"] == {
        "architecture": "arm64",
        "os": "linux",
        "os.version": "1",
        "os.features": ["a", "b"],
        "variant": "v8",
    }
    user("manifest", "push", "--insecure", "--purge", f"{host}/all:1")
    assert user("manifest", "inspect", "--insecure", f"{host}/all:1").stdout == local
    verbose = json.loads(user("manifest", "inspect", "--insecure", "-v", f"{host}/all:1").stdout)
    assert [each["Descriptor"]["digest"] for each in verbose] == [each["digest"] for each in entries]
    user(*create, f"{host}/more:1", f"{host}/app:1")
    assert json.loads(user("manifest", "inspect", f"{host}/more:1", f"{host}/app:1").stdout)["layers"]
    user("manifest", "rm", f"{host}/more:1")
    gone = user("manifest", "rm", f"{host}/more:1", check=False)
    assert (gone.returncode, gone.stderr) == (1, f"No such manifest: {host}/more:1\n")


@pytest.mark.census("registry http fallback localhost")
def test_no_registry_there(user: User, image: str) -> None:
    user("tag", image, "127.0.0.1:1/app:1")
    for words in (("push", "127.0.0.1:1/app:1"), ("login", "-u", "a", "-p", "b", "127.0.0.1:1")):
        failed = user(*words, check=False)
        assert (failed.returncode, "127.0.0.1:1" in failed.stderr) == (1, True)
