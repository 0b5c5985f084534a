"""The parameters of requests: each is seen in the answer, or in what it did to the container."""

from __future__ import annotations

import io
import json
import tarfile
import threading
from typing import Any
from urllib.parse import quote

import pytest
from tests.cli.running import Cli, api, eventually

pytestmark = pytest.mark.root


def get(docker: Cli, path: str) -> Any:
    """The JSON of an answer."""
    status, answer = api(docker.daemon, "GET", path)
    assert status == 200, answer
    return json.loads(answer)


def inspect(docker: Cli, name: str, path: str) -> str:
    return docker("inspect", "-f", "{{" + path + "}}", name).stdout.strip()


@pytest.mark.census("GET /containers/json → [].SizeRw")
def test_listings_of_containers(docker: Cli, image: str) -> None:
    docker("run", "--name", "first", "-l", "a=b", image, "dd", "if=/dev/zero", "of=/big", "bs=100k", "count=1")
    docker("run", "-d", "--name", "second", image, "sleep", "100")
    assert [row["Names"] for row in get(docker, "/containers/json")] == [["/second"]]
    assert [row["Names"] for row in get(docker, "/containers/json?all=1")] == [["/second"], ["/first"]]
    assert [row["Names"] for row in get(docker, "/containers/json?limit=1")] == [["/second"]]
    (row,) = get(docker, "/containers/json?all=1&size=1&filters=" + quote('{"label":["a=b"]}'))
    assert row["SizeRw"] >= 102400
    assert "SizeRw" not in get(docker, "/containers/json?all=1")[0]
    assert get(docker, "/containers/first/json?size=1")["SizeRootFs"] > row["SizeRw"]
    assert "SizeRw" not in get(docker, "/containers/first/json")


def test_logs(docker: Cli, image: str) -> None:
    docker("run", "--name", "said", image, "sh", "-c", "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo three")

    def logs(query: str) -> list[str]:
        status, answer = api(docker.daemon, "GET", f"/containers/said/logs?{query}")
        assert status == 200, answer
        lines = []
        while answer:
            size = int.from_bytes(answer[4:8], "big")
            lines.append(answer[8 : 8 + size].decode().rstrip("\n"))
            answer = answer[8 + size :]
        return lines

    assert logs("stdout=1&stderr=1") == ["one", "two", "three"]
    assert (logs("stdout=1"), logs("stderr=1")) == (["one", "three"], ["two"])
    assert logs("stdout=1&stderr=1&tail=2") == ["two", "three"]
    stamps = [line.split(" ")[0] for line in logs("stdout=1&stderr=1&timestamps=1")]
    assert logs(f"stdout=1&stderr=1&since={quote(stamps[1])}") == ["two", "three"]
    assert logs(f"stdout=1&stderr=1&until={quote(stamps[1])}") == ["one", "two"]
    assert logs("stdout=1&details=1&tail=1") == [" three"]
    status, answer = api(docker.daemon, "GET", "/containers/said/logs")
    assert (status, b"at least one stream" in answer) == (400, True)


