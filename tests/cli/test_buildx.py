"""The real buildx against our daemon: BuildKit's face as its users meet it.

Skipped by name where there is no buildx; CARRACK_TEST_BUILDX can name the plugin's file.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
from tests.cli.buildx import Buildx
from tests.cli.built import forget_steps
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault

pytestmark = pytest.mark.root


@pytest.mark.census("POST /session", "POST /grpc")
def test_a_project(buildx: Buildx, docker: Cli) -> None:
    text = """# syntax=docker/dockerfile:1
FROM busybox AS one
ARG V=1
RUN echo made $V > /made && echo spoken >&2
FROM busybox
COPY --from=one /made /made
COPY src /src
CMD ["cat", "/made", "/src/a"]
"""
    files = {"src__a": "file\n", "src__b.md": "x", ".dockerignore": "**/*.md\n"}
    shown = buildx(text, "-t", "built:1", "--build-arg", "V=2", "--label", "l=1", **files).stderr
    assert "[one 2/2] RUN echo made" in shown
    assert "spoken" in shown
    assert docker("run", "--rm", "built:1").stdout == "made 2\nfile\n"
    assert docker("run", "--rm", "built:1", "ls", "/src").stdout == "a\n"
    assert docker("inspect", "-f", "{{.Config.Labels.l}}", "built:1").stdout == "1\n"
    again = buildx(text, "-t", "built:1", "--build-arg", "V=2", **files).stderr
    assert again.count("CACHED") == 3


def test_steps_are_called_as_on_dockerd(buildx: Buildx) -> None:
    """And counted: neither scratch nor a stage that another begins with is a step."""
    text = """FROM busybox AS one
ARG V=1
RUN echo $V > /made
FROM one
WORKDIR /
RUN echo again
FROM scratch AS last
COPY --from=one /made /made$V
COPY --from=1 /made /other
"""
    shown = buildx(text, "--build-arg", "V=2", "--progress=plain").stderr
    named = [line.partition(" ")[2] for line in shown.splitlines() if line.startswith("#") and " [" in line]
    assert set(named) == {
        "[internal] load build definition from Dockerfile",
        "[internal] load .dockerignore",
        "[internal] load metadata for docker.io/library/busybox:latest",
        "[one 1/2] FROM docker.io/library/busybox:latest",
        "[one 2/2] RUN echo 2 > /made",
        "[stage-1 1/2] RUN echo again",
        "[last 1/2] COPY --from=one /made /made",
        "[last 2/2] COPY --from=1 /made /other",
    }


def test_the_cache_of_builds(buildx: Buildx, daemon: DaemonProcess, plugins: Path) -> None:
    def cache(*words: str) -> str:
        environment = {**daemon.environment, "DOCKER_CONFIG": str(plugins)}
        done = subprocess.run(["docker", "buildx", *words], env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    buildx(
        "FROM busybox\nRUN head -c 300000 /dev/zero > /f\nRUN --mount=type=cache,target=/c touch /c/x",
        "-o",
        "type=cacheonly",
    )
    buildx("FROM busybox\nRUN head -c 200000 /dev/zero > /f", "-o", "type=cacheonly")

    def kinds(*words: str) -> list[str]:
        shown = cache("du", "--verbose", *words)
        return sorted(line.split()[1] for line in shown.splitlines() if line.startswith("Type:"))

    assert kinds() == ["exec.cachemount", *["regular"] * 3]
    assert kinds("--filter", "type=exec.cachemount") == ["exec.cachemount"]
    assert "Total:\t0B" in cache("prune", "-f", "--filter", "until=24h")
    assert "Total:\t0B" in cache("prune", "-f", "--filter", "type=source.git.checkout")
    cache("prune", "-f", "--filter", "type=exec.cachemount")
    assert kinds() == ["regular"] * 3
    cache("prune", "-f", "--max-used-space", "400kb")
    assert kinds() == ["regular"]
    cache("prune", "-f")
    assert kinds() == []
    shown = " ".join(cache("inspect").split())
    assert "BuildKit version: v" in shown
    assert shown.count("GC Policy rule#") == 4
    assert "Filters: type==source.local,type==exec.cachemount,type==source.git.checkout" in shown
    assert "Keep Duration: 1440h0m0s" in shown
    assert " running " in cache("ls")


def test_secrets_contexts_and_binds(buildx: Buildx, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "f").write_text("elsewhere")
    text = """FROM busybox
