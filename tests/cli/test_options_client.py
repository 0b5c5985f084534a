"""Options that the command line itself acts on, or that are only seen with a terminal, a file or a socket beside."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.running import Cli, api, created, eventually

pytestmark = pytest.mark.root


def inspect(cli: Cli, name: str, path: str) -> object:
    return json.loads(cli("inspect", "-f", "{{json " + path + "}}", name).stdout)


@pytest.mark.census("run --pull")
def test_images_that_are_here_and_that_are_not(cli: Cli, image: str) -> None:
    for policy in ("missing", "never"):
        assert cli("run", "--rm", "--pull", policy, "--quiet", image, "echo", "here").stdout == "here\n"
    never = cli("run", "--rm", "--pull", "never", "nosuch", check=False)
    assert never.returncode == 125
    assert "Unable to find" not in never.stderr
    assert "nosuch" in never.stderr
    for policy in ("always", "missing"):
        absent = cli("run", "--rm", "--pull", policy, "127.0.0.1:1/nosuch", check=False)
        assert absent.returncode == 125
        assert "127.0.0.1:1" in absent.stderr
    bad = cli("run", "--rm", "--pull", "bogus", image, check=False)
    assert 'invalid pull option: \'bogus\': must be one of "always", "missing" or "never"' in bad.stderr


@pytest.mark.census("run --isolation", "isolation default", "HostConfig.Isolation")
def test_isolation_is_the_default(cli: Cli, image: str) -> None:
    assert cli("run", "--rm", "--isolation", "default", image, "echo", "runs").stdout == "runs\n"
    refused = cli("run", "--rm", "--isolation", "process", image, check=False)
    assert "invalid isolation (process): linux only supports 'default'" in refused.stderr


@pytest.mark.docker_28
@pytest.mark.census("run --use-api-socket")
def test_the_socket_of_the_daemon(cli: Cli, image: str) -> None:
    if cli.name == "docker" and "--use-api-socket" not in cli("run", "--help").stdout:
        pytest.skip("this docker command does not have it")
    ours = os.stat(cli.daemon.socket)
    done = cli("run", "--rm", "--use-api-socket", image, "stat", "-c", "%F %i", "/var/run/docker.sock")
    assert done.stdout == f"socket {ours.st_ino}\n"


@pytest.mark.census(
    *("run --detach-keys", "start --detach-keys", "start --attach", "start --interactive"),
    *("attach --detach-keys", "POST /containers/{id}/attach?detachKeys"),
)
def test_keys_that_detach(cli: Cli, image: str) -> None:
    run = ["run", "-it", "--name", "away", "--detach-keys", "ctrl-a,x", image, "sh"]
    output, code = cli.on_terminal(run, [(b"# ", b"\x10\x11echo st''ill\n"), (b"still", b"\x01x")])
    assert code == 0
    assert inspect(cli, "away", ".State.Running") is True
    cli("kill", "away")
    cli("wait", "away")
    start = ["start", "-ai", "--detach-keys", "ctrl-b", "away"]
    output, code = cli.on_terminal(start, [(b"# ", b"echo ag''ain\n"), (b"again", b"\x02")])
    assert code in (0, 1), output
    assert inspect(cli, "away", ".State.Running") is True
    attach = ["attach", "--detach-keys", "ctrl-e,q", "away"]
    output, code = cli.on_terminal(attach, [(b"", b"echo on''ce\n"), (b"once", b"\x05q")])
    assert code in (0, 1), output
    assert inspect(cli, "away", ".State.Running") is True


@pytest.mark.census("attach --sig-proxy", "run --sig-proxy")
@pytest.mark.parametrize("verb", ["run", "attach"])
def test_signals_that_are_kept_from_a_program(cli: Cli, image: str, verb: str) -> None:
    words = [image, "sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.1; done"]

    def attached(count: int) -> None:
        picky = inspect(cli, "picky", ".Id")
        past = ["--since", "1h", "--until", "0s", "--filter", f"container={picky}", "--filter", "event=attach"]
        eventually(lambda: cli("events", *past).stdout.count(" container attach ") == count)

    if verb == "run":
        client = cli.start("run", "--sig-proxy=false", "--name", "picky", *words)
    else:
        cli("run", "-d", "--name", "picky", *words)
        client = cli.start("attach", "--sig-proxy=false", "picky")
    eventually(lambda: "ready" in cli("logs", "picky", check=False).stdout)
    attached(1)
    client.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):  # docker's own command stays
        client.wait(0.7)
    client.kill()
    client.communicate()
    assert inspect(cli, "picky", ".State.Running") is True
    other = cli.start("attach", "picky")
    attached(2)
    other.send_signal(signal.SIGTERM)
    assert (other.communicate(timeout=30)[0], other.returncode) == ("got\n", 9)


@pytest.mark.census("exec --env-file", "POST /containers/{id}/exec Env")
def test_files_of_variables_for_an_exec(cli: Cli, image: str, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# words\nA=of the file\nB=of the file\n")
    cli("run", "-d", "--name", "box", "-e", "C=of the container", image, "sleep", "100")
    words = ["--env-file", str(tmp_path / "env"), "-e", "B=of the flag"]
    done = cli("exec", *words, "box", "sh", "-c", "echo $A, $B, $C")
    assert done.stdout == "of the file, of the flag, of the container\n"


@pytest.mark.census(
    *("POST /containers/{id}/exec User", "POST /containers/{id}/exec WorkingDir", "POST /exec/{id}/start Detach"),
    "POST /containers/{id}/exec Privileged",
)
def test_an_exec_by_requests(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "box", image, "sleep", "100")
    script = "(id -u; pwd; grep -E 'CapEff|CapBnd' /proc/self/status) > /tmp/found"
    wanted = {"Cmd": ["sh", "-c", script], "User": "nobody", "WorkingDir": "/www", "DetachKeys": "ctrl-a"}
    status, answer = api(docker.daemon, "POST", "/containers/box/exec", {**wanted, "Privileged": True})
    assert status == 201
    identity = json.loads(answer)["Id"]
    assert api(docker.daemon, "POST", f"/exec/{identity}/start", {"Detach": True})[0] == 200
    eventually(lambda: docker("exec", "box", "cat", "/tmp/found", check=False).stdout.count("\n") == 4)
    user, folder, effective, bounding = docker("exec", "box", "cat", "/tmp/found").stdout.splitlines()
    assert (user, folder) == ("65534", "/www")
    assert effective.split()[1] == "0" * 16  # a privileged process of somebody else has all in its bounding set only
    assert int(bounding.split()[1], 16) >> 21 & 1  # CAP_SYS_ADMIN
    status, answer = api(docker.daemon, "GET", f"/exec/{identity}/json")
    assert json.loads(answer)["DetachKeys"] == "AQ=="


@pytest.mark.census(
    *(
        "run --health-start-period",
        "run --health-start-interval",
        "healthcheck StartPeriod",
        "healthcheck StartInterval",
    ),
    *("Config.Healthcheck.StartPeriod", "Config.Healthcheck.StartInterval"),
)
def test_checks_while_a_program_starts(docker: Cli, image: str) -> None:
    """They come quickly, and their failures do not count: though one would do, and the usual pause is an hour."""
    times = {"Interval": 3600 * 10**9, "StartPeriod": 3600 * 10**9, "StartInterval": 10**8, "Retries": 1}
    check = {"Test": ["CMD", "test", "-e", "/tmp/fine"], **times}
    container = created(docker.daemon, image, ["sleep", "1000"], {}, Healthcheck=check)
    docker("start", container)
    eventually(lambda: len(json.loads(docker("inspect", "-f", "{{json .State.Health.Log}}", container).stdout)) >= 3)
    assert inspect(docker, container, ".State.Health.Status") == "starting"
    docker("exec", container, "touch", "/tmp/fine")
    eventually(lambda: inspect(docker, container, ".State.Health.Status") == "healthy")


@pytest.mark.census("healthcheck Test CMD", "healthcheck log of last 5 results (4096 bytes each)")
def test_what_is_kept_of_checks(docker: Cli, image: str) -> None:
    words = ["sh", "-c", "yes | head -c 9000; exit 0"]
    check = {"Test": ["CMD", *words], "Interval": 5 * 10**7}
    container = created(docker.daemon, image, ["sleep", "1000"], {}, Healthcheck=check)
    docker("start", container)

    def log() -> list[dict[str, str]]:
        return list(json.loads(docker("inspect", "-f", "{{json .State.Health.Log}}", container).stdout))

    eventually(lambda: len(log()) == 5)
    first = log()[0]["Start"]
    eventually(lambda: log()[0]["Start"] != first)
    entries = log()
    assert len(entries) == 5
    assert {entry["Output"][-5:] for entry in entries} == {"y\n..."}
    assert {len(entry["Output"]) for entry in entries} == {4099}


@pytest.mark.census("run --publish-all", "HostConfig.PublishAllPorts", "run --expose")
def test_all_that_is_exposed_is_published(cli: Cli, image: str) -> None:
    words = ["-d", "--name", "web", "-P", "--expose", "80", image, "httpd", "-f", "-p", "80", "-h", "/www"]
    cli("run", *words)
    port = re.search(r":(\d+)", cli("port", "web", "80").stdout)
    assert port
    cli("run", "--rm", "--network", "host", image, "wget", "-qO-", f"http://127.0.0.1:{port[1]}/index.html")


@pytest.mark.census("user USER name/uid/gid from image passwd", "Config.User", "Config.OnBuild", "Config.Shell")
def test_what_an_image_says_of_the_user(docker: Cli, image: str) -> None:
    docker("create", "--name", "base", image)
    for user, shown in (("nobody", "65534 65534"), ("nobody:staff", "65534 50"), ("7", "7 0"), ("7:9", "7 9")):
        docker("commit", "-c", f"USER {user}", "base", "of-a-user")
        assert docker("run", "--rm", "of-a-user", "sh", "-c", "echo $(id -u) $(id -g)").stdout == shown + "\n"
    body = {"Image": image, "Cmd": ["true"], "OnBuild": ["RUN true"], "Shell": ["/bin/sh", "-c"]}
    status, answer = api(docker.daemon, "POST", "/containers/create", body)
    assert status == 201
    docker("commit", json.loads(answer)["Id"], "of-a-user")
    kept = json.loads(docker("image", "inspect", "-f", "{{json .Config}}", "of-a-user").stdout)
    assert (kept["OnBuild"], kept["Shell"]) == (["RUN true"], ["/bin/sh", "-c"])
    docker("rm", *docker("ps", "-aq").stdout.split())
    docker("rmi", "of-a-user")


@pytest.mark.census("Config.NetworkDisabled")
def test_no_network_at_all(docker: Cli, image: str) -> None:
    container = created(docker.daemon, image, ["ls", "/sys/class/net"], {}, NetworkDisabled=True)
    assert docker("start", "-a", container).stdout.split() == ["lo"]


@pytest.mark.docker_28
@pytest.mark.census(
    "restart --signal", "restart --time", "restart --timeout", "stop --time", "stop --signal", "stop --timeout"
)
def test_signals_and_patience_by_either_name(cli: Cli, image: str) -> None:
    script = "trap 'echo usr1; exit 0' USR1; trap '' TERM; echo ready; while :; do sleep 0.05; done"
    cli("run", "-d", "--name", "picky", image, "sh", "-c", script)

    def ready(count: int) -> None:
        eventually(lambda: cli("logs", "picky").stdout.count("ready") == count)

    ready(1)
    cli("restart", "--signal", "USR1", "--timeout", "60", "picky")
    ready(2)
    assert "usr1" in cli("logs", "picky").stdout
    cli("restart", "--time", "0", "picky")
    ready(3)
    cli("stop", "--signal", "USR1", "--time", "60", "picky")
    assert cli("logs", "picky").stdout.count("usr1") == 2
    assert inspect(cli, "picky", ".State.ExitCode") == 0


def test_no_labels_are_wanted(cli: Cli, image: str) -> None:
    assert cli("run", "--rm", "--security-opt", "label=disable", image, "echo", "runs").stdout == "runs\n"
    shown = cli("run", "--security-opt", "label:disable", "--name", "plain", image, "true")
    assert shown.returncode == 0
    assert inspect(cli, "plain", ".ProcessLabel") == inspect(cli, "plain", ".MountLabel") == ""
