"""Logs in files: the drivers json-file, local and none with their options, and every way of reading them back."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, eventually

pytestmark = pytest.mark.root
TALK = "echo out; echo err >&2; printf tail"


def folder(cli: Cli, name: str) -> Path:
    """Where the container's files are."""
    return cli.daemon.root / "data/containers" / cli("inspect", "-f", "{{.Id}}", name).stdout.strip()


def entries(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.census(
    "log-driver json-file", "log-driver json-file labels", "log-driver json-file labels-regex",
    "log-driver json-file env", "log-driver json-file env-regex", "log-driver json-file tag",
    "log-driver tag template", "logs --details", "run --log-opt", "HostConfig.LogConfig.Config",
)  # fmt: skip
def test_attributes_stand_in_the_file_and_are_shown(cli: Cli, image: str) -> None:
    options = {
        "labels": "a,nosuch", "labels-regex": "^b", "env": "E", "env-regex": "^F",
        "tag": "{{.Name}}/{{.ImageName}}/{{.DaemonName}}/{{.ID}}",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in ("--log-opt", f"{name}={value}")]
    labels = ["--label", "a=x y", "--label", "bb=1,2=3", "--label", "c=no", "-e", "E=ev", "-e", "FOO=f&f", "-e", "G=no"]
    cli("run", "--name", "attrs", *words, *labels, image, "sh", "-c", TALK)
    short = cli("inspect", "-f", "{{.Id}}", "attrs").stdout[:12]
    wanted = {"a": "x y", "bb": "1,2=3", "E": "ev", "FOO": "f&f", "tag": f"attrs/{image}/docker/{short}"}
    (log,) = folder(cli, "attrs").glob("*-json.log")
    assert {json.dumps(entry["attrs"]) for entry in entries(log)} == {json.dumps(dict(sorted(wanted.items())))}
    shown = f"E=ev,FOO=f%26f,a=x+y,bb=1%2C2%3D3,tag=attrs%2F{image.replace(':', '%3A')}%2Fdocker%2F{short}"
    done = cli("logs", "--details", "attrs")
    assert (done.stdout, done.stderr) == (f"{shown} out\n{shown} tail", f"{shown} err\n")
    assert re.match(r"\d{4}-.*Z E=ev,", cli("logs", "-t", "--details", "attrs").stdout)


@pytest.mark.census("log-driver json-file max-size", "log-driver json-file max-file", "log-driver json-file compress")
def test_a_rotated_file_is_compressed(cli: Cli, image: str) -> None:
    options = ["--log-opt", "max-size=4k", "--log-opt", "max-file=3", "--log-opt", "compress=true"]
    cli("run", "--name", "packed", *options, image, "seq", "1000", "1999")
    place = folder(cli, "packed")
    eventually(lambda: len(list(place.glob("*-json.log.?.gz"))) == 2 and not list(place.glob("*.tmp")))
    (first,) = place.glob("*-json.log.1.gz")
    assert b'{"log":"' in gzip.decompress(first.read_bytes())
    lines = cli("logs", "packed").stdout.split()
    assert lines == [str(n) for n in range(2000 - len(lines), 2000)]
    assert cli("logs", "--tail", "100", "packed").stdout.split() == [str(n) for n in range(1900, 2000)]


@pytest.mark.census("log-driver local", "run --log-driver", "HostConfig.LogConfig.Type")
def test_the_local_driver_keeps_any_bytes(cli: Cli, image: str) -> None:
    cli("run", "--name", "own", "--log-driver", "local", image, "sh", "-c", rf"{TALK}; printf '\377\000\n'")
    assert cli.raw("logs", "own") == b"out\ntail\xff\x00\n"
    assert cli("logs", "own").stderr == "err\n"
    assert cli("inspect", "-f", "{{.HostConfig.LogConfig.Type}} [{{.LogPath}}]", "own").stdout == "local []\n"
    cli("start", "-a", "own")
    assert cli.raw("logs", "own") == b"out\ntail\xff\x00\n" * 2
    stamps = [line.split(" ")[0] for line in cli("logs", "-t", "own").stdout.splitlines()]
    assert cli.raw("logs", "--since", stamps[2], "own") == b"out\ntail\xff\x00\n"
    assert cli.raw("logs", "--until", stamps[1], "own") == b"out\ntail\xff\x00\n"
    assert cli.raw("logs", "--tail", "3", "own") == b"out\ntail\xff\x00\n"


@pytest.mark.census("log-driver local max-size", "log-driver local max-file", "log-driver local compress")
@pytest.mark.parametrize(("compress", "names"), [("true", ["", ".1.z", ".2.z"]), ("false", ["", ".1", ".2"])])
def test_the_local_driver_rotates(docker: Cli, image: str, compress: str, names: list[str]) -> None:
    options = ["--log-opt", "max-size=20k", "--log-opt", "max-file=3", "--log-opt", f"compress={compress}"]
    docker("run", "--name", "turns", "--log-driver", "local", *options, image, "seq", "10000", "19999")
    place = folder(docker, "turns") / "local-logs"
    eventually(lambda: sorted(path.name for path in place.iterdir()) == [f"container.log{name}" for name in names])
    assert (place / "container.log").stat().st_size < 20_000 + 100
    lines = docker("logs", "turns").stdout.split()
    assert lines == [str(n) for n in range(20_000 - len(lines), 20_000)]
    assert len(lines) > 2 * 20_000 // 30
    assert docker("logs", "-n", "3", "turns").stdout.split() == ["19997", "19998", "19999"]


@pytest.mark.census("logs --follow", "logs --since", "logs --until", "logs --tail", "logs --timestamps")
@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_following_through_rotations_until_the_end(cli: Cli, image: str, driver: str, tmp_path: Path) -> None:
    """The program goes on when the follower has told what it said, since more than a few lines are not kept."""
    options = [
        "--log-driver",
        driver,
        "--log-opt",
        "max-size=2k",
        "--log-opt",
        "max-file=4",
        "--log-opt",
        "compress=true",
    ]
    os.mkfifo(tmp_path / "go")
    script = "exec 3<>/pace/go; for n in $(seq 400); do echo $n; [ $((n % 20)) = 0 ] && read -u 3 go; done"
    cli("run", "-d", "--name", "flow", "-v", f"{tmp_path}:/pace", *options, image, "sh", "-c", script)
    follower = cli.start("logs", "-f", "flow")
    assert follower.stdout is not None
    with (tmp_path / "go").open("w") as go:
        for n in range(1, 401):
            assert follower.stdout.readline() == f"{n}\n"
            if n % 20 == 0:
                print(file=go, flush=True)
    assert follower.communicate(timeout=60) == ("", "")
    stamp = cli("logs", "-t", "--tail", "5", "flow").stdout.split()[0]
    assert cli("logs", "--since", stamp, "flow").stdout.split()[-5:] == ["396", "397", "398", "399", "400"]
    assert cli("logs", "--until", "10m", "flow").stdout == ""
    assert cli("logs", "-f", "--tail", "2", "flow").stdout == "399\n400\n"


def logger_of(cli: Cli, name: str) -> int:
    """The process that writes a container's log: it holds the directory open."""
    place = str(folder(cli, name))
    for process in Path("/proc").glob("[0-9]*"):
        try:
            named = b"shim/__main__.py\0logger" in (process / "cmdline").read_bytes()
            if named and any(os.readlink(fd).startswith(place) for fd in (process / "fd").iterdir()):
                return int(process.name)
        except OSError:
            continue
    raise AssertionError("the container has no logger")


def document(cli: Cli, name: str) -> dict[str, Any]:
    status, body = api(cli.daemon, "GET", f"/containers/{name}/json")
    assert status == 200
    return dict(json.loads(body))


@pytest.mark.census("log-driver mode", "log-driver max-buffer-size")
@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_a_program_that_never_waits_for_its_log(docker: Cli, image: str, driver: str) -> None:
    """Its writer is stopped: the program ends nevertheless, and what found no room is counted."""
    options = ["--log-driver", driver, "--log-opt", "mode=non-blocking", "--log-opt", "max-buffer-size=10k"]
    script = "until [ -e /go ]; do sleep 0.05; done; seq 500000; touch /said; sleep 100"
    docker("run", "-d", "--name", "free", *options, image, "sh", "-c", script)
    logger = logger_of(docker, "free")
    os.kill(logger, signal.SIGSTOP)
    docker("exec", "free", "touch", "/go")
    eventually(lambda: docker("exec", "free", "ls", "/said", check=False).returncode == 0)
    assert "LogStatus" not in document(docker, "free")
    os.kill(logger, signal.SIGCONT)
    docker("kill", "free")
    eventually(lambda: document(docker, "free").get("LogStatus", {}).get("Dropped", 0) > 100_000)
    kept = docker("logs", "free").stdout.split()
    assert kept[0] == "1"
    assert len(kept) + document(docker, "free")["LogStatus"]["Dropped"] == 500_000


def test_a_writer_that_was_killed_is_followed_by_another(docker: Cli, image: str) -> None:
    options = ["--log-opt", "mode=non-blocking"]
    docker("run", "-d", "--name", "twice", *options, image, "sh", "-c", "echo one; sleep 1; echo two; sleep 100")
    eventually(lambda: docker("logs", "twice").stdout == "one\n")
    os.kill(logger_of(docker, "twice"), signal.SIGKILL)
    eventually(lambda: docker("logs", "twice").stdout == "one\ntwo\n")


@pytest.mark.census("log-driver none")
def test_no_log_at_all(cli: Cli, image: str) -> None:
    assert cli("run", "--name", "mute", "--log-driver", "none", image, "echo", "seen").stdout == "seen\n"
    assert "configured logging driver does not support reading" in cli("logs", "mute", check=False).stderr
    assert not list(folder(cli, "mute").glob("*log*"))


@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_logs_of_terminals_and_of_the_killed(cli: Cli, image: str, driver: str) -> None:
    cli("run", "-dt", "--name", "screen", "--log-driver", driver, image, "sh", "-c", "echo one; printf two; sleep 100")
    eventually(lambda: cli.raw("logs", "screen").startswith(b"one\r\n"))
    cli("kill", "screen")
    assert cli.raw("logs", "screen") == b"one\r\ntwo"
    assert cli.raw("logs", "-f", "screen") == b"one\r\ntwo"
    cli("create", "--name", "fresh", "--log-driver", driver, image, "true")
    assert cli.raw("logs", "fresh") == b""


def test_logs_go_on_while_the_daemon_is_dead(tmp_path: Path, image: str, daemon: DaemonProcess) -> None:
    archive = CommandLine("carrack", daemon).raw("save", image)
    other, names = DaemonProcess(tmp_path), ("plain", "own", "free")
    ways: tuple[list[str], ...] = ([], ["--log-driver", "local"], ["--log-opt", "mode=non-blocking"])
    try:
        other.start()
        ours = CommandLine("carrack", other)
        ours("load", stdin=archive)
        script = "n=0; while :; do n=$((n+1)); echo $n; usleep 20000; done"
        for name, options in zip(names, ways, strict=True):
            ours("run", "-d", "--network", "none", "--name", name, *options, image, "sh", "-c", script)
        seen = {name: len(ours("logs", name).stdout.split()) for name in names}
        other.crash()
        written = log_sizes(tmp_path)
        assert len(written) == len(names)
        eventually(lambda: all(size > written[path] + 2000 for path, size in log_sizes(tmp_path).items()))
        other.start()
        for name in names:
            lines = ours("logs", name).stdout.split()
            assert lines == [str(n) for n in range(1, len(lines) + 1)]
            assert len(lines) > seen[name] + 10  # 2000 bytes are twenty lines at least
        ours("rm", "-f", *names)
    finally:
        other.stop()


def log_sizes(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in root.glob("data/containers/*/**/*.log")}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str) -> Iterator[CommandLine]:
    """A daemon with a logging driver of its own."""
    root = tmp_path_factory.mktemp("defaults")
    process = DaemonProcess(root)
    settings = {"log-driver": "local", "log-opts": {"max-size": "5k", "max-file": "2"}, "raw-logs": True}
    (root / "daemon.json").write_text(json.dumps(settings))
    try:
        process.start()
        ours = CommandLine("carrack", process)
        ours("load", stdin=CommandLine("carrack", daemon).raw("save", image))
        yield ours
    finally:
        process.stop()


