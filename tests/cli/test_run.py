"""``run``: streams, codes, signals, terminals and what the flags make of a container."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path

import pytest
from tests.cli.running import Cli, Repeatedly, Steps, eventually, identity, resize

pytestmark = pytest.mark.root


@pytest.mark.census("run --attach", "Config.AttachStdout", "Config.AttachStderr", "Config.Cmd", "Config.Image")
def test_output_and_exit_code(cli: Cli, image: str) -> None:
    done = cli("run", "--rm", image, "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")


@pytest.mark.census("run --interactive", "Config.AttachStdin")
def test_input_is_carried_and_its_end_told(cli: Cli, image: str) -> None:
    data = os.urandom(3_000_000)
    assert cli.raw("run", "--rm", "-i", image, "cat", stdin=data) == data
    assert cli("run", "--rm", image, "cat", stdin="not asked for").stdout == ""


@pytest.mark.census("exit-code 126", "exit-code 127")
@pytest.mark.docker_28
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nosuch"], 127, 'exec: "nosuch": executable file not found in $PATH'),
        (["/nosuch"], 127, "no such file or directory"),
        (["/etc"], 126, "is a directory"),
    ],
)
def test_what_cannot_be_executed(cli: Cli, image: str, words: list[str], code: int, message: str) -> None:
    done = cli("run", "--rm", image, *words, check=False)
    assert done.returncode == code
    assert message in done.stderr
    assert "Error response from daemon: " in done.stderr
    assert cli("ps", "-aq").stdout == ""


@pytest.mark.census("exit-code 125")
def test_what_the_daemon_refuses(cli: Cli, image: str) -> None:
    for words in (["--memory", "1k", image], ["-u", "nosuch", image, "id"]):
        done = cli("run", "--rm", *words, check=False)
        assert done.returncode in (125, 126), words
        assert "Error response from daemon: " in done.stderr
    assert cli("ps", "-aq").stdout == ""


def test_an_image_that_is_not_here(cli: Cli) -> None:
    done = cli("run", "--pull", "never", "nosuch:1", check=False)
    assert done.returncode == 125
    assert "No such image: nosuch:1" in done.stderr


def test_identity_of_the_process(cli: Cli, image: str) -> None:
    words = "-e A=1 -e B=two -w /tmp -u nobody -h box --entrypoint sh --label x=y --name who".split()
    done = cli("run", "--rm", *words, image, "-c", "echo $A $B; pwd; id -un; hostname; echo $0")
    assert done.stdout == "1 two\n/tmp\nnobody\nbox\nsh\n"


@pytest.mark.census("run --env-file")
def test_environment_files(cli: Cli, image: str, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("# comment\nA=file value\nB=2\n")
    done = cli("run", "--rm", "--env-file", str(tmp_path / "env"), "-e", "B=flag", image, "sh", "-c", "echo $A, $B")
    assert done.stdout == "file value, flag\n"


@pytest.mark.census("run --detach", "run --name", "run --cidfile", "HostConfig.ContainerIDFile")
def test_detached_with_name_and_cidfile(cli: Cli, image: str, tmp_path: Path) -> None:
    cidfile = tmp_path / "cid"
    done = cli("run", "-d", "--name", "back", "--cidfile", str(cidfile), image, "sleep", "100")
    container = identity(done.stdout)
    assert cidfile.read_text() == container
    assert cli("inspect", "-f", "{{.Id}} {{.State.Status}}", "back").stdout == f"{container} running\n"
    again = cli("run", "-d", "--cidfile", str(cidfile), image, check=False)
    assert again.returncode == 125
    assert "container ID file found" in again.stderr
    taken = cli("run", "--name", "back", image, check=False)
    assert taken.returncode == 125
    assert 'The container name "/back" is already in use by container' in taken.stderr


@pytest.mark.census("run --sig-proxy")
def test_signals_are_passed_on(cli: Cli, image: str) -> None:
    process = cli.start(
        "run", "--rm", image, "sh", "-c", "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert (out, process.returncode) == ("got\n", 9)


@pytest.mark.census("run --tty", "run --rm")
def test_a_terminal(cli: Cli, image: str) -> None:
    steps: Steps = [
        (b"# ", b"stty size; tty; echo do''ne; until stty size | grep '40.120'; do sleep 0.1; done; exit 5\n"),
        (b"done\r\n", Repeatedly(resize)),
    ]
    output, code = cli.on_terminal(["run", "--rm", "-it", image, "sh"], steps)
    assert code == 5
    assert b"33 101" in output
    assert b"/dev/pts/0" in output
    assert b"40 120" in output


def test_detaching_and_attaching_again(cli: Cli, image: str) -> None:
    _, code = cli.on_terminal(["run", "-it", "--name", "away", image, "sh"], [(b"# ", b"\x10\x11")])
    assert code == 0
    assert cli("inspect", "-f", "{{.State.Running}}", "away").stdout == "true\n"
    _, code = cli.on_terminal(["attach", "away"], [(b"", b"echo ba''ck\n"), (b"back", b"exit 4\n")])
    assert code == 4


def test_no_terminal_where_one_is_wanted(cli: Cli, image: str) -> None:
    done = cli("run", "-it", image, check=False)
    assert done.returncode == 1
    assert "the input device is not a TTY" in done.stderr


def test_published_ports_serve(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "web", "-p", "127.0.0.1::80", image, "httpd", "-f", "-h", "/www")
    address = cli("port", "web", "80").stdout.split()[0]
    assert address.startswith("127.0.0.1:")
    assert cli("port", "web").stdout == f"80/tcp -> {address}\n"

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://{address}/", timeout=2) as page:
                return bool(page.read() == b"carrack serves\n")
        except OSError:
            return False

    eventually(answers)
    port = address.rpartition(":")[2]
    taken = cli("run", "--rm", "-p", f"127.0.0.1:{port}:80", image, check=False)
    assert taken.returncode == 125
    assert "port is already allocated" in taken.stderr or "address already in use" in taken.stderr


@pytest.mark.census(
    "run --network", "run --net", "HostConfig.NetworkMode", "namespace network", "network host", "network none/null"
)
def test_networks(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "one", image, "httpd", "-f", "-h", "/www")
    address = cli("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", "one").stdout.strip()
    fetch = ["run", "--rm", image, "wget", "-qO-", f"http://{address}/"]
    eventually(lambda: cli(*fetch, check=False).stdout == "carrack serves\n")
    shared = cli("run", "--rm", "--network", "container:one", image, "wget", "-qO-", "http://127.0.0.1/")
    assert shared.stdout == "carrack serves\n"
    alone = cli("run", "--rm", "--network", "none", image, "ls", "/sys/class/net").stdout.split()
    assert alone == ["lo"]
    host = cli("run", "--rm", "--network", "host", image, "ls", "/sys/class/net").stdout.split()
    assert cli.daemon.bridge in host


def test_mounts(cli: Cli, image: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("from the host\n")
    words = ["-v", f"{tmp_path}:/bind", "-v", f"{tmp_path}:/ro:ro", "-v", "named:/vol", "--tmpfs", "/t:size=1m"]
    script = "cat /bind/f; echo new > /bind/made; echo x > /ro/y; echo kept > /vol/k; grep ' /t ' /proc/mounts"
    done = cli("run", "--rm", *words, image, "sh", "-c", script)
    assert done.stdout.startswith("from the host\n")
    assert "size=1024k" in done.stdout
    assert "Read-only file system" in done.stderr
    assert (tmp_path / "made").read_text() == "new\n"
    mount = f"type=bind,source={tmp_path},target=/m,readonly"
    again = cli(
        "run", "--rm", "--mount", "type=volume,src=named,dst=/v", "--mount", mount, image, "cat", "/v/k", "/m/f"
    )
    assert again.stdout == "kept\nfrom the host\n"
    missing = cli("run", "--rm", "--mount", "type=bind,source=/no/such,target=/m", image, check=False)
    assert missing.returncode == 125
    assert "bind source path does not exist: /no/such" in missing.stderr


def test_limits_and_security(cli: Cli, image: str) -> None:
    words = ["-m", "64m", "--pids-limit", "33", "--cpus", "0.5", "--read-only", "--cap-drop", "ALL"]
    script = "grep CapEff /proc/self/status; touch /x"
    done = cli("run", "--name", "small", *words, image, "sh", "-c", script, check=False)
    assert "CapEff:\t0000000000000000" in done.stdout
    assert "Read-only file system" in done.stderr
    form = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.NanoCpus}} {{.HostConfig.ReadonlyRootfs}}"
    assert cli("inspect", "-f", form, "small").stdout == "67108864 33 500000000 true\n"


@pytest.mark.census("restart on-failure", "HostConfig.RestartPolicy.MaximumRetryCount")
def test_restart_policy(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "again", "--restart", "on-failure:2", image, "false")
    eventually(lambda: cli("inspect", "-f", "{{.RestartCount}} {{.State.Status}}", "again").stdout == "2 exited\n")


@pytest.mark.census("run --init", "init --init (tini docker-init)")
def test_init(cli: Cli, image: str) -> None:
    done = cli("run", "--rm", "--init", image, "sh", "-c", "cat /proc/1/comm")
    assert done.stdout.strip() in ("docker-init", "tini-static", "tini", "catatonit")


@pytest.mark.census("restart --rm mutually exclusive")
@pytest.mark.docker_28
def test_flags_that_are_wrong(cli: Cli, image: str) -> None:
    for words, message in (
        (["--foo"], "unknown flag: --foo"),
        (["-m", "x", image], "invalid size: 'x'"),
        (["-p", "x:y", image], "invalid containerPort: y"),
        (["--rm", "--restart", "always", image], "cannot specify both --restart and --rm"),
    ):
        done = cli("run", *words, check=False)
        assert done.returncode == 125
        assert message in done.stderr


def test_what_is_refused_at_creation_leaves_nothing(cli: Cli, image: str) -> None:
    done = cli("run", "--rm", "--link", "nobody", image, "true", check=False)
    assert done.returncode == 125
    assert "No such container: nobody" in done.stderr
    assert cli("ps", "-aq").stdout == ""
