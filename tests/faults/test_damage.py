"""What is damaged on disk is put aside and told of; the daemon starts, everything else works, and nothing that might
still be wanted is swept away."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually

pytestmark = [pytest.mark.root, pytest.mark.census("dockerd --data-root")]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DaemonProcess]:
    made = DaemonProcess(tmp_path, "--live-restore", "--slots", "0")
    made.start()
    try:
        CommandLine("carrack", made)("image", "bootstrap", "busybox")
        yield made
    finally:
        cli = CommandLine("carrack", made)
        left = cli("ps", "-aq", check=False).stdout.split()
        if left:
            cli("rm", "-f", *left, check=False)
        made.stop()


@pytest.fixture
def cli(daemon: DaemonProcess) -> CommandLine:
    return CommandLine("carrack", daemon)


def restarted(daemon: DaemonProcess) -> str:
    """The daemon again; what it has logged since."""
    before = daemon.log.stat().st_size
    daemon.start()
    return daemon.log.read_text()[before:]


def flip(path: Path, share: float, count: int = 64) -> None:
    """Turn over the bits of some bytes of a file, at a share of its length."""
    with path.open("r+b") as file:
        place = int(path.stat().st_size * share)
        file.seek(place)
        data = file.read(count)
        file.seek(place)
        file.write(bytes(byte ^ 0xFF for byte in data))


def test_a_damaged_database_costs_what_cannot_be_read_and_no_more(daemon: DaemonProcess, cli: CommandLine) -> None:
    for number in range(30):
        cli("create", "--name", f"c{number:02}", "busybox", "true")
    cli("run", "-d", "--name", "runs", "busybox", "sleep", "1000")
    pid = cli("inspect", "-f", "{{.State.Pid}}", "runs").stdout.strip()
    daemon.end()
    database = daemon.root / "data" / "meta.db"
    upper = set(os.listdir(daemon.root / "data" / "containers"))
    flip(database, 0.5, 4096)
    told = restarted(daemon)
    assert f"the record database {database} was damaged" in told
    assert f"it is kept as {database}.damaged" in told
    names = cli("ps", "-a", "--format", "{{.Names}}").stdout.split()
    assert 10 < len(names) <= 31
    assert set(os.listdir(daemon.root / "data" / "containers")) == upper, "nothing of a lost record is swept"
    assert Path(f"/proc/{pid}").exists()
    assert cli("run", "--rm", "busybox", "echo", "works").stdout == "works\n"
    cli("rm", "-f", *names)
    daemon.end()
    Path(f"{database}.damaged").unlink()
    assert "was damaged" not in restarted(daemon)
    eventually(lambda: os.listdir(daemon.root / "data" / "containers") == [])


def test_a_database_that_is_none_any_more_is_replaced(daemon: DaemonProcess, cli: CommandLine) -> None:
    cli("create", "--name", "lost", "busybox", "true")
    daemon.crash()
    for name in ("meta.db", "meta.db-wal", "meta.db-shm"):
        path = daemon.root / "data" / name
        if path.exists():
            path.write_bytes(os.urandom(path.stat().st_size or 8192))
    assert "of its records nothing could be read" in restarted(daemon)
    assert cli("ps", "-aq").stdout == ""
    assert cli("images", "-q").stdout == ""
    cli("image", "bootstrap", "busybox")
    assert cli("run", "--rm", "busybox", "echo", "works").stdout == "works\n"


def test_a_torn_log_of_the_database_costs_its_last_moments_only(daemon: DaemonProcess, cli: CommandLine) -> None:
    for number in range(5):
        cli("create", "--name", f"c{number}", "busybox", "true")
    daemon.crash()
    log = daemon.root / "data" / "meta.db-wal"
    flip(log, 0.9, 512)
    restarted(daemon)
    assert "c0" in cli("ps", "-a", "--format", "{{.Names}}").stdout.split()
    assert cli("run", "--rm", "busybox", "echo", "works").stdout == "works\n"


def test_unreadable_records_are_left_alone_and_their_things_can_be_removed(
    daemon: DaemonProcess, cli: CommandLine
) -> None:
    cli("volume", "create", "data")
    cli("run", "-d", "--name", "bad", "busybox", "sleep", "1000")
    cli("create", "--name", "good", "busybox", "true")
    identity = cli("inspect", "-f", "{{.Id}}", "bad").stdout.strip()
    image = cli("images", "-q", "--no-trunc").stdout.strip()
    cli("kill", "bad")
    daemon.end()
    with closing(sqlite3.connect(daemon.root / "data" / "meta.db")) as db, db:
        db.execute("UPDATE container SET document = '{\"id\": [' WHERE name = 'bad'")
        db.execute("UPDATE volume SET document = 'null'")
        db.execute("UPDATE network SET document = '[]' WHERE document LIKE '%\"host\"%'")
        db.execute("INSERT INTO image VALUES ('sha256:none', '[1]')")
    told = restarted(daemon)
    assert f"container {identity} has an unreadable record" in told
    assert "volume data has an unreadable record" in told
    assert "image sha256:none has an unreadable record" in told
    assert cli("inspect", "-f", "{{.State.Status}} {{.State.Dead}}", "bad").stdout == "dead true\n"
    assert "its record is unreadable" in cli("inspect", "-f", "{{.State.Error}}", identity).stdout
    assert (daemon.root / "data" / "containers" / identity).is_dir()
    assert cli("start", "bad", check=False).returncode != 0
    assert cli("start", "-a", "good").returncode == 0
    assert cli("volume", "ls", "-q").stdout == "data\n"
    assert cli("network", "ls", "-q").stdout.count("\n") == 3
    cli("rm", "bad")
    cli("volume", "rm", "data")
    cli("rm", "good")
    assert image in cli("rmi", "-f", image).stdout


def test_damaged_images_can_be_removed_and_loaded_again(daemon: DaemonProcess, cli: CommandLine) -> None:
    archive = cli.raw("save", "busybox")
    cli("create", "--name", "on", "busybox", "true")
    data = daemon.root / "data"
    daemon.end()
    for path in [*data.glob("layers/*/layers/*/layer.erofs"), *data.glob("blobs/sha256/*")]:
        flip(path, 0.25, 2048)
        flip(path, 0.0, 2048)
    assert "is unreadable" in restarted(daemon)
    assert cli("run", "--rm", "busybox", "true", check=False).returncode != 0
    cli("rm", "on")
    cli("rmi", "-f", *cli("images", "-q").stdout.split())
    assert cli("system", "prune", "-af").returncode == 0
    cli("load", stdin=archive)
    assert cli("run", "--rm", "busybox", "echo", "works").stdout == "works\n"


@pytest.mark.parametrize("damage", ["[]", "\0" * 100], ids=["other", "zeros"])
def test_a_shim_whose_files_are_damaged_ends_with_its_container_alone(
    daemon: DaemonProcess, cli: CommandLine, damage: str
) -> None:
    cli("run", "-d", "--name", "hit", "busybox", "sleep", "1000")
    cli("run", "-d", "--name", "other", "busybox", "sleep", "1000")
    identity = cli("inspect", "-f", "{{.Id}}", "hit").stdout.strip()
    pid = int(cli("inspect", "-f", "{{.State.Pid}}", "hit").stdout)
    daemon.crash()
    shim = int(Path(f"/proc/{pid}/status").read_text().split("PPid:")[1].split()[0])
    for path in (daemon.root / "run" / "containers" / identity).iterdir():
        if path.is_file():
            path.write_text(damage)
    os.kill(shim, 9)
    restarted(daemon)
    assert cli("inspect", "-f", "{{.State.Status}}", "other").stdout == "running\n"
    assert cli("inspect", "-f", "{{.State.Status}}", "hit").stdout == "exited\n"
    eventually(lambda: not Path(f"/proc/{pid}").exists())
    cli("start", "hit")
    assert cli("inspect", "-f", "{{.State.Status}}", "hit").stdout == "running\n"
