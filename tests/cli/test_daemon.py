"""The daemon as its own thing: how it is configured, started, reloaded, and what it tells of itself."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, eventually

pytestmark = pytest.mark.root

_AS_SYSTEMD = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.set_inheritable(3, True); "
    "os.environ |= {'LISTEN_FDS': '1', 'LISTEN_PID': str(os.getpid())}; os.execv(sys.argv[2], sys.argv[2:])"
)
_RUN = "import sys; from carrack.daemon.main import main; sys.exit(main())"


def carrackd(*words: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    source = str(Path(__file__).parents[2] / "src")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": source, **(environment or {})}
    return subprocess.run([sys.executable, "-c", _RUN, *words], capture_output=True, text=True, env=env, timeout=60)


@pytest.mark.census("dockerd --validate", "daemon --validate", "dockerd --config-file", "dockerd --version")
def test_what_is_wrong_with_a_configuration_is_told_before_anything_runs(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text('{"debug": true, "labels": ["a=b"]}')
    done = carrackd("--validate", "--config-file", str(file))
    assert (done.returncode, done.stdout) == (0, "configuration OK\n")
    file.write_text('{"debug": "yes"}')
    assert "debug" in carrackd("--validate", "--config-file", str(file)).stderr
    file.write_text('{"nosuch": 1}')
    told = carrackd("--validate", "--config-file", str(file))
    assert (told.returncode, "don't match any configuration option: nosuch" in told.stderr) == (2, True)
    assert carrackd("--version").stdout.startswith("Carrack version ")


@pytest.mark.census("daemon NRI (29)", "daemon OTEL tracing env")
def test_what_this_engine_has_not_is_told(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text('{"nri-opts": {"enable": true}}')
    told = carrackd("--validate", "--config-file", str(file))
    assert (told.returncode, "nri-opts" in told.stderr) == (2, True)
    process = DaemonProcess(tmp_path)
    process.wrapper = ["env", "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"]
    try:
        process.start()
    finally:
        process.stop()
    assert "exports no traces; without effect: OTEL_EXPORTER_OTLP_ENDPOINT" in process.log.read_text()


@pytest.mark.census("daemon daemon.json + flags conflict check")
def test_a_setting_stands_in_one_place(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    file.write_text('{"labels": ["a=b"], "log-level": "warn"}')
    told = carrackd("--validate", "--config-file", str(file), "--log-level", "info")
    assert "specified both as a flag and in the configuration file: log-level" in told.stderr
    assert told.returncode == 2


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """Another daemon beside the tests' own, which logs lines of text."""
    process = DaemonProcess(tmp_path_factory.mktemp("second"), "--label", "who=second")
    configure(process, {})
    try:
        process.start()
        yield process
    finally:
        process.stop()


def configure(process: DaemonProcess, settings: dict[str, Any]) -> None:
    (process.root / "daemon.json").write_text(json.dumps({"log-level": "info", **settings}))


def hang_up(process: DaemonProcess) -> None:
    os.kill(int((process.root / "pid").read_text()), signal.SIGHUP)


@pytest.mark.census("daemon multiple daemons", "dockerd --data-root", "dockerd --exec-root", "dockerd --host",
                    "dockerd --pidfile", "daemon pidfile", "daemon.json pidfile", "dockerd --label")  # fmt: skip
def test_two_daemons_live_beside_each_other(daemon: DaemonProcess, second: DaemonProcess) -> None:
    one, other = CommandLine("carrack", daemon), CommandLine("carrack", second)
    ids = {cli("info", "-f", "{{.ID}}").stdout for cli in (one, other)}
    assert len(ids) == 2
    other("volume", "create", "of-the-second")
    assert "of-the-second" not in one("volume", "ls", "-q").stdout
    assert (second.root / "data" / "volumes" / "of-the-second").is_dir()
    pid = int((second.root / "pid").read_text())
    assert str(second.root / "data").encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert other("info", "-f", "{{json .Labels}}").stdout == '["who=second"]\n'
    # one of them cannot take the other's place
    refused = carrackd("--data-root", str(second.root / "data"), "--exec-root", str(second.root / "run"),
                       "--pidfile", str(second.root / "pid2"), "--host", f"unix://{second.root}/third.sock",
                       "--bridge", second.bridge + "x")  # fmt: skip
    assert refused.returncode == 1
    assert str(second.root / "data") in refused.stderr


@pytest.mark.census("event daemon reload", "filter /events daemon", "daemon SIGHUP reload subset", "daemon.json debug",
                    "daemon.json log-level")  # fmt: skip
