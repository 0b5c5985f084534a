from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from tests.fakes.api_server import Request, frame, serving

import carrack as carrack_package
from carrack import __version__
from carrack.cli.main import main
from carrack.cli.verbs import GROUPS, TOP

IMAGES = [{"Id": "sha256:" + "a" * 64, "Created": 1, "RepoTags": ["b:1"], "Size": 5}]
# what a verb must never load before it has something to draw: each costs milliseconds
HEAVY = {
    "re",
    "json",
    "typing",
    "argparse",
    "dataclasses",
    "enum",
    "signal",
    "socket",
    "threading",
    "asyncio",
    "subprocess",
}


def carrack(*words: str, host: str = "unix:///nowhere", stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    code = "import sys; from carrack.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "-H", host, *words]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, timeout=30)


@pytest.mark.parametrize("words", [["--version"], ["-v"], ["-H", "unix:///x", "--version"]])
def test_version(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == f"Carrack version {__version__}\n"


@pytest.mark.census("docker --debug", "docker --log-level")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["-l", "debug", "-H", "unix:///nowhere/x", "ps"], 1, "Traceback"),
        (["-D", "-H", "unix:///nowhere/x", "ps"], 1, "Traceback"),
        (["foo"], 1, "carrack: unknown command: carrack foo\n\nRun 'carrack --help' for more information\n"),
        (["image", "foo"], 1, "carrack: unknown command: carrack image foo\n\nUsage:  carrack image"),
        (["compose", "x"], 1, "carrack: 'carrack compose' is not built yet"),
        (["trust", "sign", "x"], 1, "carrack: 'carrack trust' is obsolete"),
        (["--wrong"], 125, "unknown flag: --wrong"),
        (["-H", "a", "-H", "b", "ps"], 1, "specify only one -H"),
        (["-l", "loud", "ps"], 1, "Unable to parse logging level: loud"),
        (["-H", "unix:///nowhere/x", "ps"], 1, "Cannot connect to the Carrack daemon at unix:///nowhere/x"),
    ],
)
def test_refusals(capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str) -> None:
    assert main(words) == code
    assert message in capsys.readouterr().err


def test_a_listing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path / "s", {"GET /images/json": (200, IMAGES)}) as server:
        assert main(["-H", f"unix://{server.path}", "images", "-q"]) == 0
        assert main(["-H", f"unix://{server.path}", "images", "--format", "{{.Repository}} {{.Size}}"]) == 0
    assert capsys.readouterr().out == "a" * 12 + "\nb 5B\n"


def _attach(_: Request, connection: socket) -> None:
    connection.sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
    typed = b""
    while data := connection.recv(100):
        typed += data
    connection.sendall(frame(1, b"out " + typed) + frame(2, b"err"))


def test_run_from_end_to_end(tmp_path: Path) -> None:
    answers = {
        "POST /containers/create": (201, {"Id": "c1", "Warnings": ["careful"]}),
        "POST /containers/c1/attach": _attach,
        "POST /containers/c1/wait": (200, {"StatusCode": 7}),
        "POST /containers/c1/start": (204, None),
    }
    with serving(tmp_path / "s", answers) as server:
        cidfile = tmp_path / "cid"
        words = ["run", "-i", "--rm", "--cidfile", str(cidfile), "--name", "n", "busybox", "cat"]
        done = carrack(*words, host=f"unix://{server.path}", stdin=b"typed")
    assert (done.returncode, done.stdout, done.stderr) == (7, b"out typed", b"WARNING: careful\nerr")
    assert cidfile.read_text() == "c1"
    asked = {str(request).replace("/v1.51", ""): request for request in server.requests}
    first, *beside, last = asked
    assert first == "POST /containers/create?name=n"
    assert set(beside) == {  # on two connections, in either order
        "POST /containers/c1/attach?stream=1&stdin=1&stdout=1&stderr=1",
        "POST /containers/c1/wait?condition=removed",
    }
    assert last == "POST /containers/c1/start?"
    assert asked["POST /containers/create?name=n"].document["Cmd"] == ["cat"]


def test_run_of_what_cannot_start(tmp_path: Path) -> None:
    failure = (400, {"message": 'exec: "x": executable file not found in $PATH'})
    answers = {
        "POST /containers/create": (201, {"Id": "c1"}),
        "POST /containers/c1/attach": _attach,
        "POST /containers/c1/wait": (200, {"StatusCode": 127}),
        "POST /containers/c1/start": failure,
    }
    with serving(tmp_path / "s", answers) as server:
        done = carrack("run", "busybox", "x", host=f"unix://{server.path}")
    assert done.returncode == 127
    assert done.stderr.startswith(
        b'carrack: Error response from daemon: exec: "x": executable file not found in $PATH\n'
    )


