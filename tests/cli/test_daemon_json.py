"""daemon.json: what it says is seen inside containers, read again on SIGHUP, and refused when it is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually

pytestmark = pytest.mark.root

PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}


def settings(root: Path) -> dict[str, Any]:
    return {
        "default-shm-size": "8m",
        "default-ulimits": {
            "nofile": {"Name": "nofile", "Soft": 77, "Hard": 99},
            "core": {"Name": "core", "Soft": 0, "Hard": 0},
        },
        "default-ipc-mode": "shareable",
        "default-cgroupns-mode": "private",
        "init": True,
        "no-new-privileges": True,
        "seccomp-profile": str(root / "profile.json"),
        "dns": ["192.0.2.53"],
        "dns-search": ["corp.example"],
        "dns-opts": ["ndots:4"],
        "host-gateway-ips": ["192.0.2.99"],
        "ip": "127.0.0.1",
        "labels": ["place=here"],
        "features": {"buildkit": False},
        "raw-logs": True,
        "log-level": "info",
    }


class Json:
    """A daemon and its configuration file."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.cli = CommandLine("carrack", daemon)
        self.file = daemon.root / "daemon.json"
        self.content = settings(daemon.root)

    def inside(self, *words: str, options: tuple[str, ...] = ()) -> str:
        return self.cli("run", "--rm", *options, "busybox", *words).stdout

    def reload(self, changes: dict[str, Any] | None = None, text: str | None = None) -> str:
        """Write the file, tell the daemon, and give what it logs of it."""
        before = self.daemon.log.stat().st_size
        self.content.update(changes or {})
        self.file.write_text(json.dumps(self.content) if text is None else text)
        os.kill(int((self.daemon.root / "pid").read_text()), signal.SIGHUP)
        eventually(lambda: "reloaded" in self.daemon.log.read_text()[before:])
        return self.daemon.log.read_text()[before:]


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Json]:
    process = DaemonProcess(tmp_path_factory.mktemp("json"))
    found = Json(process)
    (process.root / "profile.json").write_text(json.dumps(PROFILE))
    found.file.write_text(json.dumps(found.content))
    try:
        process.start()
        found.cli("image", "bootstrap", "busybox")
        yield found
    finally:
        left = found.cli("ps", "-aq", check=False).stdout.split()
        if left:
            found.cli("rm", "-f", *left, check=False)
        process.stop()


@pytest.mark.census(
    "daemon.json default-shm-size",
    "dockerd --default-shm-size",
    "daemon.json default-ulimits",
    "dockerd --default-ulimit",
    "daemon.json default-cgroupns-mode",
    "dockerd --default-cgroupns-mode",
    "daemon.json init",
    "dockerd --init",
    "daemon.json no-new-privileges",
    "dockerd --no-new-privileges",
)
def test_defaults_are_seen_inside(configured: Json) -> None:
    script = (
        "df -k /dev/shm | tail -1 | awk '{print $2}'; ulimit -Sn; ulimit -Hn; ulimit -c; readlink /proc/1/exe;"
        " grep NoNewPrivs /proc/self/status | cut -f2; cut -d: -f3 /proc/self/cgroup | sort -u"
    )
    shm, soft, hard, core, first, privileges, *groups = configured.inside("sh", "-c", script).splitlines()
    assert (shm, soft, hard, core, privileges) == ("8192", "77", "99", "0", "1")
    assert first.endswith("docker-init")
    assert groups == ["/"]
    own: tuple[str, ...] = ("--shm-size", "1m", "--ulimit", "nofile=20:30", "--cgroupns", "host", "--init=false")
    own += ("--security-opt", "no-new-privileges=false")
    shm, soft, hard, core, first, privileges, *groups = configured.inside("sh", "-c", script, options=own).splitlines()
    assert (shm, soft, hard, core, privileges) == ("1024", "20", "30", "0", "0")
    assert first.endswith("busybox")
    assert any(configured.daemon.cgroup in group for group in groups)


