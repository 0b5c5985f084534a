"""Options of ``run``, ``create`` and ``exec`` that make the process: each is seen from inside the container."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.cli.running import Cli, api, created, eventually, identity

pytestmark = pytest.mark.root


def inspect(docker: Cli, name: str, path: str) -> object:
    return json.loads(docker("inspect", "-f", "{{json " + path + "}}", name).stdout)


@pytest.mark.census(
    "run --env",
    "run --workdir",
    "run --user",
    "run --group-add",
    "run --hostname",
    "run --domainname",
    "run --entrypoint",
    "user --user",
    "user --group-add",
)
def test_the_process(cli: Cli, image: str) -> None:
    words = "-e A=1 -w /made/here -u nobody --group-add staff --group-add 77 -h box --domainname dom.ain"
    script = "echo $A; pwd; id -u; id -g; id -G; hostname; cat /proc/sys/kernel/domainname; tail -1 /etc/hosts; echo $0"
    done = cli("run", "--rm", *words.split(), "--entrypoint", "sh", image, "-c", script, "arg")
    *lines, hosts, arg = done.stdout.splitlines()
    assert lines == ["1", "/made/here", "65534", "65534", "65534 50 77", "box", "dom.ain"]
    assert hosts.endswith("\tbox.dom.ain box")
    assert arg == "arg"


def test_the_environment(docker: Cli, image: str) -> None:
    done = docker("run", "--rm", "-t", "-e", "HOSTNAME=mine", "-e", "EMPTY=", image, "env")
    assert {"HOSTNAME=mine", "EMPTY=", "TERM=xterm", "HOME=/root"} <= set(done.stdout.split())


def test_an_entry_point_that_is_taken_away(docker: Cli, image: str) -> None:
    docker("create", "--name", "base", "--entrypoint", "false", image)
    docker("commit", "base", "r2-false")
    assert docker("run", "--rm", "r2-false", check=False).returncode == 1
    assert docker("run", "--rm", "--entrypoint", "", "r2-false", "echo", "hello").stdout == "hello\n"
    docker("rm", "base")
    docker("rmi", "r2-false")


@pytest.mark.census("run --label", "run --label-file", "run --annotation", "run --expose")
def test_what_only_inspect_shows(docker: Cli, image: str, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text("c=d\n")
    words = ["-l", "a=b", "--label-file", str(tmp_path / "labels"), "--annotation", "e=f", "--expose", "70-71"]
    docker("create", "--name", "shown", *words, "--stop-signal", "USR1", "--stop-timeout", "3", image)
    assert inspect(docker, "shown", ".Config.Labels") == {"a": "b", "c": "d"}
    assert inspect(docker, "shown", ".HostConfig.Annotations") == {"e": "f"}
    assert inspect(docker, "shown", ".Config.ExposedPorts") == {"70/tcp": {}, "71/tcp": {}}
    assert inspect(docker, "shown", ".Config.StopTimeout") == 3


@pytest.mark.census("run --stop-signal", "run --stop-timeout")
def test_the_signal_that_stops(docker: Cli, image: str) -> None:
    script = "trap 'exit 7' USR1; trap '' TERM; echo ready; while :; do sleep 0.05; done"
    docker("run", "-d", "--name", "own", "--stop-signal", "USR1", image, "sh", "-c", script)
    eventually(lambda: "ready" in docker("logs", "own").stdout)
    docker("stop", "own")
    assert inspect(docker, "own", ".State.ExitCode") == 7
    docker("run", "-d", "--name", "deaf", "--stop-timeout", "0", image, "sh", "-c", script)
    eventually(lambda: "ready" in docker("logs", "deaf").stdout)
    begin = time.monotonic()
    docker("stop", "deaf")
    assert time.monotonic() - begin < 8  # without the option it would be ten
    assert inspect(docker, "deaf", ".State.ExitCode") == 137


@pytest.mark.census("Config.OpenStdin", "Config.StdinOnce")
@pytest.mark.parametrize("once", [True, False])
def test_standard_input_closes_with_its_first_client_or_not(docker: Cli, image: str, once: bool) -> None:
    container = created(docker.daemon, image, ["cat"], {}, OpenStdin=True, StdinOnce=once)
    docker("start", container)
    client = docker.start("attach", container)
    assert client.stdin is not None
    client.stdin.write("typed\n")
    client.stdin.close()
    eventually(lambda: docker("logs", container).stdout == "typed\n")
    if once:
        assert docker("wait", container).stdout == "0\n"
    else:
        assert inspect(docker, container, ".State.Running") is True
        docker("rm", "-f", container)
    client.wait(20)
    for stream in (client.stdout, client.stderr):
        assert stream is not None
        stream.close()


@pytest.mark.census("HostConfig.ConsoleSize")
def test_the_size_of_a_console(docker: Cli, image: str) -> None:
    container = created(docker.daemon, image, ["stty", "size"], {"ConsoleSize": [20, 70]}, Tty=True)
    docker("start", container)
    docker("wait", container)
    assert docker("logs", container).stdout.split() == ["20", "70"]


@pytest.mark.census("run --restart", "restart always", "restart unless-stopped", "HostConfig.RestartPolicy.Name")
@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_policies_that_start_again(docker: Cli, image: str, policy: str) -> None:
    docker("run", "-d", "--name", "again", "--restart", policy, image, "true")
    eventually(lambda: int(str(inspect(docker, "again", ".RestartCount"))) >= 1)
    docker("stop", "again")
    assert inspect(docker, "again", ".State.Status") == "exited"


def test_no_log(docker: Cli, image: str) -> None:
    docker("run", "--name", "silent", "--log-driver", "none", image, "echo", "lost")
    refused = docker("logs", "silent", check=False)
    assert "configured logging driver does not support reading" in refused.stderr
    assert not list(docker.daemon.root.glob(f"data/containers/{inspect(docker, 'silent', '.Id')}/*.log*"))


@pytest.mark.census("run --log-opt", "HostConfig.LogConfig.Type", "HostConfig.LogConfig.Config")
def test_logs_are_rotated(docker: Cli, image: str) -> None:
    words = ["--log-opt", "max-size=4k", "--log-opt", "max-file=3"]
    docker("run", "--name", "chatty", *words, image, "seq", "1000", "1999")
    path = Path(str(inspect(docker, "chatty", ".LogPath")))
    files = sorted(path.parent.glob(path.name + "*"))
    assert [file.name for file in files] == [path.name, path.name + ".1", path.name + ".2"]
    assert all(file.stat().st_size < 4096 + 200 for file in files)
    lines = docker("logs", "chatty").stdout.split()
    assert lines == [str(n) for n in range(2000 - len(lines), 2000)]


@pytest.mark.census(
    "exec --env",
    "exec --workdir",
    "exec --user",
    "exec --privileged",
    "exec --detach",
    "exec --detach-keys",
    "POST /containers/{id}/exec DetachKeys",
    "exec --interactive",
    "exec --tty",
)
def test_options_of_exec(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "host", "-e", "A=1", "-w", "/etc", "--ulimit", "nofile=100:200", image, "sleep", "100")
    script = "echo $A $B; pwd; id -u; id -g; ulimit -n; ulimit -Hn"
    assert cli("exec", "host", "sh", "-c", script).stdout.split() == ["1", "/etc", "0", "0", "100", "200"]
    done = cli("exec", "-e", "B=2", "-w", "/tmp", "-u", "nobody:staff", "host", "sh", "-c", script)
    assert done.stdout.split() == ["1", "2", "/tmp", "65534", "50", "100", "200"]
    caps = ["grep", "-E", "CapEff|Seccomp:", "/proc/self/status"]
    usual, privileged = cli("exec", "host", *caps).stdout, cli("exec", "--privileged", "host", *caps).stdout
    assert usual.split() == ["CapEff:", "00000000a80425fb", "Seccomp:", "2"]
    assert int(privileged.split()[1], 16) & 1 << 21  # CAP_SYS_ADMIN
    assert privileged.split()[3] == "2"  # the container's filter stays, as with Docker
    cli("exec", "-d", "host", "touch", "/tmp/done")
    eventually(lambda: cli("exec", "host", "test", "-e", "/tmp/done", check=False).returncode == 0)
    output, code = cli.on_terminal(["exec", "-it", "--detach-keys", "ctrl-a,x", "host", "sh"], [(b"# ", b"\x01x")])
    assert code in (0, 1), output


@pytest.mark.census(
    "POST /containers/{id}/exec ConsoleSize",
    "POST /exec/{id}/start ConsoleSize",
    "POST /exec/{id}/start Tty",
    "POST /containers/{id}/exec Tty",
)
def test_a_terminal_of_an_exec_comes_as_it_was_asked_for(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "host", image, "sleep", "100")

    def start(made: dict[str, object], asked: dict[str, object]) -> tuple[int, bytes]:
        wanted = {"Cmd": ["sh", "-c", "tty; stty size"], "AttachStdout": True, **made}
        _, answer = api(docker.daemon, "POST", "/containers/host/exec", wanted)
        return api(docker.daemon, "POST", f"/exec/{identity(answer.decode())}/start", asked)

    assert start({"Tty": True, "ConsoleSize": [20, 70]}, {"Tty": True})[1] == b"/dev/pts/0\r\n20 70\r\n"
    framed = start({"Tty": True}, {"Tty": False})[1]
    assert framed[:4] == b"\x01\0\0\0"
    assert b"/dev/pts/0\r\n" in framed
    status, refusal = start({}, {"Tty": True})
    assert status == 400
    assert b"Tty" in refusal


def test_names_of_checkpoints_and_bodies_are_refused_at_start(docker: Cli, image: str) -> None:
    docker("create", "--name", "plain", image, "true")
    for query, body, word in (("?checkpoint=c", None, b"checkpoint"), ("", {"Binds": ["/:/x"]}, b"request body")):
        status, answer = api(docker.daemon, "POST", f"/containers/plain/start{query}", body)
        assert status == 400
        assert word in answer
    assert inspect(docker, "plain", ".State.Status") == "created"
