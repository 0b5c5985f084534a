"""Events that no quiet transcript shows: of terminals that are left, of memory that ends, of health."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from tests.cli.running import Cli, api, eventually

pytestmark = pytest.mark.root


def told(cli: Cli, name: str, action: str) -> list[dict[str, Any]]:
    """The attributes of what has happened so to a container."""
    words = [
        "events",
        "--since",
        "10m",
        "--until",
        "0s",
        "--filter",
        f"container={name}",
        "--filter",
        f"event={action}",
    ]
    lines = cli(*words, "--format", "{{json .Actor.Attributes}}").stdout.splitlines()
    return [json.loads(line) for line in lines]


def typed(cli: Cli, target: str, keys: bytes, body: bytes = b"") -> None:
    """Take a stream over and type; it ends when the daemon ends it. The commands look for the keys by themselves."""
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(20)
        client.connect(str(cli.daemon.socket))
        client.sendall(head.encode() + body)
        seen = b""
        while b"ready" not in seen:
            seen += client.recv(4096)
        client.sendall(keys)
        while client.recv(4096):
            pass


@pytest.mark.census("event container detach", "event container attach")
def test_who_leaves_a_terminal_is_told(docker: Cli, image: str) -> None:
    docker("run", "-dit", "--name", "left", image, "sh", "-c", "echo ready; read line")
    typed(docker, "/containers/left/attach?stream=1&stdin=1&stdout=1&logs=1", b"\x10\x11")
    eventually(lambda: told(docker, "left", "detach") == [{"image": image, "name": "left"}])
    assert told(docker, "left", "attach") == [{"image": image, "name": "left"}]
    assert docker("inspect", "-f", "{{.State.Status}}", "left").stdout == "running\n"


@pytest.mark.census("event container exec_detach")
def test_who_leaves_an_exec_is_told(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "exec-left", image, "sleep", "100")
    body = {"AttachStdin": True, "AttachStdout": True, "Tty": True, "Cmd": ["sh", "-c", "echo ready; read line"]}
    _, answer = api(docker.daemon, "POST", "/containers/exec-left/exec", body)
    identity = json.loads(answer)["Id"]
    typed(docker, f"/exec/{identity}/start", b"\x10\x11", b'{"Tty": true}')
    told_once = [{"execID": identity, "image": image, "name": "exec-left"}]
    eventually(lambda: told(docker, "exec-left", "exec_detach") == told_once)


@pytest.mark.census("event container oom")
def test_the_end_of_memory_is_told(cli: Cli, image: str) -> None:
    name = f"hungry-{cli.name}"
    script = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo ${#x}"
    done = cli("run", "--name", name, "-m", "16m", "--memory-swap", "16m", image, "sh", "-c", script, check=False)
    assert cli("inspect", "-f", "{{.State.OOMKilled}}", name).stdout == "true\n", done
    eventually(lambda: {"image": image, "name": name} in told(cli, name, "oom"))


@pytest.mark.census("event container health_status", "healthcheck health_status events",
                    "healthcheck status starting|healthy|unhealthy|none")  # fmt: skip
def test_health_that_changes_is_told(cli: Cli, image: str) -> None:
    name = f"sick-{cli.name}"
    options = ["--health-cmd", "test -e /ok", "--health-interval", "100ms", "--health-retries", "1"]
    cli("run", "-d", "--name", name, *options, image, "sleep", "100")

    def status() -> str:
        return cli("inspect", "-f", "{{.State.Health.Status}}", name).stdout.strip()

    eventually(lambda: status() == "unhealthy")
    cli("exec", name, "touch", "/ok")
    eventually(lambda: status() == "healthy")
    words = ["events", "--since", "10m", "--until", str(int(time.time()) + 1), "--filter", f"container={name}"]
    actions = cli(*words, "--filter", "event=health_status", "--format", "{{.Action}}").stdout.splitlines()
    assert actions == ["health_status: unhealthy", "health_status: healthy"]
    one = cli(*words, "--filter", "event=health_status: healthy", "--format", "{{.Action}}").stdout
    assert one == "health_status: healthy\n"
