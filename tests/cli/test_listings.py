"""What the commands show: ps, inspect, logs, top, stats, diff, port, events, info, version, df."""

from __future__ import annotations

import json

import pytest
from tests.cli.running import Cli, eventually, identity

pytestmark = pytest.mark.root


@pytest.mark.docker_28
def test_ps(cli: Cli, image: str) -> None:
    first = identity(cli("run", "-d", "--name", "up", "--label", "a=b", image, "sleep", "100").stdout)
    cli("run", "--name", "done", image, "true")
    lines = cli("ps").stdout.splitlines()
    assert lines[0].split()[:3] == ["CONTAINER", "ID", "IMAGE"]
    assert len(lines) == 2
    assert lines[1].startswith(first[:12])
    assert '"sleep 100"' in lines[1]
    assert cli("ps", "-a", "--format", "{{.Names}}").stdout == "done\nup\n"
    assert cli("ps", "-l", "--format", "{{.Names}}").stdout == "done\n"
    assert cli("ps", "-n", "1", "--format", "{{.Names}}").stdout == "done\n"
    assert cli("ps", "-q", "--no-trunc").stdout == first + "\n"
    assert cli("ps", "-a", "-f", "status=exited", "--format", "{{.Names}}").stdout == "done\n"
    assert cli("ps", "-f", "label=a=b", "--format", '{{.Label "a"}} {{.State}}').stdout == "b running\n"
    assert cli("ps", "-f", "name=nosuch", "-q").stdout == ""
    assert "virtual" in cli("ps", "-s").stdout
    assert json.loads(cli("ps", "--format", "json").stdout)["Names"] == "up"
    wrong = cli("ps", "-f", "nonsense=1", check=False)
    assert wrong.returncode == 1
    assert "invalid filter" in wrong.stderr


def test_inspect(cli: Cli, image: str) -> None:
    container = identity(cli("create", "--name", "seen", "-e", "A=1", image, "sleep", "1").stdout)
    (document,) = json.loads(cli("inspect", "seen").stdout)
    assert (document["Id"], document["Name"], document["Config"]["Cmd"]) == (container, "/seen", ["sleep", "1"])
    assert json.loads(cli("container", "inspect", container[:10]).stdout)[0] == document
    assert "A=1\n" in cli("inspect", "-f", "{{range .Config.Env}}{{println .}}{{end}}", "seen").stdout
    assert cli("inspect", "-s", "-f", "{{.SizeRw}}", "seen").stdout.strip().isdigit()
    assert json.loads(cli("image", "inspect", image).stdout)[0]["RepoTags"] == [image]
    assert json.loads(cli("inspect", "--type", "image", image).stdout)[0]["Os"] == "linux"
    done = cli("inspect", "nosuch", check=False)
    assert (done.returncode, done.stdout) == (1, "[]\n")
    assert done.stderr.lower() == "error: no such object: nosuch\n"


def test_logs(cli: Cli, image: str) -> None:
    cli("run", "--name", "lines", image, "sh", "-c", "for i in 1 2 3; do echo $i; done; echo e >&2", check=False)
    done = cli("logs", "lines")
    assert (done.stdout, done.stderr) == ("1\n2\n3\n", "e\n")
    assert cli("logs", "--tail", "2", "lines").stdout == "3\n"
    assert cli("logs", "--since", "1h", "lines").stdout == "1\n2\n3\n"
    assert cli("logs", "--until", "1h", "lines").stdout == ""
    stamped = cli("logs", "-t", "lines").stdout.splitlines()[0]
    assert stamped[10] == "T"
    assert stamped.endswith("Z 1")
    assert "No such container" in cli("logs", "nosuch", check=False).stderr


def test_logs_are_followed(cli: Cli, image: str) -> None:
    cli("run", "-d", "--name", "flow", image, "sh", "-c", "echo one; sleep 1; echo two")
    assert cli("logs", "-f", "flow").stdout == "one\ntwo\n"


def test_top_and_stats(cli: Cli, image: str) -> None:
    container = identity(cli("run", "-d", "--name", "tops", image, "sleep", "123").stdout)
    shown = cli("top", "tops").stdout.splitlines()
    assert "PID" in shown[0]
    assert "sleep 123" in shown[1]
    line = cli("stats", "--no-stream", "--format", "{{.ID}} {{.Name}} {{.PIDs}} {{.MemUsage}}", "tops").stdout
    assert line.startswith(f"{container[:12]} tops 1 ")
    assert line.count("iB") == 2 or "B / " in line
    assert "CPU %" in cli("stats", "--no-stream", "tops").stdout


def test_diff(cli: Cli, image: str) -> None:
    cli("run", "--name", "differs", image, "sh", "-c", "echo x > /tmp/new; rm /etc/group; echo y >> /etc/passwd")
    assert set(cli("diff", "differs").stdout.splitlines()) == {
        "C /tmp",
        "A /tmp/new",
        "C /etc",
        "D /etc/group",
        "C /etc/passwd",
    }


@pytest.mark.docker_28
def test_events(cli: Cli, image: str) -> None:
    container = identity(cli("run", "-d", "--name", "ev", image, "true").stdout)
    eventually(lambda: cli("ps", "-q").stdout == "")
    words = ["events", "--since", "1m", "--until", "-1s", "-f", f"container={container}"]
    actions = cli(*words, "--format", "{{.Action}}").stdout.split()
    assert actions[:2] == ["create", "start"] or set(actions) >= {"create", "start", "die"}
    line = next(each for each in cli(*words).stdout.splitlines() if " container die " in each)
    assert "exitCode=0" in line
    assert "name=ev" in line
    assert json.loads(cli(*words, "--format", "json").stdout.splitlines()[0])["Actor"]["ID"] == container


def test_the_daemon_itself(cli: Cli) -> None:
    assert cli("version", "-f", "{{.Server.APIVersion}}").stdout == "1.51\n"
    assert "Server:" in cli("version").stdout
    assert cli("info", "-f", "{{.OSType}}").stdout == "linux\n"
    assert "Storage Driver: " in cli("info").stdout
    assert cli("system", "df", "--format", "{{.Type}}").stdout.splitlines()[:3] == [
        "Images",
        "Containers",
        "Local Volumes",
    ]
    assert "Images space usage:" in cli("system", "df", "-v").stdout
