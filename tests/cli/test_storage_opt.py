"""``--storage-opt size``: a container that writes too much fills its own place, and nothing else."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMAGE, IMPORT, root_file_system
from tests.cli.remapped import COUNT, FIRST, remapping
from tests.cli.running import Cli, CommandLine, DaemonProcess, created, eventually

from carrack.linux import loop
from carrack.linux.mount import AT_FDCWD, MNT_DETACH
from carrack.linux.syscalls import LINUX

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin"), reason="needs e2fsprogs"),
]
FILL = "dd if=/dev/zero of=/big bs=64k count=640"


def attached(daemon: DaemonProcess) -> list[str]:
    """Images of this daemon that a loop device is attached to."""
    files = [path.read_text() for path in Path("/sys/block").glob("loop*/loop/backing_file")]
    return [text for text in files if str(daemon.root) in text]


@pytest.mark.census(
    "run --storage-opt",
    "HostConfig.StorageOpt",
    "GET /containers/{id}/json → HostConfig.StorageOpt",
    "resource storage-opt size (quota)",
)
def test_it_is_full_at_its_size(docker: Cli, image: str) -> None:
    """Seen while it runs and after; the files are where they always are."""
    done = docker("run", "--name", "small1", "--storage-opt", "size=16m", image, "sh", "-c", FILL, check=False)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
    assert docker("inspect", "-f", "{{.HostConfig.StorageOpt.size}}", "small1").stdout == "16m\n"
    archive = tarfile.open(fileobj=io.BytesIO(docker.raw("cp", "small1:/big", "-")))
    size = archive.getmembers()[0].size
    assert 8 << 20 < size < 16 << 20
    assert docker("diff", "small1").stdout == "A /big\n"
    shown = docker("ps", "-as", "--format", "{{.Size}}").stdout
    assert f"{size / 1e6:.3g}MB" in shown
    docker("commit", "small1", "grown:1")
    assert docker("run", "--rm", "grown:1", "stat", "-c", "%s", "/big").stdout == f"{size}\n"
    names = tarfile.open(fileobj=io.BytesIO(docker.raw("export", "small1"))).getnames()
    assert "big" in names
    assert "lost+found" not in names
    docker("rmi", "-f", "grown:1", check=False)


def test_room_comes_back_and_all_goes_with_the_container(docker: Cli, image: str) -> None:
    script = f"{FILL} 2>/dev/null; rm /big; echo written > /small; sleep 1000"
    docker("run", "-d", "--name", "small2", "--storage-opt", "size=16m", image, "sh", "-c", script)
    eventually(lambda: docker("exec", "small2", "cat", "/small", check=False).stdout == "written\n")
    docker("cp", "-", "small2:/root", stdin=root_file_system())
    assert docker("exec", "small2", "cat", "/root/www/index.html").stdout == "carrack serves\n"
    docker("restart", "-t", "0", "small2")
    eventually(lambda: docker("exec", "small2", "cat", "/small", check=False).stdout == "written\n")
    assert len(attached(docker.daemon)) == 1
    docker("rm", "-f", "small2")
    eventually(lambda: attached(docker.daemon) == [])
    assert not list((docker.daemon.root / "run/disks").iterdir())


def test_it_outlives_the_daemon(docker: Cli, image: str) -> None:
    docker("run", "-d", "--name", "small3", "--storage-opt", "size=16m", image, "sh", "-c", "echo a > /f; sleep 1000")
    docker.daemon.crash()
    docker.daemon.start()
    docker("exec", "small3", "sh", "-c", "echo b >> /f")
    assert docker("diff", "small3").stdout == "A /f\n"
    docker("kill", "small3")
    docker.daemon.end()
    assert attached(docker.daemon) == []
    docker.daemon.start()
    docker("cp", "small3:/f", "-")
    docker("start", "small3")
    assert docker("exec", "small3", "sh", "-c", "head -2 /f | tr '\\n' ' '").stdout in ("a b ", "a ")
    assert len(attached(docker.daemon)) == 1


def test_sizes_and_options_that_cannot_be(docker: Cli, image: str) -> None:
    for option, told in (
        ("size=1k", "storage-opt size: 1024 bytes is too small: at least 4m is needed"),
        ("size=900t", "is more than the file system of"),
        ("size=abc", "invalid size: 'abc'"),
        ("cake=1", "Unknown option cake"),
    ):
        done = docker("create", "--storage-opt", option, image, check=False)
        assert done.returncode == 1
        assert told in done.stderr
    assert docker("ps", "-aq").stdout == ""
    assert not attached(docker.daemon)


def other_daemon(root: Path, *options: str) -> tuple[DaemonProcess, CommandLine]:
    daemon = DaemonProcess(root, "--slots", "0", *options)
    return daemon, CommandLine("docker" if shutil.which("docker") else "carrack", daemon)


@pytest.mark.census("daemon.json storage-opts")
def test_the_daemons_own_size(tmp_path: Path, image: str) -> None:
    daemon, command = other_daemon(tmp_path)
    (tmp_path / "daemon.json").write_text('{"storage-opts": ["overlay2.size=12m"]}')
    try:
        daemon.start()
        command(*IMPORT, stdin=root_file_system())
        done = command("run", "--rm", IMAGE, "sh", "-c", FILL, check=False)
        assert "No space left on device" in done.stderr
        assert command("run", "--rm", "--storage-opt", "size=0", IMAGE, "sh", "-c", FILL).returncode == 0
        bigger = command("run", "--rm", "--storage-opt", "size=60m", IMAGE, "sh", "-c", FILL)
        assert bigger.returncode == 0
        container = created(daemon, IMAGE, ["true"], {"StorageOpt": {}})
        assert (tmp_path / f"data/layers/erofs/containers/{container}/disk.img").exists()
        command("rm", container)
        eventually(lambda: attached(daemon) == [])
    finally:
        daemon.stop()


def test_a_host_that_cannot_says_why(tmp_path: Path, image: str) -> None:
    daemon, command = other_daemon(tmp_path, "--storage-driver", "copy")
    try:
        daemon.start()
        command(*IMPORT, stdin=root_file_system())
        done = command("run", "--storage-opt", "size=10m", IMAGE, "true", check=False)
        assert "the copy driver cannot limit what a container writes" in done.stderr
        assert command("ps", "-aq").stdout == ""
    finally:
        daemon.stop()


@pytest.fixture
def on_btrfs(tmp_path: Path) -> Iterator[Path]:
    """A directory on a file system of that kind."""
    if not shutil.which("mkfs.btrfs") or "btrfs" not in Path("/proc/filesystems").read_text():
        pytest.skip("btrfs is not to be had")
    place, disk = tmp_path / "place", tmp_path / "disk"
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(512 << 20)
    subprocess.run(["mkfs.btrfs", "-q", disk], check=True)
    fd = os.open(disk, os.O_RDWR)
    device = loop.attach(fd)
    mounted = LINUX.new_mount("btrfs", [("source", device.path)])
    LINUX.move_mount(mounted, AT_FDCWD, str(place))
    for each in (fd, device.fd, mounted):
        os.close(each)
    try:
        yield place
    finally:
        LINUX.umount(str(place), MNT_DETACH)


def test_on_btrfs_a_subvolume_is_limited(on_btrfs: Path) -> None:
    daemon, command = other_daemon(on_btrfs)
    try:
        daemon.start()
        command(*IMPORT, stdin=root_file_system())
        done = command("run", "--name", "small4", "--storage-opt", "size=16m", IMAGE, "sh", "-c", FILL, check=False)
        assert "Disk quota exceeded" in done.stderr
        assert attached(daemon) == []
        assert command("diff", "small4").stdout == "A /big\n"
        upper = command("inspect", "-f", "{{.GraphDriver.Data.UpperDir}}", "small4").stdout.strip()
        assert upper.endswith("/volume/upper")
        command("rm", "small4")
        eventually(lambda: not Path(upper).exists())
    finally:
        daemon.stop()


def test_users_that_are_remapped(tmp_path: Path) -> None:
    with remapping(tmp_path) as daemon:
        command = CommandLine("docker" if shutil.which("docker") else "carrack", daemon)
        script = f"cat /proc/self/uid_map; {FILL}; stat -c %u /big"
        words = ["run", "--name", "small5", "--storage-opt", "size=16m", IMAGE, "sh", "-c", script]
        done = command(*words)
        assert done.stdout.split() == ["0", str(FIRST), str(COUNT), "0"]
        assert "No space left on device" in done.stderr
        assert command("diff", "small5").stdout == "A /big\n"
        command("rm", "small5")
        eventually(lambda: attached(daemon) == [])