@pytest.mark.census("daemon.json default-ipc-mode", "dockerd --default-ipc-mode")
def test_containers_share_their_memory_by_default(configured: Json) -> None:
    configured.cli("run", "-d", "--name", "shares", "busybox", "sleep", "1000")
    configured.cli("exec", "shares", "sh", "-c", "echo seen >/dev/shm/x")
    assert configured.inside("cat", "/dev/shm/x", options=("--ipc", "container:shares")) == "seen\n"
    assert configured.cli("exec", "shares", "sh", "-c", "ulimit -Sn; grep NoNewPrivs /proc/self/status").stdout == (
        "77\nNoNewPrivs:\t1\n"
    )
    configured.cli("rm", "-f", "shares")


@pytest.mark.census("daemon.json seccomp-profile", "dockerd --seccomp-profile")
def test_the_profile_of_all_that_name_none(configured: Json) -> None:
    refused = configured.cli("run", "--rm", "busybox", "mkdir", "/x", check=False)
    assert "Operation not permitted" in refused.stderr
    assert configured.inside("mkdir", "/x", options=("--security-opt", "seccomp=builtin")) == ""
    assert configured.inside("mkdir", "/x", options=("--privileged",)) == ""
    options = json.loads(configured.cli("info", "--format", "{{json .SecurityOptions}}").stdout)
    assert {f"name=seccomp,profile={configured.content['seccomp-profile']}", "name=no-new-privileges"} <= set(options)


@pytest.mark.census(
    "daemon.json dns",
    "dockerd --dns",
    "daemon.json dns-search",
    "dockerd --dns-search",
    "daemon.json dns-opts",
    "dockerd --dns-opt",
    "daemon.json host-gateway-ips",
    "daemon.json host-gateway-ip",
    "dockerd --host-gateway-ip",
    "daemon host-gateway-ip",
    "daemon.json ip",
    "dockerd --ip",
)
def test_names_and_addresses(configured: Json) -> None:
    lines = configured.inside("cat", "/etc/resolv.conf").splitlines()
    assert [line for line in lines if not line.startswith("#") and line] == [
        "nameserver 127.0.0.11",
        "search corp.example",
        "options ndots:4",
    ]
    assert "# ExtServers: [192.0.2.53]" in lines
    own = configured.inside("cat", "/etc/resolv.conf", options=("--dns", "192.0.2.7"))
    assert "# ExtServers: [192.0.2.7]" in own
    assert "192.0.2.99\tup\n" in configured.inside("cat", "/etc/hosts", options=("--add-host", "up:host-gateway"))
    configured.cli("run", "-d", "--name", "published", "-p", "80", "-p", "127.0.0.2::81", "busybox", "sleep", "1000")
    ports = configured.cli("port", "published").stdout
    assert "80/tcp -> 127.0.0.1:" in ports
    assert "81/tcp -> 127.0.0.2:" in ports
    configured.cli("rm", "-f", "published")


@pytest.mark.census("daemon.json raw-logs", "dockerd --raw-logs", "daemon.json log-level", "dockerd --log-level")
def test_the_daemons_log_has_whole_times_and_no_colours(configured: Json) -> None:
    text = configured.daemon.log.read_text()
    assert all(line[:4].isdigit() and line[10] == "T" for line in text.splitlines())
    assert "\x1b" not in text
    assert "debug" not in text


