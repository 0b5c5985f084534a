"""Contexts that lie elsewhere, as our command, the real buildx and the API's ``remote`` build them."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api
from tests.fakes.elsewhere import Repository, git_daemon, web

pytestmark = pytest.mark.root
TEXT = "FROM scratch\nCOPY . /c/\n"


def _tar(files: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses: an archive, a Dockerfile, a repository."""
    folder = tmp_path_factory.mktemp("elsewhere")
    files = {"/c.tgz": _tar({"Dockerfile": TEXT, "f": "far", ".dockerignore": "f\n"}), "/d": b"FROM scratch\nENV A=1\n"}
    files["/noise"], files["/wrong"] = bytes(600), b"FROM scratch\nNOTHING x\n"
    files["/bad"] = b"FROM scratch\nMAINTAINER me\n"
    with web(files) as address, git_daemon(folder / "repos") as git:
        made = Repository(folder / "repos" / "r.git")
        made.commit({"Dockerfile": TEXT, "sub/Dockerfile": TEXT, "sub/in": "x"})
        made.git("checkout", "-q", "-b", "side")
        made.commit({"side": "x", "sub/Dockerfile": "FROM scratch AS first\nFROM scratch\n"})
        made.git("checkout", "-q", "main")
        made.git("tag", "v1")
        made.git("checkout", "-q", "--detach")
        made.git("update-ref", "refs/pull/1/head", made.commit({"pulled": "x"}))
        made.git("checkout", "-q", "main")
        web_names = {"tar": "c.tgz", "file": "d", "none": "none", "bad": "bad", "noise": "noise", "wrong": "wrong"}
        yield {"git": f"{git}/r.git", **{name: f"{address}/{file}" for name, file in web_names.items()}}


BUILDS = [
    ("tar", "", (), [".dockerignore", "Dockerfile", "f"]),
    ("git", "", (), ["Dockerfile", "sub"]),
    ("git", "#side", (), ["Dockerfile", "side", "sub"]),
    ("git", "#main:sub", (), ["Dockerfile", "in"]),
    ("git", "?tag=v1&subdir=sub", (), ["Dockerfile", "in"]),
    ("git", "#refs/pull/1/head", (), ["Dockerfile", "pulled", "sub"]),
    ("git", "", ("--build-arg", "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1"), [".git", "Dockerfile", "sub"]),
]


