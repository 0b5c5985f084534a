"""Containers from creation to removal."""

from __future__ import annotations

import time

import pytest
from tests.cli.running import Cli, eventually, identity

pytestmark = pytest.mark.root


def status(cli: Cli, name: str) -> str:
    return cli("inspect", "-f", "{{.State.Status}}", name).stdout.strip()


def test_create_start_wait_remove(cli: Cli, image: str) -> None:
    container = identity(cli("create", "--name", "job", image, "sh", "-c", "echo did it; exit 3").stdout)
    assert status(cli, "job") == "created"
    assert cli("start", "job").stdout == "job\n"
    assert cli("wait", "job").stdout == "3\n"
    assert status(cli, "job") == "exited"
    assert cli("logs", "job").stdout == "did it\n"
    attached = cli("start", "-a", "job", check=False)
    assert (attached.returncode, attached.stdout) == (3, "did it\n")
    assert cli("rm", container[:12]).stdout == container[:12] + "\n"
    assert cli("ps", "-aq").stdout == ""


@pytest.mark.census("kill --signal", "exit-code 137")
def test_stop_kill_restart(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "stay", image, "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.1; done")
    started = cli("inspect", "-f", "{{.State.StartedAt}}", "stay").stdout
    assert cli("restart", "-t", "5", "stay").stdout == "stay\n"
    assert cli("inspect", "-f", "{{.State.StartedAt}}", "stay").stdout != started
    assert cli("stop", "stay").stdout == "stay\n"
    assert cli("inspect", "-f", "{{.State.ExitCode}}", "stay").stdout == "5\n"
    cli("start", "stay")
    assert cli("kill", "stay").stdout == "stay\n"
    eventually(lambda: status(cli, "stay") == "exited")
    assert cli("inspect", "-f", "{{.State.ExitCode}}", "stay").stdout == "137\n"
    dead = cli("kill", "stay", check=False)
    assert dead.returncode == 1
    assert "is not running" in dead.stderr


@pytest.mark.census("stop --timeout")
def test_stop_loses_patience(cli: Cli, image: str) -> None:
    script = "trap '' TERM; echo ready; while :; do sleep 0.1; done"
    cli("run", "-d", "--name", "deaf", "--stop-timeout", "100", image, "sh", "-c", script)
    eventually(lambda: cli("logs", "deaf").stdout == "ready\n")
    begin = time.monotonic()
    cli("stop", "-t", "1", "deaf")
    assert time.monotonic() - begin < 60
    assert cli("inspect", "-f", "{{.State.ExitCode}}", "deaf").stdout == "137\n"


def test_signals_by_name(cli: Cli, image: str) -> None:
    cli(
        "run",
        "-d",
        "--name",
        "keen",
        image,
        "sh",
        "-c",
        "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.1; done",
    )
    eventually(lambda: "ready" in cli("logs", "keen").stdout)
    cli("kill", "--signal", "USR1", "keen")
    eventually(lambda: "usr1" in cli("logs", "keen").stdout)
    wrong = cli("kill", "--signal", "FOO", "keen", check=False)
    assert wrong.returncode == 1
    assert "FOO" in wrong.stderr


def test_pause(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "held", image, "sleep", "100")
    assert cli("pause", "held").stdout == "held\n"
    assert status(cli, "held") == "paused"
    assert "(Paused)" in cli("ps").stdout
    refused = cli("exec", "held", "true", check=False)
    assert refused.returncode == 1
    assert "is paused" in refused.stderr
    assert cli("unpause", "held").stdout == "held\n"
    assert status(cli, "held") == "running"


def test_rename(cli: Cli, image: str) -> None:
    cli("create", "--name", "old", image)
    cli("rename", "old", "new")
    assert cli("ps", "-a", "--format", "{{.Names}}").stdout == "new\n"
    assert cli("inspect", "old", check=False).returncode == 1


def test_removal_of_what_runs(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "runs", "-v", "/anonymous", image, "sleep", "100")
    refused = cli("rm", "runs", check=False)
    assert refused.returncode == 1
    assert "container is running" in refused.stderr
    assert cli("volume", "ls", "-q").stdout.count("\n") == 1
    assert cli("rm", "-fv", "runs").stdout == "runs\n"
    eventually(lambda: cli("volume", "ls", "-q").stdout == "")


def test_many_at_once(cli: Cli, image: str) -> None:
    for name in ("first", "second"):
        cli("create", "--name", name, image, "sleep", "100")
    done = cli("start", "first", "nosuch", "second", check=False)
    assert (done.returncode, done.stdout) == (1, "first\nsecond\n")
    assert "No such container: nosuch" in done.stderr
    assert cli("rm", "-f", "first", "second").stdout == "first\nsecond\n"


def test_update(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "upd", "-m", "64m", image, "sleep", "100")
    assert cli("update", "-m", "128m", "--memory-swap", "256m", "--restart", "always", "upd").stdout == "upd\n"
    form = "{{.HostConfig.Memory}} {{.HostConfig.RestartPolicy.Name}}"
    assert cli("inspect", "-f", form, "upd").stdout == "134217728 always\n"