RUN --mount=type=secret,id=tok cat /run/secrets/tok && stat -c %a /run/secrets/tok
RUN --mount=type=secret,id=tok,env=TOK echo "in the environment: $TOK"
RUN --mount=target=/ctx ls /ctx
RUN --mount=from=other,target=/o cat /o/f
COPY --from=other f /f
"""
    words = ["--secret", f"id=tok,src={tmp_path / 'token'}", "--build-context", f"other={tmp_path / 'other'}"]
    shown = buildx(text, *words).stderr
    for said in ("hush400", "in the environment: hush", "Dockerfile", "elsewhere"):
        assert said in shown


FILES = """FROM busybox AS one
RUN mkdir -p /d/e && echo hi > /d/e/f && echo g > /d/g && ln -s e/f /d/l
FROM scratch
COPY --from=one /d /d
"""


def test_files_for_the_client(buildx: Buildx, docker: Cli, tmp_path: Path) -> None:
    before = docker("images", "-aq").stdout
    out = tmp_path / "out"
    (out / "kept").mkdir(parents=True)
    buildx(FILES, "-o", f"type=local,dest={out}", "-o", f"type=tar,dest={tmp_path / 'out.tar'}")
    assert (out / "d" / "e" / "f").read_text() == "hi\n"
    assert os.readlink(out / "d" / "l") == "e/f"
    assert (out / "kept").is_dir()
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert [member.name for member in tar] == ["d", "d/e", "d/e/f", "d/g", "d/l"]
        assert [member.name for member in tar if member.isreg()] == ["d/e/f", "d/g"]
    buildx(FILES, "-o", "type=cacheonly")
    assert docker("images", "-aq").stdout == before


def test_archives_for_the_client(buildx: Buildx, docker: Cli, tmp_path: Path) -> None:
    said = tmp_path / "said"
    for kind in ("oci", "docker"):
        place = tmp_path / f"{kind}.tar"
        words = ["-o", f"type={kind},dest={place},name=packed:1", "--metadata-file", str(said)]
        buildx(FILES, *words)
        with tarfile.open(place) as tar:
            file = tar.extractfile("index.json")
            assert file is not None
            manifest = json.load(file)["manifests"][0]["digest"]
        assert json.loads(said.read_text())["containerimage.digest"] == manifest
    assert docker("images", "-q", "packed:1").stdout == ""
    docker("load", "-i", str(tmp_path / "docker.tar"))
    assert docker("images", "-q", "packed:1").stdout


def test_names_and_ids(buildx: Buildx, docker: Cli, tmp_path: Path) -> None:
    said, identity = tmp_path / "said", tmp_path / "id"
    buildx(FILES, "--load", "-t", "a:1", "-t", "b:1", "--metadata-file", str(said), "--iidfile", str(identity))
    assert identity.read_text() == docker("inspect", "-f", "{{.Id}}", "b:1").stdout.strip()
    assert json.loads(said.read_text())["image.name"] == "docker.io/library/a:1,docker.io/library/b:1"


def test_pushes(buildx: Buildx, docker: Cli, tmp_path: Path) -> None:
    with FakeRegistry() as registry:
        for at, words in enumerate((["--push"], ["-o", "type=registry"], ["-o", "type=image,push=true"])):
            said, name = tmp_path / "said", f"{registry.host}/app:{at}"
            buildx(FILES, *words, "-t", name, "--metadata-file", str(said))
            digest = json.loads(said.read_text())["containerimage.digest"]
            assert f"{registry.host}/app@{digest}" in docker("inspect", "-f", "{{.RepoDigests}}", name).stdout
            assert registry.content.tags["app"][str(at)] == digest


@pytest.mark.census("image attestations", "image multi-platform store", "image build --platform")
def test_several_platforms_and_what_is_said_of_them(buildx: Buildx, docker: Cli, tmp_path: Path) -> None:
    text = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /a\n"
    said = tmp_path / "said"
    with FakeRegistry() as registry:
        name = f"{registry.host}/app:1"
        words = ["--platform", "linux/amd64,linux/arm64", "--provenance", "mode=max", "--sbom", "true", "--push"]
        words += ["--annotation", "index:i=1", "--annotation", "manifest[linux/arm64]:m=2", "-t", name]
        buildx(text, *words, "--metadata-file", str(said), amd64="1", arm64="2")
        there = registry.content.manifests["app"]
        digest = json.loads(said.read_text())["containerimage.digest"]
        assert registry.content.tags["app"]["1"] == digest
        index = json.loads(there[digest][1])
        assert index["annotations"] == {"i": "1"}
        images, claims = index["manifests"][:2], index["manifests"][2:]
        assert [each["platform"]["architecture"] for each in images] == ["amd64", "arm64"]
        assert json.loads(there[images[1]["digest"]][1])["annotations"] == {"m": "2"}
        for image, claim in zip(images, claims, strict=True):
            layers = json.loads(there[claim["digest"]][1])["layers"]
            bodies = [registry.content.blobs[layer["digest"]] for layer in layers]
            statements = [json.loads(body) for body in bodies if isinstance(body, bytes)]
            assert all(each["subject"][0]["digest"]["sha256"] == image["digest"][7:] for each in statements)
            kinds = ["https://spdx.dev/Document", "https://slsa.dev/provenance/v0.2"]
            assert [each["predicateType"] for each in statements] == kinds
            (told,) = json.loads(there[image["digest"]][1])["layers"]
            own = statements[1]["predicate"]["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]
            assert [told] in [rows for chains in own["layers"].values() for rows in chains]
        tree = docker("image", "ls", "--tree", name).stdout
        assert "linux/amd64" in tree
        assert "linux/arm64" in tree
        docker("rmi", "-f", name)
        docker("pull", "-q", "--platform", "linux/arm64", name)
        assert docker("inspect", "-f", "{{.Architecture}}", name).stdout == "arm64\n"


def test_what_is_said_beside_files_and_archives(buildx: Buildx, docker: Cli, tmp_path: Path) -> None:
    words = ["--sbom", "true", "--provenance", "mode=min,version=v1", "--platform", "linux/amd64,linux/s390x"]
    buildx("FROM scratch\nCOPY a /a\n", *words, "-o", str(tmp_path / "out"), a="1")
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert found == {f"linux_{each}/{name}" for each in ("amd64", "s390x")
                     for name in ("a", "sbom.spdx.json", "provenance.json")}  # fmt: skip
    place = tmp_path / "oci.tar"
    buildx("FROM scratch\nCOPY a /a\n", *words, "-o", f"type=oci,dest={place},name=packed:1")
    docker("load", "-i", str(place))
    row = docker("image", "inspect", "packed:1")
    assert row.returncode == 0
    docker("save", "-o", str(tmp_path / "again.tar"), "packed:1")
    with tarfile.open(place) as one, tarfile.open(tmp_path / "again.tar") as other:
        assert {each.name for each in one if each.isreg()} <= {each.name for each in other}


def test_a_cache_that_cannot_be_had(buildx: Buildx) -> None:
    with FakeRegistry() as registry:
        name = f"{registry.host}/app:cache"
        shown = buildx(FILES, "--cache-from", name).stderr
        assert f"importing cache manifest from {name}" in shown
        assert "manifest unknown" in shown
        registry.faults.append(Fault("/manifests/", status=500))
        buildx(FILES, "--cache-from", f"type=registry,ref={name}")


CACHED = """FROM busybox AS one
RUN date +%N > /made
FROM busybox
COPY --from=one /made /copied
RUN echo on top
"""


def test_caches_that_travel(buildx: Buildx, daemon: DaemonProcess, docker: Cli, tmp_path: Path) -> None:
    place = tmp_path / "cache"
    with FakeRegistry() as registry:
        name = f"{registry.host}/app"
        given = [
            "--cache-to",
            f"type=local,dest={place},mode=max",
            "--cache-to",
            f"type=registry,ref={name}:c,mode=max",
        ]
        inline = ["--cache-to", "type=inline", "--push", "-t", f"{name}:1"]
        assert "exporting cache to registry" in buildx(CACHED, *given, *inline).stderr
        made = docker("run", "--rm", f"{name}:1", "cat", "/copied").stdout
        docker("rmi", "-f", f"{name}:1")
        for source, count in ((f"type=local,src={place}", 3), (f"{name}:c", 3), (f"{name}:1", 3)):
            forget_steps(daemon)
            shown = buildx(CACHED, "--cache-from", source, "--load", "-t", "again:1").stderr
            assert shown.count("CACHED") == count, shown
            assert docker("run", "--rm", "again:1", "cat", "/copied").stdout == made
            docker("rmi", "-f", "again:1")


def test_a_cache_of_several_platforms(buildx: Buildx, daemon: DaemonProcess, tmp_path: Path) -> None:
    words = ["--platform", "linux/amd64,linux/arm64", "-o", "type=cacheonly"]
    text = "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /f\nWORKDIR /w"
    files = {"amd64": "a", "arm64": "b"}
    buildx(text, *words, "--cache-to", f"type=local,dest={tmp_path / 'cache'},mode=max", **files)
    forget_steps(daemon)
    assert (
        buildx(text, *words, "--cache-from", f"type=local,src={tmp_path / 'cache'}", **files).stderr.count("CACHED")
        == 4
    )


@pytest.mark.census("bake")
@pytest.mark.parametrize("words", [["docker", "buildx", "bake"], ["carrack", "bake"]], ids=lambda words: words[0])
def test_a_cache_of_bake(
    buildx: Buildx, daemon: DaemonProcess, plugins: Path, tmp_path: Path, words: list[str]
) -> None:
    place = tmp_path / "cache"
    target = {"context": str(tmp_path), "dockerfile-inline": CACHED, "cache-from": [f"type=local,src={place}"],
              "cache-to": [f"type=local,dest={place},mode=max"], "output": ["type=cacheonly"]}  # fmt: skip
    (tmp_path / "bake.json").write_text(json.dumps({"target": {"default": target}}))
    program = CommandLine(words[0], daemon).program
    command = [*program, *words[1:], "--progress", "plain", "--allow", f"fs={tmp_path}", "-f", "bake.json"]
    counts = []
    for _ in range(2):
        forget_steps(daemon)
        done = subprocess.run(
            command, env={**daemon.environment, "DOCKER_CONFIG": str(plugins)}, cwd=tmp_path, capture_output=True,
            text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        counts.append(done.stderr.count("CACHED"))
    assert counts == [0, 3]


@pytest.mark.census("cli-config aliases")
@pytest.mark.parametrize("name", ["docker", "carrack"])
def test_verbs_given_to_the_plugin(
    buildx: Buildx, daemon: DaemonProcess, plugins: Path, tmp_path: Path, name: str
) -> None:
    """As `docker buildx install` writes it: `build` and `builder` are buildx's."""
    (plugins / "config.json").write_text('{"aliases": {"builder": "buildx"}}')
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    program = CommandLine(name, daemon).program

    def shown(*words: str) -> str:
        environment = {**daemon.environment, "DOCKER_CONFIG": str(plugins)}
        done = subprocess.run([*program, *words], env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    assert "github.com/docker/buildx" in shown("builder", "version")
    for verb in (["build"], ["image", "build"]):
        assert "exporting to image" in shown(*verb, "--progress", "plain", "-t", "given:1", str(tmp_path))
    assert "given" in shown("images")


def test_questions_instead_of_a_build(buildx: Buildx) -> None:
    text = "FROM busybox AS One\nARG V=1\nLABEL l=$WHATEVER\n"
    checked = buildx(text, "--check", check=False)
    assert checked.returncode == 1
    assert "Check complete, 2 warnings have been found!" in checked.stdout
    assert "Usage of undefined variable '$WHATEVER'" in checked.stdout
    assert "V           1" in buildx(text, "--call", "outline").stdout
    assert "one (default)" in buildx(text, "--call", "targets").stdout


def test_breaches_of_rules_at_a_build(buildx: Buildx) -> None:
    text = "FROM busybox AS one\nCMD true\n"
    assert "JSONArgsRecommended: JSON arguments recommended for CMD" in buildx(text).stderr
    failed = buildx(f"# check=error=true\n{text}", check=False)
    assert failed.returncode == 1
    assert "lint violation found for rules: JSONArgsRecommended" in failed.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--cache-to", "type=local,dest=/tmp/none,compression=estargz"], "compression=estargz"),
        (["-o", "type=oci,tar=false,dest=/tmp/none"], "tar=false"),
        (["--provenance", "mode=some"], "mode"),
        (["--sbom", "generator=localhost:1/none"], "localhost:1/none"),
    ],
)
def test_what_is_refused(buildx: Buildx, words: list[str], said: str) -> None:
    failed = buildx(FILES, *words, check=False)
    assert failed.returncode == 1
    assert said in failed.stderr


