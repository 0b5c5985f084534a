"""No room left where the daemon keeps its data, or where it runs: clear errors, and what makes room works."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually

pytestmark = pytest.mark.root

SPEAKS = ["sh", "-c", "while :; do echo hello; sleep .05; done"]
WORDS = "no space left on device"


@pytest.fixture
def small(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon whose data root is a small file system of its own."""
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is not installed")
    image, data = tmp_path / "disk.img", tmp_path / "data"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", "-N", "1000", image], check=True)
    data.mkdir()
    subprocess.run(["mount", "-o", "loop", image, data], check=True)
    daemon = DaemonProcess(tmp_path)
    try:
        yield from running(daemon)
    finally:
        subprocess.run(["umount", "-R", data], check=True)


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon whose exec root is a small tmpfs."""
    run = tmp_path / "run"
    run.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "crk-small-run", run], check=True)
    daemon = DaemonProcess(tmp_path)
    try:
        yield from running(daemon)
    finally:
        subprocess.run(["umount", "-R", run], check=True)


def running(daemon: DaemonProcess) -> Iterator[DaemonProcess]:
    daemon.start()
    ours = CommandLine("carrack", daemon)
    try:
        ours("image", "bootstrap", "busybox")
        yield daemon
    finally:
        names = ours("ps", "-aq", check=False).stdout.split()
        if names:
            ours("rm", "-f", *names, check=False)
        daemon.stop()


def fill(folder: Path, what: str) -> Path:
    """Use up the file system's space or its inodes; returns what can be removed again."""
    filler = folder / "filler"
    if what == "inodes":
        filler.mkdir()
        with contextlib.suppress(OSError):
            for number in itertools.count():
                (filler / str(number)).touch()
        assert os.statvfs(folder).f_favail == 0
        return filler
    piece = 1 << 20
    with filler.open("wb", buffering=0) as file:
        while piece:
            try:
                file.write(bytes(piece))
            except OSError:
                piece //= 2
    assert os.statvfs(folder).f_bavail == 0
    return filler


def refused(cli: Cli, *words: str) -> str:
    done = cli(*words, check=False)
    assert done.returncode != 0, words
    assert "Errno" not in done.stderr
    return done.stderr


def status(cli: Cli, name: str) -> str:
    return cli("inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", name).stdout.strip()


def stock(cli: Cli) -> None:
    """One of everything that can be removed."""
    cli("run", "-d", "--name", "speaker", "busybox", *SPEAKS)
    cli("run", "-d", "--name", "sleeper", "--stop-timeout", "0", "busybox", "sleep", "1000")
    cli("run", "-d", "--name", "passing", "--rm", "busybox", "sleep", "1000")
    cli("create", "--name", "made", "busybox", "true")
    cli("volume", "create", "one")
    cli("volume", "create", "two")
    cli("run", "--name", "writer", "-v", "two:/v", "busybox", "sh", "-c", "echo x > /x; echo y > /v/y")
    cli("commit", "writer", "committed")


@pytest.mark.parametrize("what", ["space", "inodes"])
def test_on_a_full_disk_all_that_shows_ends_or_removes_works(small: DaemonProcess, what: str) -> None:
    cli = CommandLine("carrack", small)
    stock(cli)
    fill(small.root / "data", what)
    assert WORDS in refused(cli, "create", "--name", "another", "busybox", "true")
    assert WORDS in refused(cli, "run", "--rm", "busybox", "true")
    assert WORDS in refused(cli, "volume", "create", "three")
    assert cli("ps", "-aq").stdout.count("\n") == 5, "what was refused has left nothing"
    assert cli("images", "-q").stdout
    assert "hello" in cli("logs", "--tail", "1", "speaker").stdout
    cli("stop", "sleeper")
    assert status(cli, "sleeper") == "exited 137"
    cli("kill", "passing")
    eventually(lambda: "passing" not in cli("ps", "-a").stdout)
    small.crash()
    small.start()
    assert status(cli, "sleeper") == "exited 137"
    assert status(cli, "speaker").startswith("running")
    cli("rm", "-f", "speaker")
    cli("rmi", "committed")
    cli("volume", "rm", "one")
    pruned = cli("container", "prune", "-f").stdout
    assert len([line for line in pruned.splitlines() if len(line) == 64]) == 3
    cli("volume", "prune", "-af")
    cli("rmi", "busybox")
    assert cli("ps", "-aq").stdout + cli("images", "-q").stdout + cli("volume", "ls", "-q").stdout == ""


@pytest.mark.parametrize("what", ["space", "inodes"])
def test_a_daemon_starts_on_a_full_disk_and_goes_on_when_there_is_room_again(small: DaemonProcess, what: str) -> None:
    cli = CommandLine("carrack", small)
    cli("create", "--name", "made", "busybox", "true")
    filler = fill(small.root / "data", what)
    small.end()
    small.start()
    assert status(cli, "made") == "created 0"
    cli("rm", "made")
    small.end()
    subprocess.run(["rm", "-r", filler], check=True)
    small.start()
    assert cli("run", "--rm", "busybox", "echo", "again").stdout == "again\n"
    reserve = small.root / "data/reserve/space"
    eventually(lambda: reserve.stat().st_size == 8 << 20)


def test_an_image_that_does_not_fit_is_refused_whole(small: DaemonProcess, tmp_path: Path) -> None:
    cli = CommandLine("carrack", small)
    archive = tmp_path / "big.tar"
    (tmp_path / "root").mkdir()
    (tmp_path / "root/noise").write_bytes(os.urandom(60 << 20))
    subprocess.run(["tar", "-C", tmp_path / "root", "-cf", archive, "."], check=True)
    assert WORDS in refused(cli, "import", str(archive), "big")
    assert "big" not in cli("images").stdout
    assert list((small.root / "data/ingest").iterdir()) == []
    assert [list(path.iterdir()) for path in (small.root / "data/layers").glob("*/ingest")] == [[]]
    assert cli("run", "--rm", "busybox", "echo", "still").stdout == "still\n"


def test_with_a_full_exec_root_running_containers_can_be_stopped_and_removed(narrow: DaemonProcess) -> None:
    cli = CommandLine("carrack", narrow)
    cli("run", "-d", "--name", "speaker", "busybox", *SPEAKS)
    cli("run", "-d", "--name", "ender", "busybox", "sh", "-c", "trap 'exit 7' TERM; while :; do sleep .05; done")
    cli("create", "--name", "made", "busybox", "true")
    fill(narrow.root / "run", "space")
    assert WORDS in refused(cli, "start", "made").lower()
    narrow.crash()
    pid = json.loads((narrow.root / "run/containers" / full(cli, narrow, "ender") / "shim.json").read_text())["pid"]
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: not os.path.exists(f"/proc/{pid}"))
    narrow.start()
    assert status(cli, "ender") == "exited 7", "its shim kept the exit code though there was no room for it"
    assert status(cli, "speaker").startswith("running")
    cli("stop", "-t", "0", "speaker")
    cli("rm", "speaker", "ender", "made")
    assert list((narrow.root / "run/containers").iterdir()) == []


def full(cli: Cli, daemon: DaemonProcess, name: str) -> str:
    """The id of a container, without a daemon: of the one whose record has that name."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(f"file:{daemon.root}/data/meta.db?mode=ro", uri=True)) as records:
        return str(records.execute("SELECT id FROM container WHERE name = ?", (name,)).fetchone()[0])
