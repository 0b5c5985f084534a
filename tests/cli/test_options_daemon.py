"""The daemon's own options, each seen where it acts: a second daemon with other settings than the first."""

from __future__ import annotations

import grp
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually

pytestmark = pytest.mark.root
OPTIONS = [
    *("--mtu", "1400", "--bip", "", "--default-address-pool", "base=10.251.0.0/16,size=26"),
    *("--label", "a=b", "--storage-driver", "vfs", "--slots", "0", "--log-format", "json", "--debug"),
    *("--group", "nogroup", "--shutdown-timeout", "1"),
]


OTHER_DRIVERS = {
    "aufs": "aufs is not supported: AUFS never became part of Linux",
    "devicemapper": "what a container may write is limited by --storage-opt size",
    "zfs": "a data root on it works with overlay",
    "windowsfilter": "for containers of Windows",
    "rexray/plugin": "unknown storage driver 'rexray/plugin'",
}


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """A command line to a second daemon that holds the image too."""
    process = DaemonProcess(tmp_path_factory.mktemp("other"), *OPTIONS)
    process.bridge, process.table, process.cgroup = process.bridge + "o", process.table + "o", process.cgroup + "o"
    archive = CommandLine("carrack", daemon).raw("save", image)
    try:
        process.start()
        cli = CommandLine("carrack", process)
        cli("load", stdin=archive)
        yield cli
    finally:
        process.stop()


def info(cli: Cli) -> dict[str, object]:
    return dict(json.loads(cli("info", "--format", "{{json .}}").stdout))


@pytest.mark.census(
    "dockerd --mtu",
    "daemon.json mtu",
    "dockerd --default-address-pool",
    "daemon.json default-address-pools",
    "dockerd --bridge",
    "daemon.json bridge",
    "dockerd --bip",
    "daemon.json bip",
)
def test_the_bridge(other: Cli, image: str) -> None:
    script = "cat /sys/class/net/eth0/mtu; ip -4 addr show eth0 | grep -o 'inet [0-9./]*'"
    mtu, address = other("run", "--rm", image, "sh", "-c", script).stdout.splitlines()
    assert mtu == "1400"
    assert address.startswith("inet 10.251.0.")
    assert address.endswith("/26")
    assert Path(f"/sys/class/net/{other.daemon.bridge}/mtu").read_text() == "1400\n"
    assert info(other)["DefaultAddressPools"] == [{"Base": "10.251.0.0/16", "Size": 26}]
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert other.daemon.table in tables.split()


@pytest.mark.census(
    "dockerd --data-root",
    "daemon.json data-root",
    "dockerd --exec-root",
    "daemon.json exec-root",
    "dockerd --group",
    "daemon.json group",
    "daemon socket group",
    "dockerd --host",
    "daemon.json hosts",
    "daemon multiple daemons",
)
def test_places(other: Cli, image: str) -> None:
    root = other.daemon.root
    assert (root / "data" / "meta.db").exists()
    assert (root / "run").is_dir()
    pid = int((root / "pid").read_text())
    assert b"carrack.daemon" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert grp.getgrgid(os.stat(other.daemon.socket).st_gid).gr_name == "nogroup"


@pytest.mark.census("storage-driver vfs", "dockerd --storage-driver")
@pytest.mark.census(
    "dockerd --storage-driver",
    "daemon.json storage-driver",
)
def test_the_storage_driver(other: Cli, image: str) -> None:
    assert info(other)["Driver"] == "copy"
    other("create", "--name", "copied", image)
    container = other("inspect", "-f", "{{.Id}}", "copied").stdout.strip()
    assert container in other("ps", "-as", "--no-trunc").stdout
    assert list(other.daemon.root.glob(f"data/layers/copy/containers/{container}/fs/**/index.html"))
    assert "Total reclaimed space: 0B" in other("container", "prune", "-f").stdout


