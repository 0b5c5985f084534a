"""`metrics-addr`: what Prometheus would find there of a daemon that works."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from tests.cli.host_ports import free_port
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.cli.test_logs import logger_of

pytestmark = [
    pytest.mark.root,
    pytest.mark.census(
        "daemon metrics-addr Prometheus", "daemon.json metrics-addr", "dockerd --metrics-addr", "GET /metrics"
    ),
]
_LINE = re.compile(r'[a-z_]+(\{([a-z_0-9A-Z]+="(\\.|[^"\\])*",?)+\})? (-?[0-9.e+-]+|\+Inf)')


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str
) -> Iterator[tuple[CommandLine, str]]:
    """A command line to a daemon with metrics, and where these are."""
    port = free_port()
    process = DaemonProcess(tmp_path_factory.mktemp("measured"), "--metrics-addr", f":{port}")
    archive = CommandLine("carrack", daemon).raw("save", image)
    try:
        process.start()
        cli = CommandLine("carrack", process)
        cli("load", stdin=archive)
        yield cli, f"http://127.0.0.1:{port}/metrics"
    finally:
        process.stop()


def scrape(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:
        return bytes(answer.read()).decode()


def value(page: str, sample: str) -> float:
    (found,) = (line for line in page.splitlines() if re.match(sample + " ", line))
    return float(found.rsplit(" ", 1)[1])


def test_what_the_daemon_does_is_counted(measured: tuple[CommandLine, str], image: str) -> None:
    cli, address = measured
    before = scrape(address)
    cli("run", "--rm", image, "true")
    # a container that goes by itself is swept in the background
    actions = "engine_daemon_container_actions_seconds_count"
    eventually(lambda: value(scrape(address), actions + r'\{action="delete"\}') == 1)
    after = scrape(address)
    for action in ("create", "start"):
        sample = rf'{actions}\{{action="{action}"\}}'
        assert value(after, sample) == value(before, sample) + 1
    network = r'engine_daemon_network_actions_seconds_count\{{action="{}"\}}'
    assert value(after, network.format("allocate")) == 1
    assert value(after, network.format("release")) == 1
    events = "engine_daemon_events_total"
    assert value(after, events) >= value(before, events) + 5
    assert value(after, r'engine_daemon_image_actions_seconds_count\{action="load"\}') == 1
    assert all(_LINE.fullmatch(line) for line in after.splitlines() if not line.startswith("# "))


def test_a_container_s_own_figures(measured: tuple[CommandLine, str], image: str) -> None:
    cli, address = measured
    cli("run", "-d", "--name", "busy", "--label", "com.example.team=blue", "-m", "96m", "--health-cmd", "false",
        "--health-interval", "200ms", image, "sh", "-c", "while :; do :; done")  # fmt: skip
    try:
        mine = r'\{id="[0-9a-f]{64}",image="[^"]+",name="busy",container_label_com_example_team="blue"'
        eventually(lambda: value(scrape(address), "engine_daemon_health_checks_failed_total") >= 1)
        page = scrape(address)
        assert value(page, "engine_daemon_health_check_start_duration_seconds_count") >= 1
        assert value(page, rf"container_spec_memory_limit_bytes{mine}\}}") == 96 * 1024 * 1024
        assert 0 < value(page, rf"container_memory_usage_bytes{mine}\}}") < 96 * 1024 * 1024
        assert value(page, rf"container_processes{mine}\}}") >= 1
        assert value(page, rf'container_state{mine},state="running"\}}') == 1
        assert value(page, r'engine_daemon_container_states_containers\{state="running"\}') == 1
        cpu = rf"container_cpu_usage_seconds_total{mine}\}}"
        used = value(page, cpu)
        eventually(lambda: value(scrape(address), cpu) > used)
        assert value(page, rf'container_network_receive_bytes_total{mine},interface="eth0"\}}') >= 0
    finally:
        cli("rm", "-f", "busy")
    assert 'name="busy"' not in scrape(address)


def test_only_loopback_listens_unless_told(measured: tuple[CommandLine, str]) -> None:
    if not shutil.which("ss"):
        pytest.skip("ss shows what listens")
    port = measured[1].split(":")[2].split("/")[0]
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    assert [line.split()[3] for line in listening.splitlines()] == [f"127.0.0.1:{port}"]


def test_without_the_option_there_is_nothing(daemon: DaemonProcess) -> None:
    assert "/metrics" not in daemon.log.read_text()


def test_what_a_log_has_dropped_is_counted(measured: tuple[CommandLine, str], image: str) -> None:
    cli, address = measured
    options = ["--log-opt", "mode=non-blocking", "--log-opt", "max-buffer-size=10k"]
    cli("run", "-d", "--name", "wordy", *options, image, "sh", "-c", "sleep 1; seq 50000; touch /said; exec sleep 1000")
    try:
        logger = logger_of(cli, "wordy")
        os.kill(logger, signal.SIGSTOP)
        eventually(lambda: cli("exec", "wordy", "ls", "/said", check=False).returncode == 0)
        os.kill(logger, signal.SIGCONT)
        sample = re.compile(r'container_log_dropped_messages_total\{[^}]*name="wordy"\} ([0-9]+)')
        eventually(lambda: (found := sample.search(scrape(address))) is not None and int(found[1]) > 1000)
    finally:
        cli("rm", "-f", "wordy")