def test_a_reload_is_an_event_of_the_daemon(second: DaemonProcess) -> None:
    cli = CommandLine("carrack", second)
    identity = cli("info", "-f", "{{.ID}}").stdout.strip()
    configure(second, {"debug": True, "shutdown-timeout": 7})
    hang_up(second)
    eventually(lambda: cli("info", "-f", "{{.Debug}}").stdout == "true\n")
    words = ["events", "--since", "1m", "--until", str(int(time.time()) + 1), "--format", "{{json .}}"]
    (line,) = cli(*words, "--filter", f"daemon={identity}").stdout.splitlines()
    event = json.loads(line)
    assert (event["Type"], event["Action"], event["Actor"]["ID"], event["scope"]) == (
        "daemon", "reload", identity, "local",
    )  # fmt: skip
    attributes = event["Actor"]["Attributes"]
    assert attributes.items() >= {"debug": "true", "shutdown-timeout": "7", "name": socket.gethostname()}.items()
    assert cli(*words, "--filter", "daemon=other").stdout == ""
    assert len(cli(*words, "--filter", "type=daemon", "--filter", "event=reload").stdout.splitlines()) == 1
    # what is wrong changes nothing, and is told
    (second.root / "daemon.json").write_text('{"debug": "no"}')
    hang_up(second)
    eventually(lambda: "the configuration is not reloaded" in second.log.read_text())
    assert cli("info", "-f", "{{.Debug}}").stdout == "true\n"


@pytest.mark.census("dockerd --log-format", "dockerd --log-level", "dockerd --debug", "daemon log-format text|json",
                    "daemon.json log-format")  # fmt: skip
@pytest.mark.parametrize("style", ["text", "json"])
def test_the_daemon_logs_in_the_wanted_form(tmp_path: Path, style: str) -> None:
    process = DaemonProcess(tmp_path, "--log-format", style, "--log-level", "info")
    try:
        process.start()
        CommandLine("carrack", process)("inspect", "nosuch", check=False)
        process.end()
        quiet = process.log.read_text()
        process.log.write_text("")
        (tmp_path / "daemon.json").write_text('{"debug": true}')
        process.start()
        CommandLine("carrack", process)("inspect", "nosuch", check=False)
    finally:
        process.stop()
    loud = process.log.read_text()
    assert "refused with 404" not in quiet
    assert "refused with 404" in loud
    if style == "json":
        levels = {json.loads(line)["level"] for line in loud.splitlines()}
        assert levels >= {"info", "debug"}
    else:
        assert any(line.split()[1] == "debug" for line in loud.splitlines())


@pytest.mark.census("daemon systemd socket activation fd://")
@pytest.mark.parametrize("name", ["fd://", "fd://3"])
def test_a_socket_that_systemd_has_opened_is_served(tmp_path: Path, name: str) -> None:
    process = DaemonProcess(tmp_path, "--host", name)
    path = tmp_path / "activated.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        process.wrapper = [sys.executable, "-c", _AS_SYSTEMD, str(listening.fileno())]
        process.pass_fds = (listening.fileno(),)
        try:
            process.start()
        finally:
            listening.close()
        try:
            connection = socket.socket(socket.AF_UNIX)
            with connection:
                connection.connect(str(path))
                connection.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answer = b""
                while data := connection.recv(4096):
                    answer += data
            assert answer.endswith(b"\r\n\r\nOK")
        finally:
            process.stop()
    assert path.exists(), "the socket is systemd's, who removes it"


@pytest.mark.census("context API version negotiation", "daemon min API version")
def test_versions_of_the_api(cli: Cli, daemon: DaemonProcess) -> None:
    assert json.loads(cli("version", "--format", "{{json .Server}}").stdout)["MinAPIVersion"] == "1.41"
    for version in ("v1.41", "v1.51"):
        assert api(daemon, "GET", f"/{version}/_ping") == (200, b"OK")
    status, told = api(daemon, "GET", "/v1.40/_ping")
    assert status == 400
    assert told.startswith(b"client version 1.40 is too old. Minimum supported API version is 1.41")
    status, told = api(daemon, "GET", "/v1.99/_ping")
    assert status == 400
    assert b"client version 1.99 is too new. Maximum supported API version is 1.51" in told
    # an older client's words, and one that takes what it is offered
    assert cli("ps", "-q").returncode == 0
    assert isinstance(cli, CommandLine)
    environment = {**daemon.environment, "DOCKER_API_VERSION": "1.41"}
    assert subprocess.run([*cli.program, "ps", "-q"], env=environment).returncode == 0


