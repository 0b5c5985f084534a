"""A container's life on each storage driver: run, change, restart of the daemon, diff, commit, save, the end."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually
from tests.suites.disks import btrfs_disk, overlay_disk

#: on a data root of which kind
DRIVERS = ("erofs-loop", "erofs-4k", "overlay", "btrfs", "fuse-overlayfs", "copy")


def disk(driver: str, place: Path) -> AbstractContextManager[object]:
    """A data root that the driver is for: what is not on btrfs lies where everything else works, too."""
    if driver == "btrfs":
        return btrfs_disk(place / "disk", at=place / "data")
    if driver == "fuse-overlayfs":
        return overlay_disk(place / "disk", at=place / "data")
    return nullcontext()


@pytest.fixture(params=DRIVERS)
def cli(request: pytest.FixtureRequest, tmp_path: Path, daemon: DaemonProcess, image: str) -> Iterator[Cli]:
    """A command line to a daemon on that driver, which has the image."""
    driver = request.param
    if driver == "fuse-overlayfs" and not shutil.which(driver):
        pytest.skip(f"{driver} is not installed")
    with disk(driver, tmp_path):
        process = DaemonProcess(tmp_path, "--storage-driver", driver, "--slots", "0")
        try:
            process.start()
            command = CommandLine("carrack", process)
            command("load", stdin=CommandLine("carrack", daemon).raw("save", image))
            told = command("info", "-f", "{{.Driver}}").stdout.strip()
            assert told == ("erofs" if driver == "erofs-loop" else driver)
            yield command
            command("rm", "-f", *command("ps", "-aq").stdout.split(), check=False)
        finally:
            process.stop()


@pytest.mark.census("storage-driver btrfs", "storage-driver fuse-overlayfs")
def test_the_life_of_a_container(cli: Cli, image: str) -> None:
    script = "echo made > /made; rm /www/index.html; mkdir /new; trap exit TERM; while :; do sleep 0.1; done"
    cli("run", "-d", "--name", "one", image, "sh", "-c", script)
    expected = ["A /made", "A /new", "C /www", "D /www/index.html"]
    eventually(lambda: sorted(cli("diff", "one").stdout.splitlines()) == expected)
    cli.daemon.crash()
    cli.daemon.start()
    assert cli("exec", "one", "cat", "/made").stdout == "made\n"
    cli("restart", "one")
    assert sorted(cli("diff", "one").stdout.splitlines()) == expected
    cli("commit", "one", "two:1")
    shown = cli("run", "--rm", "two:1", "sh", "-c", "cat /made; ls -d /new /www/index.html", check=False)
    assert (shown.stdout, shown.returncode) == ("made\n/new\n", 1)
    names = tarfile.open(fileobj=io.BytesIO(cli.raw("export", "one"))).getnames()
    assert "made" in names
    assert "www/index.html" not in names
    saved = cli.raw("save", "two:1")
    cli("rm", "-f", "one")
    for name in ("two:1", image):
        cli("rmi", name)
    assert cli("images", "-q").stdout == ""
    left = list(cli.daemon.root.glob("data/layers/*/layers/*"))
    assert left == []
    cli("load", stdin=saved)
    assert cli("run", "--rm", "two:1", "cat", "/made").stdout == "made\n"


def test_a_limit_of_what_is_written(cli: Cli, image: str) -> None:
    fill = "dd if=/dev/urandom of=/big bs=1M count=40 conv=fsync 2>/dev/null; ls -l /big | awk '{print $5}'"
    done = cli("run", "--rm", "--storage-opt", "size=16m", image, "sh", "-c", fill, check=False)
    if cli("info", "-f", "{{.Driver}}").stdout.strip() == "copy":
        assert "the copy driver cannot limit what a container writes" in done.stderr
        return
    assert 4 << 20 < int(done.stdout) <= 16 << 20
