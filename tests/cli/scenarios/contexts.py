"""Contexts: names for daemons, kept where both command lines find them."""

from __future__ import annotations

import io
import json
import tarfile
from functools import partial

from tests.cli.play import Play, census
from tests.fakes import certificates


def _alone(play: Play, **more: str) -> partial[str]:
    """Commands with a configuration of their own and no host in the environment."""
    return partial(play, environment={"DOCKER_HOST": "", "DOCKER_CONFIG": str(play.folder / "client"), **more})


def _here(play: Play) -> str:
    return str(play.environment["DOCKER_HOST"])


@census(
    "context create/ls/use/show/inspect/update/rm/export/import",
    "context meta store ~/.docker/contexts sha256 dirs",
    "context docker endpoint host",
    "context unix:// tcp:// npipe:// fd://",
)
def making(play: Play) -> None:
    run = _alone(play)
    run("context ls")
    run("context show")
    run("context create one --docker host=unix:///x/one.sock --description 'the first'")
    run("context create two --docker host=tcp://192.0.2.1:2375")
    run("context create one --docker host=unix:///x")
    run("context create three --docker host=tcp://192.0.2.1:2376,skip-tls-verify=true")
    run("context create copied --from one")
    run("context create described --from one --description other")
    run("context create taken --docker from=two")
    run("context create plain")
    run("context create x --docker host=unix:///x")
    run("context create bad/name --docker host=unix:///x")
    run("context create default --docker host=unix:///x")
    run("context create wrong --docker nonsense")
    run("context create wrong --docker nonsense=1")
    run("context create strange --docker host=nonsense://x")
    run("context create wrong --docker host=tcp://192.0.2.1:2376,ca=/nosuch/ca.pem")
    run("context create wrong --docker host=unix:///x,skip-tls-verify=maybe")
    run("context create wrong --from nosuch")
    run("context create wrong --from one --docker host=unix:///x")
    run("context create")
    run("context nonsense")
    run("context ls")
    run("context list -q")
    run("context ls --format json")
    run("context ls --format '{{.Name}}|{{.Description}}|{{.DockerEndpoint}}|{{.Current}}|{{.Error}}'")
    run("context ls --format 'table {{.Name}}\\t{{.DockerEndpoint}}'")
    metadata = (play.folder / "client" / "contexts" / "meta").glob("*/meta.json")
    play.note("kept", sorted(path.read_text() for path in metadata))


@census(
    "cli-config currentContext",
    "context default context",
    "docker --context",
    "docker --host",
    "context DOCKER_HOST/DOCKER_CONTEXT/DOCKER_TLS_VERIFY/DOCKER_CERT_PATH/DOCKER_API_VERSION",
)
def choosing(play: Play) -> None:
    run = _alone(play)
    run("context create one --docker host=unix:///x/one.sock")
    run(f"context create here --docker host={_here(play)}", hide={})
    run("context use one")
    run("context show")
    run("context ls --format '{{.Name}} {{.Current}}'")
    run("ps")
    run("context use nosuch")
    run("context use here")
    run("version --format '{{.Client.Context}}'")
    run("ps -q")
    run("--context one ps")
    run("-c nosuch ps")
    run("-c here ps -q")
    run("-c here context show")
    run("-c here -H unix:///x ps")
    _alone(play, DOCKER_CONTEXT="one")("ps")
    _alone(play, DOCKER_CONTEXT="one")("context show")
    _alone(play, DOCKER_CONTEXT="nosuch")("ps")
    _alone(play, DOCKER_CONTEXT="one")("-c here ps -q")
    _alone(play, DOCKER_CONTEXT="one")("context use here")
    _alone(play, DOCKER_CONTEXT="one", DOCKER_HOST=_here(play))("ps -q")
    _alone(play, DOCKER_HOST=_here(play))("context show")
    _alone(play, DOCKER_HOST=_here(play))("context use one")
    _alone(play, DOCKER_HOST=_here(play))("context use default")
    run("context use here")
    run("info --format '{{.ClientInfo.Context}}'")
    run("context use default")
    run("context use")
    play.note("settings", [str(json.loads((play.folder / "client" / "config.json").read_text()).get("currentContext"))])


def changing(play: Play) -> None:
    run = _alone(play)
    run("context create one --docker host=unix:///x/one.sock --description before")
    run("context update one --description after")
    run("context inspect one -f '{{.Name}} {{.Endpoints.docker.Host}}'")
    run("context update one --docker host=unix:///x/two.sock")
    run("context inspect one -f '{{.Name}} {{.Endpoints.docker.Host}}'")
    run("context update one")
    run("context update nosuch --description x")
    run("context update default --description x")
    run("context update one --docker nonsense=1")
    run("context update")
    run("context inspect one", hide={r"[0-9a-f]{64}": "<key>"})
    run("context inspect", hide={r'"[^"]*IN MEMORY.*"': '"<in memory>"'})
    run("context inspect one nosuch", hide={r"[0-9a-f]{64}": "<key>"})
    run("context inspect -f '{{.Name}}' one default")
    run("context inspect -f '{{json .Endpoints}}' one")


def removing(play: Play) -> None:
    run = _alone(play)
    for name in ("one", "two", "three"):
        run(f"context create {name} --docker host=unix:///x/{name}.sock")
    run("context rm one nosuch")
    run("context use two")
    run("context rm two")
    run("context rm three two")
    run("context rm -f two")
    run("context show")
    run("context rm default")
    run("context rm -f nosuch")
    run("context rm")
    run("context ls -q")
    play.note("left", sorted(str(path.name) for path in (play.folder / "client" / "contexts").rglob("*.json")))


@census("context TLS material per context")
def carrying(play: Play) -> None:
    made = certificates.make(play.folder)
    for name, path in (("cert", made.client), ("key", made.client_key)):
        path.rename(play.folder / f"{name}.pem")
    run = _alone(play)
    (play.folder / "text").write_text("no key\n")
    run("context create one --docker host=tcp://192.0.2.1:2376,ca=ca.pem,cert=cert.pem,key=text")
    run("context create one --docker host=tcp://192.0.2.1:2376,ca=text")
    run("context create one --docker host=tcp://192.0.2.1:2376,cert=cert.pem")
    run("context rm -f one")
    run("context create one --description d --docker host=tcp://192.0.2.1:2376,ca=ca.pem,cert=cert.pem,key=key.pem")
    run("context inspect one -f '{{json .TLSMaterial}}'")
    run("context export one")
    run("context export one")
    run("context export one ./given")
    run("context export nosuch")
    archive = io.BytesIO((play.folder / "given").read_bytes() + bytes(1024))  # docker leaves the end out
    with tarfile.open(fileobj=archive) as tar:
        play.note("members", [f"{member.name} {member.mode:o}" for member in tar])
    run("context import again ./given")
    run("context import again ./given")
    run("context import other ./nosuch")
    run("context import bad/name ./given")
    (play.folder / "broken").write_text("nonsense")
    run("context import other ./broken")
    run("context import other -", stdin=(play.folder / "given").read_bytes())
    run("context inspect again -f '{{.Name}} {{json .Endpoints}} {{json .TLSMaterial}}'")
    run("context ls")
    keys = (play.folder / "client" / "contexts" / "tls").rglob("*.pem")
    play.note("keys", sorted(f"{path.parent.name}/{path.name} {path.stat().st_mode & 0o777:o}" for path in keys))
    run("context rm one")
    run("context rm again other")
    run("context ls -q")