@pytest.mark.census("daemon.json log-driver", "daemon.json log-opts", "daemon.json raw-logs")
def test_the_daemons_own_driver_and_options(other: CommandLine, image: str) -> None:
    other("run", "--network", "none", "--name", "given", image, "seq", "10000", "19999")
    found = document(other, "given")["HostConfig"]["LogConfig"]
    assert found == {"Type": "local", "Config": {"max-file": "2", "max-size": "5k"}}
    assert len(other("logs", "given").stdout.split()) < 1000
    assert other("info", "-f", "{{.LoggingDriver}}").stdout == "local\n"
    (other.daemon.root / "daemon.json").write_text('{"log-opts": {"tag": "{{.Name}}"}}')
    assert other.daemon._process is not None
    other.daemon._process.send_signal(signal.SIGHUP)
    eventually(lambda: other("info", "-f", "{{.LoggingDriver}}").stdout == "json-file\n")
    other("run", "--network", "none", "--name", "later", image, "echo", "hi")
    assert other("logs", "--details", "later").stdout == "tag=later hi\n"
    other("rm", "given", "later")


OF_AWSLOGS = """
awslogs-region
awslogs-endpoint
awslogs-group
awslogs-stream
awslogs-create-group
awslogs-create-stream
awslogs-datetime-format
awslogs-multiline-pattern
awslogs-credentials-endpoint
awslogs-force-flush-interval-seconds
awslogs-max-buffered-events
awslogs-format
tag
""".split()
OF_GCPLOGS = "gcp-project gcp-log-cmd gcp-meta-zone gcp-meta-name gcp-meta-id labels env".split()
REFUSED = [
    ({"Type": "json-file", "Config": {"x": "y"}}, "unknown log opt 'x' for json-file log driver"),
    ({"Type": "local", "Config": {"x": "y"}}, "unknown log opt 'x' for log driver local"),
    ({"Type": "gelf", "Config": {}}, "gelf-address is a required parameter"),
    ({"Type": "nosuch", "Config": {}}, 'plugin \\"nosuch\\" not found'),
    *(
        (
            {"Type": name, "Config": dict.fromkeys(options, "x")},
            f"logging driver '{name}' is not supported by this version of Carrack: use one of",
        )
        for name, options in (("awslogs", OF_AWSLOGS), ("gcplogs", OF_GCPLOGS), ("etwlogs", ()), ("logentries", ()))
    ),
]


@pytest.mark.census(
    "log-driver awslogs", "log-driver gcplogs", "log-driver etwlogs", "log-driver logentries", "log-driver plugin"
)
@pytest.mark.census(*(f"log-driver awslogs {name}" for name in OF_AWSLOGS))
@pytest.mark.census(*(f"log-driver gcplogs {name}" for name in OF_GCPLOGS))
@pytest.mark.parametrize(("log", "text"), REFUSED)
def test_what_is_refused(docker: Cli, image: str, log: dict[str, object], text: str) -> None:
    body = {"Image": image, "HostConfig": {"LogConfig": log}}
    status, answer = api(docker.daemon, "POST", "/containers/create", body)
    assert status in (400, 501)
    assert text in answer.decode()
    assert docker("ps", "-aq").stdout == ""