def test_an_agent(buildx: Buildx, tmp_path: Path) -> None:
    if not shutil.which("ssh-agent"):
        pytest.skip("ssh-agent is not installed")
    sock = str(tmp_path / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL)
    try:
        eventually(lambda: os.path.exists(sock))
        key = tmp_path / "key"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
        subprocess.run(["ssh-add", "-q", key], env={**os.environ, "SSH_AUTH_SOCK": sock}, check=True)
        text = "FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && stat -c '%a of %u' $SSH_AUTH_SOCK"
        shown = buildx(text, "--ssh", "default", env={"SSH_AUTH_SOCK": sock}).stderr
        assert "600 of 0" in shown
    finally:
        agent.terminate()
        agent.wait()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("FROM busybox\nRUN echo last words; exit 7", "exit code: 7"),
        ("FROM busybox\nFOO x", "dockerfile parse error on line 2: unknown instruction: FOO"),
        ("FROM busybox\nCOPY none /", "not found"),
        ("FROM busybox\nRUN --security=insecure true", "security.insecure is not allowed"),
    ],
)
def test_failures(buildx: Buildx, docker: Cli, text: str, said: str) -> None:
    failed = buildx(text, check=False)
    assert failed.returncode == 1
    assert said in failed.stderr
    assert docker("ps", "-aq").stdout == ""


def test_a_client_that_is_killed(daemon: DaemonProcess, buildx: Buildx, plugins: Path, tmp_path: Path) -> None:
    context = tmp_path / "large"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY . /x\n")
    with (context / "hole").open("wb") as file:
        file.truncate(64 << 30)
    told = len(daemon.log.read_text())
    command = ["docker", "buildx", "build", "--progress", "plain", str(context)]
    environment = {**daemon.environment, "DOCKER_CONFIG": str(plugins)}
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as building:
        assert building.stderr is not None
        assert any("load build context" in line for line in building.stderr)
        os.killpg(building.pid, signal.SIGKILL)
    for _ in range(200):
        said = daemon.log.read_text()[told:]
        if "was cut off" in said:
            break
        time.sleep(0.05)
    assert [line.partition(" ")[2].split(":")[0].split() for line in said.splitlines()] == [
        ["info", "api.buildkit.control"]
    ]