@pytest.mark.census(
    "daemon SIGHUP reload subset",
    "event daemon reload",
    "daemon.json labels",
    "daemon.json debug",
    "daemon.json shutdown-timeout",
    "daemon.json features",
    "daemon features containerd-snapshotter/buildkit/cdi",
    "dockerd --feature",
)
def test_a_reload_changes_what_needs_no_restart(configured: Json) -> None:
    told = configured.reload(
        {
            "labels": ["place=there"],
            "debug": True,
            "live-restore": True,
            "default-shm-size": "2m",
            "features": {"buildkit": True},
            "shutdown-timeout": 3,
            "default-ipc-mode": "private",
            "init": False,
        }
    )
    assert "these changes wait until the daemon is started again: init" in told
    info = json.loads(configured.cli("info", "--format", "{{json .}}").stdout)
    assert (info["Labels"], info["Debug"], info["LiveRestoreEnabled"]) == (["place=there"], True, True)
    assert configured.inside("df", "-k", "/dev/shm").split()[-5] == "2048"
    assert configured.inside("readlink", "/proc/1/exe").endswith("docker-init\n")
    past = ("--since", "0", "--until", "0s", "--filter", "event=reload", "--format", "{{json .}}")
    event = json.loads(configured.cli("events", *past).stdout.splitlines()[-1])
    shown = {name: value for name, value in event["Actor"]["Attributes"].items() if name != "name"}
    assert (event["Type"], event["Action"]) == ("daemon", "reload")
    assert (
        shown.items()
        >= {
            "debug": "true",
            "default-ipc-mode": "private",
            "default-cgroupns-mode": "private",
            "default-shm-size": "2097152",
            "features": "map[buildkit:true]",
            "labels": '["place=there"]',
            "live-restore": "true",
            "shutdown-timeout": "3",
        }.items()
    )


@pytest.mark.census("daemon SIGHUP reload subset")
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not a JSON object"),
        ('{"labels": ["x"]}', "bad attribute format: x"),
        ('{"colour": 1}', "don't match any configuration option: colour"),
        ('{"mtu": 1400, "bridge": "elsewhere0"}', "specified both as a flag and in the configuration file"),
        ('{"log-level": "loud", "debug": false}', "log-level"),
    ],
)
def test_a_bad_file_changes_nothing_and_says_so(configured: Json, text: str, words: str) -> None:
    before = configured.cli("info", "--format", "{{json .Labels}} {{.Debug}}").stdout
    told = configured.reload(text=text)
    assert "the configuration is not reloaded" in told
    assert words in told
    assert configured.cli("info", "--format", "{{json .Labels}} {{.Debug}}").stdout == before
    configured.reload()


def carrackd(*words: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from carrack.daemon.main import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)


@pytest.mark.census("daemon --validate", "dockerd --validate", "dockerd --config-file", "dockerd --version")
def test_a_file_can_be_validated_without_a_daemon(tmp_path: Path) -> None:
    file = tmp_path / "daemon.json"
    (tmp_path / "profile.json").write_text(json.dumps(PROFILE))
    file.write_text(json.dumps(settings(tmp_path)))
    assert carrackd("--validate", "--config-file", str(file)).stdout == "configuration OK\n"
    file.write_text('{"default-shm-size": "many"}')
    done = carrackd("--validate", "--config-file", str(file))
    assert (done.returncode, done.stdout) == (2, "")
    assert "default-shm-size: invalid size" in done.stderr
    assert "--default-shm-size" in carrackd("--help").stdout
    assert carrackd("--version").stdout.startswith("Carrack version")


@pytest.mark.census("daemon daemon.json + flags conflict check")
def test_what_stands_twice_is_refused(tmp_path: Path) -> None:
    process = DaemonProcess(tmp_path, "--debug")
    (tmp_path / "daemon.json").write_text('{"debug": true}')
    with pytest.raises(AssertionError, match=r"debug: \(from flag: True, from file: True\)"):
        process.start()
    assert not (tmp_path / "data").exists()


@pytest.mark.census("daemon.json pidfile", "dockerd --pidfile", "daemon pidfile")
def test_the_file_that_names_the_process(configured: Json) -> None:
    pid = int((configured.daemon.root / "pid").read_text())
    assert b"carrack" in Path(f"/proc/{pid}/cmdline").read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from carrack.daemon.main import main; sys.exit(main())",
         "--config-file", str(configured.daemon.root / "none.json"), "--pidfile", str(configured.daemon.root / "pid"),
         "--data-root", str(configured.daemon.root / "other"), "--exec-root", str(configured.daemon.root / "other-run"),
         "-H", f"unix://{configured.daemon.root}/other.sock"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