def test_prune(cli: Cli, image: str) -> None:
    cli("create", "--name", "idle", image)
    cli("run", "-d", "--name", "busy", image, "sleep", "100")
    answer = cli("container", "prune", stdin="n\n", check=False)
    assert "This will remove all stopped containers." in answer.stdout
    assert cli("ps", "-a", "--format", "{{.Names}}").stdout == "busy\nidle\n"
    done = cli("container", "prune", "-f")
    assert "Deleted Containers:" in done.stdout
    assert "Total reclaimed space:" in done.stdout
    assert cli("ps", "-a", "--format", "{{.Names}}").stdout == "busy\n"


def test_system_prune(cli: Cli, image: str) -> None:
    cli("create", "--name", "idle", image)
    done = cli("system", "prune", "-f")
    assert "Deleted Containers:" in done.stdout
    assert "Total reclaimed space:" in done.stdout
    assert cli("ps", "-aq").stdout == ""


@pytest.mark.census("system prune --all", "system prune --volumes", "system prune --filter", "system prune --force")
def test_what_a_system_prune_leaves(cli: Cli, image: str) -> None:
    def left() -> tuple[list[str], list[str], list[str]]:
        """Containers, volumes and images, an anonymous volume as one without a name."""
        volumes = [name[: 64 - len(name)] for name in cli("volume", "ls", "-q").stdout.split()]
        images = cli("images", "--format", "{{.Repository}}").stdout.split()
        return cli("ps", "-a", "--format", "{{.Names}}").stdout.split(), sorted(volumes), sorted(images)

    cli("run", "-d", "--name", "busy", image, "sleep", "100")
    cli("commit", "busy", "spare")
    cli("create", "--name", "idle", "-l", "keep", "-v", "/data", "-v", "named:/named", image)
    name = image.partition(":")[0]
    everything = (["idle", "busy"], ["", "named"], sorted(["spare", name]))
    assert left() == everything
    cli("system", "prune", "-f", "--filter", "label!=keep")
    assert left() == everything
    cli("system", "prune", "-f")
    assert left() == (["busy"], *everything[1:])
    cli("system", "prune", "-f", "--volumes")
    assert left() == (["busy"], ["named"], everything[2])
    cli("system", "prune", "-af")
    assert left() == (["busy"], ["named"], [name])
    cli("volume", "rm", "named")


@pytest.mark.census("attach --no-stdin")
def test_attached_to_listen_only(cli: Cli, image: str) -> None:
    cli("run", "-d", "-i", "--name", "reader", image, "sh", "-c", "echo ready; read x; echo got $x")
    client = cli.start("attach", "--no-stdin", "reader")
    past = ["events", "--since", "1h", "--until", "0s", "--filter", "event=attach", "--filter"]
    past.append(f"container={cli('inspect', '-f', '{{.Id}}', 'reader').stdout.strip()}")
    eventually(lambda: "container attach" in cli(*past).stdout)
    assert client.stdin is not None
    client.stdin.write("typed\n")
    client.stdin.flush()
    time.sleep(0.3)  # what is passed on would have been read by then
    assert cli("attach", "reader", stdin="more\n").stdout == "got more\n"
    assert client.communicate(timeout=20)[0] == "got more\n"
    assert cli("logs", "reader").stdout == "ready\ngot more\n"


def test_attached_without_a_terminal(cli: Cli, image: str) -> None:
    script = "read x; echo got $x; echo err >&2; exit 3"
    cli("run", "-d", "-i", "--name", "reader", image, "sh", "-c", script)
    done = cli("attach", "reader", stdin="typed\n", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "got typed\n", "err\n")
    again = cli("start", "-ai", "reader", stdin="more\n", check=False)
    assert (again.returncode, again.stdout) == (3, "got more\n")
    assert cli("logs", "reader").stdout == "got typed\ngot more\n"
    still = cli("attach", "reader", check=False)
    assert still.returncode == 1
    assert "start it first" in still.stderr or "start the container first" in still.stderr


def test_a_terminal_in_the_background(cli: Cli, image: str) -> None:
    cli("run", "-d", "-t", "--name", "screen", image, "sh", "-c", "tty; echo done")
    assert cli("wait", "screen").stdout == "0\n"
    assert cli.raw("logs", "screen") == b"/dev/pts/0\r\ndone\r\n"


def test_waiting_for_several(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "three", image, "sh", "-c", "exit 3")
    cli("run", "-d", "--name", "four", image, "sh", "-c", "exit 4")
    assert cli("wait", "three", "four").stdout == "3\n4\n"
    missing = cli("wait", "three", "nosuch", check=False)
    assert (missing.returncode, missing.stdout) == (1, "3\n")
    assert missing.stderr == "Error response from daemon: No such container: nosuch\n"
