"""A registry: login, pull and push, as docker words them. It listens on a port of this machine that is in no answer."""

from __future__ import annotations

import base64
import http.server
import json
import platform
import ssl
import threading
import time
from pathlib import Path
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.cli.host_ports import free_port
from tests.cli.play import PORTS, Play, census
from tests.fakes import certificates
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth

_OURS = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
_OTHER = "arm64" if _OURS == "amd64" else "amd64"
# A push tells of its manifest, whose length is that of the engine's own form of it; only ours keeps layers unpacked, and
# tells when it compresses one.
_PUSHED = {r"size: \d+": "size: <bytes>", r"\w+: Compressing\n": ""}


_TOLD = "<registry>"
# whether this is seen depends on how quick the engine is
_QUICK = {r"\w+: Verifying Checksum\n": ""}
_AGED = {r"\d+ years ago": "<age> ago"}


def _port() -> int:
    """A free one that no play takes for one of its own: see Play."""
    return next(port for port in iter(free_port, 0) if port // 1000 != PORTS // 1000)


def _layer(name: str) -> bytes:
    return tar({name: name.encode() * 2000})


def _made(day: int) -> dict[str, str]:
    """Images that are listed in one order."""
    return {"created": f"2020-02-0{day}T04:05:06Z"}


def _filled(tls: ssl.SSLContext | None = None) -> FakeRegistry:
    """`app` in two versions and for two platforms, one layer each but for `two`."""
    registry = FakeRegistry(tls=tls, port=_port())
    add = registry.content.add_image
    first = add("app", "1", [_layer("one")], architecture=_OURS, docker=True, config=_made(3))
    add("app", "2", [_layer("two")], architecture=_OURS, config=_made(2))
    add("app", "layers", [_layer("one"), _layer("more")], architecture=_OURS, config=_made(1))
    other = add("app", "", [_layer("other")], architecture=_OTHER)
    registry.content.add_index("app", "all", [(other, f"linux/{_OTHER}"), (first, f"linux/{_OURS}")], docker=True)
    return registry


@census("image pull", "image pull --quiet", "POST /images/create?fromImage", "image pull by digest")
def pulling(play: Play) -> None:
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        name = f"{host}/app"
        play(f"pull {name}:1", hide=_QUICK)
        play(f"pull {name}:1", hide=_QUICK)
        play(f"pull -q {name}:2", hide=_QUICK)
        play(f"image pull {name}:layers", unordered=True, hide=_QUICK)
        play("images --format '{{.Repository}}:{{.Tag}} {{.Size}}'", unordered=True)
        play(f"images --digests {name}", unordered=True, hide=_AGED)
        play(f"inspect -f '{{{{.RepoTags}}}} {{{{.RepoDigests}}}}' {name}:1")
        digest = registry.content.tags["app"]["2"]
        play(f"rmi {name}:2")
        play(f"pull {name}@{digest}", hide=_QUICK)
        play(f"images {name} --format '{{{{.Repository}}}}:{{{{.Tag}}}}'", unordered=True)
        play(f"rmi {name}@{digest}")
        play(f"rmi {name}:1 {name}:layers")


@census("image pull --all-tags", "image pull -a", "image manifest list / OCI index", "image manifest v2 schema 2")
def pulling_all_tags(play: Play) -> None:
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        del registry.content.tags["app"]["all"], registry.content.tags["app"]["layers"]
        play(f"pull -a {host}/app", hide=_QUICK)
        play(f"pull -a {host}/app:1", hide=_QUICK)
        play(f"pull -qa {host}/app", hide=_QUICK)
        play(f"images {host}/app --format '{{{{.Tag}}}}'", unordered=True)


@census("image pull --platform", "POST /images/create?platform")
def pulling_for_a_platform(play: Play) -> None:
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        name = f"{host}/app:all"
        play(f"pull {name}", hide=_QUICK)
        play(f"image inspect -f '{{{{.Architecture}}}}' {name}", hide={_OURS: "<ours>", _OTHER: "<other>"})
        play(f"pull --platform linux/{_OTHER} {name}", hide={_OTHER: "<other>", **_QUICK})
        play(f"image inspect -f '{{{{.Architecture}}}}' {name}", hide={_OURS: "<ours>", _OTHER: "<other>"})
        play(f"pull --platform linux/s390x {name}", hide=_QUICK)
        play(f"pull --platform nonsense/of/many/words {name}", hide=_QUICK)


def pulls_refused(play: Play) -> None:
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        play(f"pull {host}/nosuch:1", hide=_QUICK)
        play(f"pull {host}/app:nosuch", hide=_QUICK)
        play(f"pull {host}/app@sha256:{'0' * 64}", hide=_QUICK)
        play("pull UPPER")
        play(f"pull {host}/app:bad:tag", hide=_QUICK)
        play("pull")
        play("pull one two")
    play(f"pull {host}/app:1", hide=_QUICK)


def images_in_use_when_they_are_pulled(play: Play) -> None:
    """The tag moves to the newer image; the older one loses its name."""
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        name = f"{host}/app:1"
        play.quietly(f"pull {name}")
        play.quietly(f"create --name holder {name} sh")
        registry.content.tags["app"]["1"] = registry.content.tags["app"]["2"]
        play(f"pull {name}", hide=_QUICK)
        play("ps -a --format '{{.Image}}'")
        play("images -f dangling=true --format '{{.Repository}}:{{.Tag}}'")
        play.quietly("rm holder")


def runs_that_pull(play: Play) -> None:
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        name = f"{host}/app"
        play(f"create --name one {name}:1 sh", hide=_QUICK)
        play(f"create --name two --pull always {name}:1 sh")
        play(f"create --name three --pull never {name}:2 sh")
        play(f"create --name four -q --pull missing {name}:2 sh")
        play(f"create --name five {name}:nosuch sh")
        play("ps -a --format '{{.Names}} {{.Image}}'", unordered=True)


@census("event image pull", "event image push")
def events_of_registries(play: Play) -> None:
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        since = f"{time.time():.9f}"
        play.quietly(f"pull {host}/app:1")
        play.quietly(f"tag {host}/app:1 {host}/else:1")
        play.quietly(f"push {host}/else:1")
        until = f"{time.time():.9f}"
        play(
            f"events --since {since} --until {until} --filter type=image --format '{{{{.Action}}}} {{{{.Actor.Attributes.name}}}}'"
        )


@census("image push", "image push --all-tags", "image push -a", "image push --quiet", "POST /images/{name}/push?tag")
def pushing(play: Play) -> None:
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        name = f"{host}/mine"
        play(f"tag busybox {name}:1")
        play(f"push {name}:1", hide=_PUSHED)
        play(f"push {name}:1", hide=_PUSHED)
        play(f"push -q {name}:1", hide=_PUSHED)
        play.quietly(f"tag {name}:1 {name}:2")
        play(f"push -a {name}", hide=_PUSHED)
        play(f"push -a {name}:1")
        play(f"push {name}:nosuch")
        play(f"push {name}")
        play(f"push {host}/nosuch")
        play("push UPPER")
        play.quietly(f"tag busybox {host}/elsewhere:1")
        play(f"push {host}/elsewhere:1", hide=_PUSHED)
        play(f"images --digests {name}", unordered=True, hide=_AGED)
        play.note("tags", sorted(registry.content.tags["mine"]))


@census("registry blob mount cross-repo")
def pushing_what_was_pulled(play: Play) -> None:
    with _filled() as registry:
        host = play.told(registry.host, _TOLD)
        play.quietly(f"pull {host}/app:1")
        play(f"tag {host}/app:1 {host}/copy:1")
        play(f"push {host}/copy:1", hide=_PUSHED)


@census(
    "login", "login --username", "login --password", "login --password-stdin", "logout", "registry Basic auth",
    "registry Bearer token", "registry X-Registry-Auth header", "registry POST /auth", "POST /images/create X-Registry-Auth",
    "POST /images/{name}/push X-Registry-Auth", "POST /auth*", "cli-config auths",
)  # fmt: skip
def logging_in(play: Play) -> None:
    for scheme in ("basic", "bearer"):
        registry = _filled()
        registry.auth = Auth(scheme, {"someone": "secret"}, identity=False)
        with registry:
            host = play.told(registry.host, _TOLD)
            name = f"{host}/app:1"
            play(f"pull {name}", hide=_QUICK)
            play(f"login -u someone --password-stdin {host}", stdin="wrong\n")
            play(f"login -u someone --password-stdin {host}", stdin="secret\n")
            play.note("config.json", _config(play.folder))
            play(f"pull {name}", hide=_QUICK)
            play(f"push {host}/app:nosuch")
            play(f"tag {name} {host}/other:1")
            play(f"push {host}/other:1", hide=_PUSHED)
            play(f"logout {host}")
            play.note("config.json", _config(play.folder))
            play(f"push {host}/other:1", hide=_PUSHED)
            play(f"logout {host}")
            play(f"login -u someone -p secret {host}")
            play(f"login {host}")
            play(f"logout {host}")
            play(f"login --password-stdin {host}", stdin="secret\n")
            play(f"login -u someone -p secret --password-stdin {host}", stdin="secret\n")
            play.quietly(f"rmi {name} {host}/other:1")


@census(
    "manifest inspect*", "manifest create*", "manifest annotate*", "manifest push*", "manifest rm", "image manifest*"
)
def manifests(play: Play) -> None:
    """Lists of manifests are made by the client, and kept beside its configuration until they are pushed."""
    hide = {
        r'"Raw": "[^"]*"': '"Raw": "<base64>"',
        r'"size": \d+': '"size": <bytes>',
        f'"{_OURS}"': '"<ours>"',
        f'"{_OTHER}"': '"<other>"',
    }
    made = certificates.make(play.folder)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(made.server, made.server_key)
    with _filled(tls) as registry:
        host = play.told(registry.host, _TOLD)
        other = next(digest for digest in _members(registry) if digest != registry.content.tags["app"]["1"])
        play(f"manifest inspect --insecure {host}/app:all", hide=hide)
        play(f"manifest inspect --insecure {host}/app:2", hide=hide)
        play(f"manifest inspect --insecure -v {host}/app:1", hide=hide)
        play(f"manifest inspect --insecure {host}/nosuch:1")
        play(f"manifest create --insecure {host}/list:1 {host}/app:2 {host}/app@{other}")
        play(f"manifest create --insecure {host}/list:1 {host}/app:2")
        play(f"manifest create --insecure --amend {host}/list:1 {host}/app:1")
        annotations = "--os-features one --os-version 1.2 --variant v8 --arch arm64 --os linux"
        play(f"manifest annotate {annotations} {host}/list:1 {host}/app:2")
        play(f"manifest annotate --arch arm64 {host}/list:1 {host}/app:layers")
        play(f"manifest inspect {host}/list:1", hide=hide)
        play.quietly(f"manifest create --insecure {host}/list:2 {host}/app:2")
        play(f"manifest rm {host}/list:2")
        play(f"manifest rm {host}/list:2")


@census(
    "search", "search --filter", "search --format", "search --limit", "search --no-trunc", "image search",
    "GET /images/search*", "filter /images/search is-official", "filter /images/search stars",
    "filter /images/search is-automated",
)  # fmt: skip
def searching(play: Play) -> None:
    with _Index() as index:
        host = play.told(index.host, _TOLD)
        play(f"search {host}/app")
        play(f"search --no-trunc {host}/app")
        play(f"search --limit 2 {host}/app")
        play(f"search --limit 101 {host}/app")
        play(f"search --filter stars=10 {host}/app")
        play(f"search -f is-official=true {host}/app")
        play(f"search -f is-automated=true {host}/app")
        play(f"search -f is-official=maybe {host}/app")
        play(f"search -f nonsense=1 {host}/app")
        for form in ("{{.Name}} {{.StarCount}}", "table {{.Name}}\\t{{.IsOfficial}}", "json", "{{json .}}"):
            play(f"search --format '{form}' {host}/app")
        for name in ("Name", "Description", "StarCount", "IsOfficial", "IsAutomated"):
            play(f"search --limit 1 --format '{{{{.{name}}}}}' {host}/app")
        play(f"search {host}/nothing")
        play("search")


def _members(registry: FakeRegistry) -> list[str]:
    _, data = registry.content.manifests["app"][registry.content.tags["app"]["all"]]
    return [entry["digest"] for entry in json.loads(data)["manifests"]]


def _config(folder: Path) -> list[str]:
    """Whom the client's configuration knows."""
    found = json.loads((folder / ".docker" / "config.json").read_text())
    return [
        f"{host}: {base64.b64decode(entry['auth']).decode() if 'auth' in entry else entry}"
        for host, entry in sorted(found.get("auths", {}).items())
    ]


class _Index(http.server.ThreadingHTTPServer):
    """What answers searches: three repositories whose name has ``app`` in it, the most popular last."""

    daemon_threads = True
    found = (("small/app", 3, False, ""), ("some/app", 40, False, "words " * 12), ("app", 500, True, "the\nfirst"))

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", _port()), _Answer)
        self.host = f"127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        term, most = query.get("q", [""])[0], int(query.get("n", ["25"])[0])
        found = [
            {"name": name, "star_count": stars, "is_official": official, "is_automated": False, "description": text}
            for name, stars, official, text in _Index.found
            if term in name
        ][:most]
        body = json.dumps({"query": term, "num_results": len(found), "results": found}).encode()
        self.send_response(200)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