def test_run_without_the_image(tmp_path: Path) -> None:
    cidfile = tmp_path / "cid"
    answers: dict[str, Any] = {
        "POST /containers/create": (404, {"message": "No such image: b:1"}),
        "POST /images/create": (200, {"status": "Downloaded"}),
    }
    with serving(tmp_path / "s", answers) as server:
        host = f"unix://{server.path}"
        done = carrack("run", "--cidfile", str(cidfile), "--platform", "linux/arm64", "b:1", host=host)
        asked = [str(request).replace("/v1.51", "") for request in server.requests if request.method == "POST"]
        quiet = carrack("create", "-q", "b:1", host=host)
        never = carrack("run", "--pull", "never", "b:1", host=host)
        server.requests.clear()
        other = carrack("run", "c", host=host)
        always = carrack("create", "--pull", "always", "b", host=host)
        last = [str(request).replace("/v1.51", "") for request in server.requests if request.method == "POST"]
    assert done.returncode == never.returncode == 125
    assert done.stderr.startswith(
        b"Unable to find image 'b:1' locally\nDownloaded\ncarrack: Error response from daemon"
    )
    create = "POST /containers/create?platform=linux%2Farm64"
    assert asked == [create, "POST /images/create?fromImage=b&tag=1&platform=linux%2Farm64", create]
    assert quiet.stderr == b"Error response from daemon: No such image: b:1\n"
    assert never.stderr.startswith(b"carrack: Error response from daemon: No such image: b:1\n")
    assert b"Unable to find" not in other.stderr, "it is not the container's own image that is missing"
    assert always.stdout == b""
    assert last[1:] == ["POST /images/create?fromImage=b&tag=latest", "POST /containers/create?"]
    assert not cidfile.exists()


# modules of verbs that ask much of paths, or start programs
WEIGHTY = {"cp", "system_start"}
NOT_AT_ONCE = HEAVY | {"os", "hashlib", "contextlib", "collections", "functools", "tarfile"}
PLACES = [place for verbs in (TOP, *(of for _, of in GROUPS.values())) for place in verbs.values()]


@pytest.mark.parametrize("module", sorted({place.partition(":")[0] for place in PLACES} - WEIGHTY))
def test_no_verb_starts_heavy(module: str) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import carrack.cli.main, carrack.cli.command, carrack.cli.verbs\n"
    )
    code += "__import__(f'carrack.cli.commands.{sys.argv[2]}'); print(*sys.modules)"
    command = [sys.executable, "-IS", "-c", code, str(Path(carrack_package.__file__).parents[1]), module]
    done = subprocess.run(command, capture_output=True, check=True, timeout=30, text=True)
    assert not NOT_AT_ONCE & set(done.stdout.split())


def test_a_pull_that_fails_on_its_way(tmp_path: Path) -> None:
    answers: dict[str, Any] = {
        "POST /containers/create": (404, {"message": "No such image: b:1"}),
        "POST /images/create": (200, {"errorDetail": {"message": "broken"}, "error": "broken"}),
    }
    with serving(tmp_path / "s", answers) as server:
        done = carrack("run", "b:1", host=f"unix://{server.path}")
    assert (done.returncode, b"carrack: broken\n" in done.stderr) == (125, True)


def test_run_without_a_daemon() -> None:
    done = carrack("run", "busybox", host="unix:///nowhere/x")
    assert done.returncode == 125
    assert b"carrack system start" in done.stderr


def test_a_reader_that_goes_away_is_no_defect(tmp_path: Path) -> None:
    with serving(tmp_path / "s", {"GET /images/json": (200, IMAGES * 5000)}) as server:
        code = "import sys; from carrack.cli.main import main; sys.exit(main())"
        command = f"{sys.executable} -c '{code}' -H unix://{server.path} images --no-trunc | head -1"
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(["sh", "-c", command], capture_output=True, env=environment, timeout=30)
    assert done.stdout.startswith(b"REPOSITORY")
    assert done.stderr == b""


def test_run_starts_light(tmp_path: Path) -> None:
    code = "import sys; before = set(sys.modules); from carrack.cli.main import main\n"
    code += "code = main(sys.argv[1:])\n"
    code += "print(code, *sorted(set(sys.modules) - before), file=sys.stderr)"
    answers = {
        "POST /containers/create": (201, {"Id": "c1"}),
        "POST /containers/c1/attach": lambda _, connection: connection.sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\n"),
        "POST /containers/c1/wait": (200, {"StatusCode": 0}),
        "POST /containers/c1/start": (204, None),
    }
    with serving(tmp_path / "s", answers) as server:
        command = [sys.executable, "-S", "-c", code, "-H", f"unix://{server.path}", "run", "--rm", "-p", "80:80", "b"]
        environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path.endswith("src"))}
        done = subprocess.run(command, capture_output=True, env=environment, check=True, timeout=30, text=True)
    exit_code, *loaded = done.stderr.split()
    assert exit_code == "0"
    assert not HEAVY & set(loaded)