@pytest.mark.census(
    "dockerd --label",
    "dockerd --log-format",
    "daemon.json log-format",
    "daemon log-format text|json",
    "dockerd --debug",
)
def test_labels_and_logs(other: Cli, image: str) -> None:
    assert info(other)["Labels"] == ["a=b"]
    other("inspect", "nosuch", check=False)
    records = [json.loads(line) for line in other.daemon.log.read_text().splitlines()]
    assert "debug" in {str(record["level"]) for record in records}


def test_no_slots_are_kept(other: Cli, daemon: DaemonProcess, image: str) -> None:
    def parked(process: DaemonProcess) -> list[Path]:
        return list(Path("/sys/fs/cgroup").glob(f"*{process.cgroup}/slot-*"))

    assert other("run", "--rm", image, "echo", "runs").stdout == "runs\n"
    eventually(lambda: bool(parked(daemon)))
    assert not parked(other.daemon)


@pytest.mark.census(
    "dockerd --cgroup-parent",
    "daemon.json cgroup-parent",
)
def test_where_containers_go(other: Cli, image: str) -> None:
    done = other("run", "--rm", image, "cat", "/proc/self/cgroup")
    assert f"{other.daemon.cgroup}/" in done.stdout


@pytest.mark.census(
    "dockerd --live-restore",
    "dockerd --shutdown-timeout",
    "daemon shutdown-timeout",
)
def test_containers_end_with_the_daemon_or_stay(other: Cli, image: str) -> None:
    """One that would have five minutes to stop has no more than the daemon gives."""
    words = ("-d", "--name", "deaf", "--stop-timeout", "300")
    other("run", *words, image, "sh", "-c", "trap '' TERM; while :; do sleep 0.1; done")
    other.daemon.end()
    assert "stopping" in other.daemon.log.read_text()
    (other.daemon.root / "daemon.json").write_text('{"live-restore": true}')
    other.daemon.start()
    try:
        assert other("inspect", "-f", "{{.State.ExitCode}}", "deaf").stdout == "137\n"
        other("run", "-d", "--name", "stays", image, "sleep", "100")
        pid = other("inspect", "-f", "{{.State.Pid}}", "stays").stdout
        other.daemon.end()
        other.daemon.start()
        assert other("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", "stays").stdout == f"running {pid}"
    finally:
        other("rm", "-f", "stays", "deaf", check=False)
        other.daemon.end()
        (other.daemon.root / "daemon.json").write_text("{}")
        other.daemon.start()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--iptables=false"], "iptables"),
        (["--log-driver", "awslogs"], "logging driver 'awslogs' is not supported"),
        (["--registry-mirror", "ftp://x"], "invalid mirror"),
        *((["--storage-driver", name], reason) for name, reason in OTHER_DRIVERS.items()),
        (["--feature", "containerd-snapshotter=true"], "containerd-snapshotter"),
        (["--nosuch"], "nosuch"),
    ],
)
@pytest.mark.census("storage-driver zfs")
@pytest.mark.census("storage-driver plugin graphdriver", "storage-driver containerd snapshotters")
@pytest.mark.census("daemon features containerd-snapshotter/buildkit/cdi")
def test_options_that_are_not_built_stop_the_daemon(tmp_path: Path, words: list[str], message: str) -> None:
    process = DaemonProcess(tmp_path, *words)
    with pytest.raises(AssertionError, match=message):
        process.start()


@pytest.mark.census("storage-driver overlay2")
def test_dockers_name_of_the_overlay_driver(tmp_path: Path, daemon: DaemonProcess, image: str) -> None:
    process = DaemonProcess(tmp_path, "--storage-driver", "overlay2")
    process.bridge, process.table, process.cgroup = process.bridge + "v", process.table + "v", process.cgroup + "v"
    try:
        process.start()
        cli = CommandLine("carrack", process)
        cli("load", stdin=CommandLine("carrack", daemon).raw("save", image))
        mounts = cli("run", "--rm", image, "cat", "/proc/self/mounts").stdout.splitlines()
        assert any(line.startswith("overlay / overlay ") for line in mounts), mounts
        assert list(tmp_path.glob("data/layers/overlay/layers/*/fs/bin/busybox"))
    finally:
        process.stop()