@pytest.mark.parametrize(("place", "more", "words", "names"), BUILDS)
@pytest.mark.parametrize("client", ["carrack", "buildx"])
def test_a_context_from_elsewhere(
    client: str, place: str, more: str, words: tuple[str, ...], names: list[str], places: dict[str, str],
    daemon: DaemonProcess, tmp_path: Path, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    out = tmp_path / "out"
    command = [*words, "-o", f"type=local,dest={out}", places[place] + more]
    if client == "carrack":
        CommandLine("carrack", daemon)("build", *command)
    else:
        environment = {**daemon.environment, "DOCKER_CONFIG": str(request.getfixturevalue("plugins"))}
        subprocess.run(["docker", "buildx", "build", *command], env=environment, check=True, capture_output=True)
    assert sorted(path.name for path in (out / "c").iterdir()) == names


@pytest.mark.parametrize("client", ["carrack", "buildx"])
def test_a_repository_that_is_added(
    client: str, places: dict[str, str], daemon: DaemonProcess, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    at = subprocess.run(["git", "ls-remote", places["git"], "v1"], capture_output=True, text=True, check=True)
    commit, repository = at.stdout.split()[0], places["git"]
    texts = [
        f"ADD --keep-git-dir=true --checksum={commit} {repository}#v1 /a\nADD {repository}#main:sub /b\n",
        f"ADD --checksum={'0' * 40} {repository}#v1 /a\n",
    ]
    program = CommandLine("carrack", daemon).program if client == "carrack" else ["docker", "buildx"]
    home = str(request.getfixturevalue("plugins")) if client == "buildx" else str(tmp_path)
    done = []
    for text in texts:
        (tmp_path / "Dockerfile").write_text(f"FROM scratch\n{text}")
        command = [*program, "build", "-o", f"type=local,dest={tmp_path}/out", str(tmp_path)]
        environment = {**daemon.environment, "DOCKER_CONFIG": home}
        done.append(subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60))
    assert done[0].returncode == 0, done[0].stderr
    added = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").glob("?/*")}
    assert added == {"a/.git", "a/Dockerfile", "a/sub", "b/Dockerfile", "b/in"}
    assert (done[1].returncode, "expected checksum to match" in done[1].stderr) == (1, True)


@pytest.mark.census("POST /build", "POST /build?remote")
def test_the_api(places: dict[str, str], daemon: DaemonProcess, docker: Cli) -> None:
    status, answer = api(daemon, "POST", f"/build?t=far:1&remote={places['tar']}")
    assert (status, b"Successfully tagged far:1" in answer) == (200, True)
    status, answer = api(daemon, "POST", f"/build?t=far:2&remote={places['file']}")
    assert (status, b"Successfully tagged far:2" in answer) == (200, True)
    assert docker("inspect", "-f", "{{.Config.Env}}", "far:2").stdout.endswith("A=1]\n")
    status, answer = api(daemon, "POST", f"/build?remote={places['none']}")
    assert status == 400
    assert "the server answered 404" in json.loads(answer)["message"]
    status, answer = api(daemon, "POST", f"/build?remote={places['git']}%23none")
    assert "does not contain ref none" in json.loads(answer)["message"]
    for name, why in (("noise", "neither an archive that"), ("wrong", "unknown instruction: NOTHING")):
        status, answer = api(daemon, "POST", f"/build?remote={places[name]}")
        *moved, last = [json.loads(line) for line in answer.splitlines()]
        assert {each["id"] for each in moved} == {"Downloading context"}
        assert (status, why in last["error"]) == (200, True)
    docker("rmi", "far:1", "far:2")


def test_an_archive_on_standard_input_and_named_contexts(
    places: dict[str, str], daemon: DaemonProcess, tmp_path: Path, plugins: Path
) -> None:
    out = tmp_path / "out"
    text = "FROM scratch\nCOPY --from=repo sub/in /in\nCOPY --from=url d /d\n"
    named = ["--build-context", f"repo={places['git']}", "--build-context", f"url={places['file']}"]
    command = ["docker", "buildx", "build", *named, "-o", f"type=local,dest={out}", "-"]
    environment = {**daemon.environment, "DOCKER_CONFIG": str(plugins)}
    subprocess.run(command, env=environment, check=True, capture_output=True, input=_tar({"Dockerfile": text}))
    assert (out / "in").read_text() == "x"
    assert (out / "d").read_text() == "FROM scratch\nENV A=1\n"


def test_questions_are_asked_of_what_is_elsewhere(places: dict[str, str], daemon: DaemonProcess) -> None:
    ours = CommandLine("carrack", daemon)
    archive = _tar({"Dockerfile": "FROM scratch AS packed\n", "other/File": "FROM scratch\nMAINTAINER me\n"})
    found = ours("build", "--check", places["bad"], check=False)
    assert (found.returncode, "WARNING: MaintainerDeprecated" in found.stdout) == (1, True)
    assert "no warnings" in ours("build", "--check", places["tar"]).stdout
    assert "first" in ours("build", "--call=targets", places["git"] + "#side:sub").stdout
    assert "packed" in ours("build", "--call=targets", "-", stdin=archive).stdout
    assert ours("build", "--check", "-f", "other/File", "-", stdin=archive, check=False).returncode == 1
    refused = ours("build", "--check", places["none"], check=False)
    assert "the server answered 404" in refused.stderr
    refused = ours("build", "--check", "-f", "none", places["git"], check=False)
    assert "Cannot locate specified Dockerfile: none" in refused.stderr


def test_how_far_a_download_is(places: dict[str, str], daemon: DaemonProcess) -> None:
    """As dockerd's classic builder says it; with the whole, which that does not know."""
    _, answer = api(daemon, "POST", f"/build?remote={places['file']}")
    first = json.loads(answer.splitlines()[0])
    assert (first["id"], first["status"]) == ("Downloading context", places["file"])
    assert first["progressDetail"] == {"current": 21, "total": 21}
    _, answer = api(daemon, "POST", f"/build?q=1&remote={places['file']}")
    assert list(json.loads(answer)) == ["stream"]