@pytest.mark.census("daemon.json min-api-version")
def test_older_versions_can_be_left_out(second: DaemonProcess) -> None:
    second.end()
    configure(second, {"min-api-version": "1.44"})
    second.start()
    assert api(second, "GET", "/v1.44/_ping")[0] == 200
    status, told = api(second, "GET", "/v1.43/_ping")
    assert (status, b"Minimum supported API version is 1.44" in told) == (400, True)
    assert json.loads(api(second, "GET", "/version")[1])["MinAPIVersion"] == "1.44"


@pytest.mark.census("dockerd --experimental", "daemon.json experimental", "daemon experimental")
def test_a_daemon_can_be_called_experimental(second: DaemonProcess) -> None:
    second.end()
    configure(second, {"experimental": True})
    second.start()
    cli = CommandLine("carrack", second)
    assert cli("version", "-f", "{{.Server.Experimental}}").stdout == "true\n"
    assert cli("info", "-f", "{{.ExperimentalBuild}}").stdout == "true\n"
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(second.socket))
        client.sendall(b"HEAD /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"Docker-Experimental: true\r\n" in client.recv(4096)


@pytest.mark.census("GET /debug/vars", "GET /debug/pprof/", "GET /debug/pprof/{name}", "daemon debug + pprof")
def test_go_s_profiles_are_refused(second: DaemonProcess) -> None:
    for path in ("vars", "pprof/", "pprof/heap"):
        status, told = api(second, "GET", f"/debug/{path}")
        assert (status, b"SIGUSR1 writes the stacks" in told) == (501, True)
    os.kill(int((second.root / "pid").read_text()), signal.SIGUSR1)
    eventually(lambda: "most recent call first" in second.log.read_text())


@pytest.mark.census("GET /system/df → Containers[].SizeRw")
def test_what_is_written_to_a_container_counts_as_used(docker: Cli, daemon: DaemonProcess, image: str) -> None:
    docker("run", "--name", "writes", image, "sh", "-c", "head -c 30000 /dev/zero > /f")
    usage = json.loads(api(daemon, "GET", "/system/df?type=container")[1])
    (row,) = usage["Containers"]
    assert row["SizeRw"] >= 30000
    assert row["SizeRootFs"] > row["SizeRw"]
    assert usage["Images"] is None


def _ageless(text: str) -> str:
    """Without words that are others a moment later, and the columns that these are wide."""
    text = re.sub(r"(Less than a|About an?|\d+) (second|minute|hour)s?( ago)?", "<age>", text)
    return re.sub(r" {2,}", "  ", text)


AGREED = [
    "system df", "system df -v", "system df --format json", "system df -v --format json",
    "system df --format {{.Type}}",
    "system df -v --format '{{json .Volumes}}'", "system df -v --format '{{range .Images}}{{.ID}} {{.Digest}}{{end}}'",
    "system df -v --format '{{range .Containers}}{{.ID}} {{.Size}} {{.Command}}{{end}}'",
    "system prune", "system prune -a", "system prune --volumes", "system prune --filter until=1h --filter label=a",
    "system prune --volumes --filter until=1h", "system prune -f --filter label=nosuch",
    "system prune --filter nosuch=1 -f",
    "info --format '{{json .Plugins}}'", "system info -f '{{.ID}} {{.Containers}} {{.Driver}} {{.OSType}}'",
    "info --format '{{json .Warnings}} {{json .SecurityOptions}} {{.KernelVersion}} {{.NCPU}} {{.MemTotal}}'",
    "version --format '{{.Server.Version}} {{.Server.MinAPIVersion}} {{.Server.KernelVersion}}'",
    "events --since 1h --until {now} --filter container=agreed --format '{{{{json .}}}}'",
    "events --since 1h --until {now} --filter container=agreed", "events --since nonsense --until 0s",
]  # fmt: skip


@pytest.mark.docker_28
@pytest.mark.census("system df --verbose", "system df --format", "info --format", "system info --format",
                    "version --format", "system events --since", "system events --until", "system events --filter",
                    "system events --format")  # fmt: skip
def test_both_commands_show_the_same_of_one_daemon(daemon: DaemonProcess, docker: Cli, image: str) -> None:
    ours = CommandLine("carrack", daemon)
    ours(
        "run", "--name", "agreed", "-v", "agreed:/data", "-l", "a=b", image, "sh", "-c", "echo x > /data/x; echo y > /y"
    )
    try:
        now = int(time.time()) + 1
        for line in AGREED:
            one, other = (
                cli(*shlex.split(line.format(now=now) if "{now}" in line else line), stdin="", check=False)
                for cli in (docker, ours)
            )
            assert (line, one.returncode, _ageless(one.stdout), one.stderr) == (
                line,
                other.returncode,
                _ageless(other.stdout),
                other.stderr,
            )
    finally:
        ours("rm", "agreed", check=False)
        ours("volume", "rm", "agreed", check=False)