@pytest.mark.census("stats --no-trunc")
def test_processes_and_figures(docker: Cli, image: str) -> None:
    identity = docker("run", "-d", "--name", "busy", image, "sleep", "100").stdout
    form = ["stats", "--no-stream", "--format", "{{.ID}}"]
    assert (docker(*form, "--no-trunc").stdout, docker(*form).stdout) == (identity, identity[:12] + "\n")
    assert get(docker, "/containers/busy/top?ps_args=" + quote("-o pid,comm"))["Titles"] == ["PID", "COMMAND"]
    once = get(docker, "/containers/busy/stats?stream=0&one-shot=1")
    assert once["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert get(docker, "/containers/busy/stats?stream=0")["precpu_stats"]["cpu_usage"]["total_usage"] > 0


@pytest.mark.census(
    "POST /containers/{id}/restart?signal", "POST /containers/{id}/stop?signal", "POST /containers/{id}/stop?t"
)
def test_signals_and_patience_of_stop_and_restart(docker: Cli, image: str) -> None:
    script = "trap 'exit 9' USR1; trap '' TERM; echo ready; while :; do sleep 0.05; done"
    docker("run", "-d", "--name", "deaf", image, "sh", "-c", script)
    eventually(lambda: "ready" in docker("logs", "deaf").stdout)
    started = inspect(docker, "deaf", ".State.StartedAt")
    assert api(docker.daemon, "POST", "/containers/deaf/restart?signal=SIGUSR1")[0] == 204
    assert inspect(docker, "deaf", ".State.StartedAt") != started
    eventually(lambda: docker("logs", "deaf").stdout.count("ready") == 2)
    assert api(docker.daemon, "POST", "/containers/deaf/stop?signal=USR1")[0] == 204
    assert inspect(docker, "deaf", ".State.ExitCode") == "9"
    docker("start", "deaf")
    eventually(lambda: docker("logs", "deaf").stdout.count("ready") == 3)
    assert api(docker.daemon, "POST", "/containers/deaf/stop?t=0")[0] == 204
    assert inspect(docker, "deaf", ".State.ExitCode") == "137"


@pytest.mark.census("POST /containers/{id}/wait?condition")
@pytest.mark.parametrize("condition", ["next-exit", "removed"])
def test_conditions_of_wait(docker: Cli, image: str, condition: str) -> None:
    docker("create", "--name", "later", image, "sh", "-c", "exit 4")
    answers: list[tuple[int, bytes]] = []
    path = f"/containers/later/wait?condition={condition}"
    waiting = threading.Thread(target=lambda: answers.append(api(docker.daemon, "POST", path)))
    waiting.start()
    docker("start", "-a", "later", check=False)
    if condition == "removed":
        assert not answers
        docker("rm", "later")
    waiting.join(20)
    assert json.loads(answers[0][1])["StatusCode"] == 4
    status, answer = api(docker.daemon, "POST", "/containers/none/wait?condition=nosuch")
    assert status in (400, 404), answer


def test_one_that_removed_itself_can_still_be_waited_for(docker: Cli, image: str) -> None:
    ids = [docker("run", "-d", "--rm", image, "sh", "-c", f"exit {code}").stdout.strip() for code in (0, 5)]
    eventually(lambda: not docker("ps", "-aq").stdout)
    for identity, code in zip(ids, (0, 5), strict=True):
        for query in ("", "?condition=not-running", "?condition=removed"):
            status, answer = api(docker.daemon, "POST", f"/containers/{identity}/wait{query}")
            assert (status, json.loads(answer)) == (200, {"StatusCode": code})
        assert api(docker.daemon, "POST", f"/containers/{identity}/wait?condition=next-exit")[0] == 404
        assert api(docker.daemon, "GET", f"/containers/{identity}/json")[0] == 404


def test_parameters_of_removal(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "gone", "-v", "/anonymous", image, "sleep", "100")
    assert api(docker.daemon, "DELETE", "/containers/gone?link=1")[0] == 500
    assert api(docker.daemon, "DELETE", "/containers/gone/none?link=1")[0] == 404
    assert api(docker.daemon, "DELETE", "/containers/gone")[0] == 409
    assert api(docker.daemon, "DELETE", "/containers/gone?force=1")[0] == 204
    (volume,) = docker("volume", "ls", "-q").stdout.split()
    assert api(docker.daemon, "DELETE", f"/volumes/{volume}x")[0] == 404
    assert api(docker.daemon, "DELETE", f"/volumes/{volume}x?force=1")[0] == 204


@pytest.mark.census("POST /containers/{id}/start?detachKeys")
def test_parameters_of_start_that_mean_nothing_here(docker: Cli, image: str) -> None:
    docker("create", "--name", "plain", image, "true")
    for name in ("checkpoint", "checkpoint-dir", "detachKeys"):
        status, answer = api(docker.daemon, "POST", f"/containers/plain/start?{name}=x")
        assert (status, name.encode() in answer) == (400, True)
    assert inspect(docker, "plain", ".State.Status") == "created"


@pytest.mark.census("PUT /containers/{id}/archive?noOverwriteDirNonDir", "PUT /containers/{id}/archive?copyUIDGID")
def test_files_that_are_put(docker: Cli, image: str) -> None:
    def put(query: str, kind: bytes, uid: int) -> int:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            info = tarfile.TarInfo("thing")
            info.type, info.uid, info.gid, info.mode = kind, uid, uid, 0o755
            archive.addfile(info)
        return api(docker.daemon, "PUT", f"/containers/plain/archive?path=/root&{query}", raw=buffer.getvalue())[0]

    def found() -> list[str]:
        return docker("exec", "plain", "stat", "-c", "%F %u", "/root/thing").stdout.strip().rsplit(" ", 1)

    docker("run", "-d", "--name", "plain", "-u", "nobody", image, "sleep", "100")
    assert put("", tarfile.DIRTYPE, 77) == 200
    assert found() == ["directory", "77"]
    assert put("copyUIDGID=1", tarfile.DIRTYPE, 77) == 200
    assert found() == ["directory", "65534"]  # as with Docker, it is the container's user
    assert put("noOverwriteDirNonDir=1", tarfile.REGTYPE, 0) == 400
    assert found()[0] == "directory"
    assert put("", tarfile.REGTYPE, 77) == 200
    assert found()[0] == "regular empty file"


@pytest.mark.census("GET /images/{name}/history?platform")
def test_parameters_of_images(docker: Cli, image: str) -> None:
    docker("tag", image, "r2:other")
    rows = get(docker, "/images/json?shared-size=1&filters=" + quote('{"reference":["r2:*"]}'))
    assert rows[0]["SharedSize"] >= 0
    assert get(docker, "/images/json")[0]["SharedSize"] == -1
    wrong = quote('{"os":"plan9","architecture":"amd64"}')
    for path in (f"/images/{image}/json?platform={wrong}", f"/images/{image}/history?platform={wrong}"):
        assert api(docker.daemon, "GET", path)[0] == 404
    assert api(docker.daemon, "POST", "/containers/create?platform=plan9", {"Image": image, "Cmd": ["x"]})[0] == 404
    assert api(docker.daemon, "DELETE", "/images/r2:other?platforms=x")[0] == 400
    assert api(docker.daemon, "DELETE", f"/images/r2:other?platforms={wrong}")[0] == 404
    docker("rmi", "r2:other")


@pytest.mark.census(
    "POST /containers/{id}/attach?logs",
    "POST /containers/{id}/attach?stdout",
    "POST /containers/{id}/attach?stderr",
)
def test_what_an_attached_client_gets(docker: Cli, image: str) -> None:
    docker("run", "--name", "said", image, "sh", "-c", "echo out; echo err >&2")

    def attach(query: str) -> bytes:
        return api(docker.daemon, "POST", f"/containers/said/attach?{query}")[1]

    assert attach("logs=1&stdout=1") == b"\x01\0\0\0\0\0\0\x04out\n"
    assert attach("logs=1&stderr=1") == b"\x02\0\0\0\0\0\0\x04err\n"
    assert api(docker.daemon, "POST", "/containers/said/attach?detachKeys=ctrl-1")[0] == 400
