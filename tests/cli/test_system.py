"""Verbs that only our command line has, and those that are about itself."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually

pytestmark = pytest.mark.root


@pytest.fixture
def ours(daemon: DaemonProcess, image: str) -> CommandLine:
    return CommandLine("carrack", daemon)


@pytest.mark.census("completion", "__complete")
def test_completion(ours: CommandLine, image: str) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "carrack __complete" in ours("completion", shell).stdout
    assert ours("completion", "tcsh", check=False).returncode == 1
    assert ours("__complete", "r").stdout.split() == ["registry", "rename", "restart", "rm", "rmi", "run"]
    assert ours("__complete", "volume", "").stdout.split() == ["create", "inspect", "ls", "prune", "rm", "update"]
    assert "--publish" in ours("__complete", "run", "--pu").stdout.split()
    assert ours("__complete", "run", "busy").stdout == f"{image}\n"
    ours("create", "--name", "complete-me", image)
    try:
        assert ours("__complete", "rm", "com").stdout == "complete-me\n"
        script = f"{ours('completion', 'bash').stdout}\ncarrack() {{ printf 'rename\\nrestart\\n'; }}\n"
        script += "COMP_WORDS=(carrack re); COMP_CWORD=1; _carrack; echo ${COMPREPLY[@]}"
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert done.stdout == "rename restart\n"
    finally:
        ours("rm", "complete-me")


@pytest.mark.census("system dial-stdio")
def test_dial_stdio(ours: CommandLine) -> None:
    request = b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = ours.raw("system", "dial-stdio", stdin=request)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"OK")


def test_bootstrap(ours: CommandLine, image: str) -> None:
    before = ours("inspect", "-f", "{{.Id}}", image).stdout.strip()
    try:
        assert "Bootstrapped image: busybox:latest" in ours("image", "bootstrap", "busybox").stdout
        assert ours("run", "--rm", "busybox", "echo", "made here").stdout == "made here\n"
        made = ours("inspect", "-f", "{{.Id}}", "busybox").stdout.strip()
        assert "Bootstrapped" in ours("image", "bootstrap", "busybox").stdout
        assert ours("inspect", "-f", "{{.Id}}", "busybox").stdout.strip() == made, "the same inputs give the same image"
        refused = ours("image", "bootstrap", "nosuch:1", check=False)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "cannot bootstrap 'nosuch:1'" in refused.stderr
    finally:
        ours("tag", before, image)


def test_json_everywhere(ours: CommandLine) -> None:
    for words in (["ps"], ["images"], ["volume", "ls"], ["network", "ls"], ["system", "df"], ["version"], ["info"]):
        out = ours(*words, "--json").stdout
        assert out == "" or out.startswith("{")


def test_system_start(daemon: DaemonProcess, tmp_path: Path) -> None:
    """A daemon started because it was asked for; a second request finds it there."""
    assert "already answers" in CommandLine("carrack", daemon)("system", "start").stdout
    other = DaemonProcess(tmp_path)
    other.bridge, other.table, other.cgroup = other.bridge + "s", other.table + "s", other.cgroup + "s"
    ours = CommandLine("carrack", other)
    options = ["--config-file", str(tmp_path / "daemon.json"), "--data-root", str(tmp_path / "data")]
    options += ["--exec-root", str(tmp_path / "run"), "--pidfile", str(tmp_path / "pid"), "--bridge", other.bridge]
    options += ["--bip", "10.253.253.1/24", "--firewall-table", other.table, "--cgroup-parent", other.cgroup]
    told = ours("ps", check=False)
    assert told.returncode == 1
    assert "carrack system start" in told.stderr
    try:
        done = ours("system", "start", "--log-file", str(tmp_path / "log"), "--", *options)
        assert "The daemon answers at" in done.stdout
        assert ours("ps", "-q").stdout == ""
        daemon_id = int((tmp_path / "pid").read_text())
        os.kill(daemon_id, signal.SIGTERM)
        eventually(lambda: not Path(f"/proc/{daemon_id}").exists() or _is_zombie(daemon_id))
    finally:
        other.stop()
    broken = ours("system", "start", "--log-file", str(tmp_path / "log2"), "--", "--bip", "nonsense", check=False)
    assert broken.returncode == 1
    assert "the daemon ended with code" in broken.stderr


def test_foreground_replaces_the_command(tmp_path: Path, daemon: DaemonProcess) -> None:
    other = DaemonProcess(tmp_path)
    done = CommandLine("carrack", other)("system", "start", "--foreground", "--", "--version")
    assert done.stdout.startswith("Carrack version ")


def _is_zombie(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.census("context ssh:// host (system dial-stdio)")
def test_a_host_behind_ssh(daemon: DaemonProcess, image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends are ours; what stands for ssh runs the command here."""
    (tmp_path / "ssh").write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    ours = CommandLine("carrack", daemon)
    (tmp_path / "carrack").write_text(f'#!/bin/sh\nexec {shlex.join(ours.program)} "$@"\n')
    for name in ("ssh", "carrack"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    host = f"ssh://me@box{daemon.socket}"
    assert ours("--host", host, "run", "-i", "--rm", image, "cat", stdin="through\n").stdout == "through\n"


@pytest.mark.census("commit --no-pause", "commit --pause", "POST /commit?pause")
def test_a_commit_without_a_pause(ours: CommandLine, image: str) -> None:
    ours("run", "-d", "--name", "goes-on", image, "sleep", "100")
    try:
        for name, words, pauses in ("gone:1", [], 1), ("gone:2", ["--no-pause"], 0), ("gone:2", ["--pause=false"], 0):
            since = f"{time.time():.6f}"
            ours("commit", *words, "goes-on", name)
            told = ours("events", "--since", since, "--until", "0s", "--filter", "event=pause").stdout
            assert told.count("container pause") == pauses
        assert ours("commit", "--pause", "--no-pause", "goes-on", check=False).returncode == 1
    finally:
        ours("rm", "-f", "goes-on")
        ours("rmi", "gone:1", "gone:2", check=False)
