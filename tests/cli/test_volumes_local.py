"""Volumes of the local driver with type, o and device: what is mounted when, what is told when it cannot be."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, DaemonProcess, api, eventually

pytestmark = pytest.mark.root

TMPFS = ["-o", "type=tmpfs", "-o", "device=tmpfs"]


def mounted(daemon: DaemonProcess, volume: str = "vol") -> int:
    """How often something is mounted on a volume's directory, on the host."""
    place = f"{daemon.root}/data/volumes/{volume}/_data"
    return sum(line.split()[4] == place for line in Path("/proc/self/mountinfo").read_text().splitlines())


@pytest.mark.census("volume create --opt", "POST /volumes/create DriverOpts", "volume local")
def test_mounted_when_first_used_and_unmounted_after_the_last(docker: Cli, image: str) -> None:
    docker("volume", "create", *TMPFS, "-o", "o=size=1m,uid=5,noexec", "vol")
    (document,) = json.loads(docker("volume", "inspect", "vol").stdout)
    assert document["Options"] == {"type": "tmpfs", "device": "tmpfs", "o": "size=1m,uid=5,noexec"}
    assert mounted(docker.daemon) == 0
    docker("run", "-d", "--name", "one", "--network", "none", "-v", "vol:/m", image, "sleep", "100")
    assert mounted(docker.daemon) == 1
    script = "grep ' /n ' /proc/mounts && touch /n/x && stat -c %u /n"
    seen = docker("run", "--rm", "--network", "none", "-v", "vol:/n", image, "sh", "-c", script).stdout
    assert "tmpfs /n tmpfs rw,noexec,relatime,size=1024k,uid=5 " in seen
    assert seen.endswith("\n5\n")
    assert docker("exec", "one", "ls", "/m").stdout == "x\n"
    docker("restart", "-t", "0", "one")
    assert docker("exec", "one", "ls", "/m").stdout in ("", "x\n")
    assert mounted(docker.daemon) == 1
    docker("rm", "-f", "one")
    eventually(lambda: mounted(docker.daemon) == 0)


@pytest.mark.census("volume local")
def test_a_bind_is_a_directory_of_the_host_and_stays_when_the_volume_goes(
    docker: Cli, image: str, tmp_path: Path
) -> None:
    (tmp_path / "kept").write_text("kept\n")
    docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={tmp_path}", "vol")
    docker("run", "--rm", "--network", "none", "-v", "vol:/m", image, "sh", "-c", "cat /m/kept > /m/copy")
    docker("run", "-d", "--name", "one", "--network", "none", "-v", "vol:/m", image, "sleep", "100")
    assert "volume is in use" in docker("volume", "rm", "vol", check=False).stderr
    docker("rm", "-f", "one")
    docker("volume", "rm", "vol")
    assert mounted(docker.daemon) == 0
    assert (tmp_path / "copy").read_text() == "kept\n"
    docker("volume", "create", "-o", "type=none", "-o", "o=bind,ro", "-o", f"device={tmp_path}", "vol")
    done = docker("run", "--rm", "--network", "none", "-v", "vol:/m", image, "touch", "/m/x", check=False)
    assert "Read-only file system" in done.stderr


@pytest.mark.census("volume local")
def test_the_image_fills_a_bind_once(docker: Cli, image: str, tmp_path: Path) -> None:
    docker("volume", "create", "-o", "type=none", "-o", "o=bind", "-o", f"device={tmp_path}", "vol")
    docker("create", "--network", "none", "-v", "vol:/www", image)
    assert mounted(docker.daemon) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[str]:
    """A loop device with an ext4 in it."""
    file = tmp_path / "file"
    with file.open("wb") as opened:
        opened.truncate(8 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", file], check=True)
    device = subprocess.run(
        ["losetup", "-f", "--show", file], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "-d", device], check=True)


@pytest.mark.census("volume local")
def test_a_file_system_on_a_device(docker: Cli, image: str, loop: str) -> None:
    docker("volume", "create", "-o", "type=ext4", "-o", f"device={loop}", "-o", "o=noatime", "vol")
    write = "grep ' /m ' /proc/mounts; echo kept > /m/file"
    seen = docker("run", "--rm", "--network", "none", "-v", "vol:/m", image, "sh", "-c", write).stdout
    assert seen.startswith(f"{loop} /m ext4 rw,noatime")
    eventually(lambda: mounted(docker.daemon) == 0)
    assert docker("run", "--rm", "--network", "none", "-v", "vol:/m", image, "cat", "/m/file").stdout == "kept\n"
    full = docker(
        "run", "--rm", "--network", "none", "-v", "vol:/m", image, "sh", "-c", "cat /dev/zero > /m/x", check=False
    )
    assert "No space left on device" in full.stderr
    docker("volume", "rm", "vol")


@pytest.mark.census("volume local")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("type=nosuchfs device=x", "mount x:{}: no such device: the kernel has no file system 'nosuchfs'"),
        ("type=ext4 device=/dev/nosuch", "mount /dev/nosuch:{}: no such file or directory"),
        ("type=none o=bind device=/nosuch", "mount /nosuch:{}, flags: 0x1000: no such file or directory"),
        ("type=tmpfs o=bogus device=tmpfs", "mount tmpfs:{}, data: bogus: invalid argument"),
        ("type=nosuchfs o=password=secret,a device=//h/x", "data: password=********,a: no such device"),
        ("type=nfs o=addr=localhost,vers=4 device=:/x", "mount :/x:{}, data: addr=127.0.0.1,vers=4: "),
        (
            "type=nfs o=addr=nosuch.invalid device=:/x",
            "resolving passed in network volume address: lookup nosuch.invalid",
        ),
        ("type=cifs device=//localhost/x", "mount //127.0.0.1/x:{}: "),
    ],
)
def test_what_cannot_be_mounted_is_told_and_leaves_nothing(docker: Cli, image: str, options: str, told: str) -> None:
    docker("volume", "create", *[word for option in options.split() for word in ("-o", option)], "vol")
    place = f"{docker.daemon.root}/data/volumes/vol/_data"
    done = docker("run", "--name", "one", "--network", "none", "-v", "vol:/m", image, check=False)
    assert f"error while mounting volume '{place}': " in done.stderr
    assert told.format(place) in done.stderr
    assert "secret" not in done.stderr
    populate = docker("create", "--network", "none", "-v", "vol:/etc", image, check=False)
    assert f"failed to populate volume: error while mounting volume '{place}': " in populate.stderr
    assert docker("ps", "-a", "--format", "{{.Names}} {{.Status}}").stdout == "one Created\n"
    assert mounted(docker.daemon) == 0


@pytest.mark.census("volume create --opt", "volume create --driver", "POST /volumes/create")
@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("type=tmpfs", 'missing required option: "device"'),
        ("device=tmpfs", 'missing required option: "type"'),
        ("o=size=1m", 'missing required option: "device"'),
        ("bogus=1", 'invalid option: "bogus"'),
        ("size=x", "invalid size: 'x'"),
        ("size=10m", "quota size requested but no quota support"),
    ],
)
def test_options_that_are_refused(cli: Cli, options: str, told: str) -> None:
    done = cli("volume", "create", "-o", options, "vol", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error response from daemon: create vol: {told}")
    assert cli("volume", "ls", "-q").stdout == ""
    assert not Path(f"{cli.daemon.root}/data/volumes/vol").exists()


@pytest.mark.census("mount flag volume-opt", "HostConfig.Mounts[].VolumeOptions.DriverConfig.Options", "run --mount")
def test_options_of_a_mount_make_the_volume(cli: Cli, image: str) -> None:
    given = (
        "type=volume,src=vol,dst=/m,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-label=a=b"
    )
    words = ["--network", "none", "--mount", f'{given},"volume-opt=o=size=1m,nodev"', image]
    assert (
        "tmpfs /m tmpfs rw,nodev,relatime,size=1024k"
        in cli("run", "--rm", *words, "grep", " /m ", "/proc/mounts").stdout
    )
    (document,) = json.loads(cli("volume", "inspect", "vol").stdout)
    assert (document["Labels"], document["Options"]["o"]) == ({"a": "b"}, "size=1m,nodev")
    again = cli("run", "--rm", "--mount", "type=volume,src=vol,dst=/m,volume-opt=type=ext4", image, "true")
    assert again.returncode == 0  # an existing volume keeps its own options, as with Docker
    half = cli("run", "--rm", "--mount", "type=volume,src=wol,dst=/m,volume-opt=type=tmpfs", image, "true", check=False)
    assert 'create wol: missing required option: "device"' in half.stderr


@pytest.mark.census("event volume mount", "event volume unmount")
def test_left_out_of_what_is_ours_to_clear(docker: Cli, image: str) -> None:
    """Bulk removal and disk usage count directories of ours: what is behind options is somebody's."""
    docker("volume", "create", *TMPFS, "vol")
    docker("volume", "create", "wol")
    assert docker("system", "df", "-v", "--format", "{{range .Volumes}}{{.Name}} {{end}}").stdout.split() == ["wol"]
    assert docker("volume", "prune", "-af").stdout.splitlines()[:2] == ["Deleted Volumes:", "wol"]
    assert docker("volume", "ls", "-q").stdout == "vol\n"


@pytest.fixture
def own(tmp_path: Path, docker: Cli, image: str) -> Iterator[Cli]:
    """The same command with a daemon of its own, which may be killed."""
    from tests.cli.busybox import IMPORT, root_file_system
    from tests.cli.running import CommandLine

    process = DaemonProcess(tmp_path)
    command = CommandLine(docker.name, process)
    try:
        process.start()
        archive = root_file_system()
        assert archive is not None
        command(*IMPORT, stdin=archive)
        yield command
        command("rm", "-fv", *command("ps", "-aq").stdout.split(), "nosuch", check=False)
    finally:
        process.stop()


@pytest.mark.census("volume local")
def test_the_daemon_may_die(own: Cli, image: str) -> None:
    """Who runs keeps his volume and gives it back at his end; what nobody needs any more is unmounted at the start."""
    for name in ("vol", "wol", "stray"):
        own("volume", "create", *TMPFS, name)
    own("run", "-d", "--name", "runs", "--network", "none", "-v", "vol:/m", image, "sh", "-c", "touch /m/x; sleep 100")
    own("run", "-d", "--name", "ends", "--network", "none", "-v", "wol:/m", image, "sleep", "100")
    own("run", "-d", "--name", "both", "--network", "none", "-v", "vol:/m", image, "sleep", "100")
    pids = own("inspect", "-f", "{{.State.Pid}}", "ends", "both").stdout.split()
    subprocess.run(["mount", "-t", "tmpfs", "stray", f"{own.daemon.root}/data/volumes/stray/_data"], check=True)
    own.daemon.crash()
    subprocess.run(["kill", "-9", *pids], check=True)
    assert [mounted(own.daemon, name) for name in ("vol", "wol", "stray")] == [1, 1, 1]
    own.daemon.start()
    assert mounted(own.daemon, "vol") == 1
    eventually(lambda: [mounted(own.daemon, name) for name in ("wol", "stray")] == [0, 0])
    show = ["-v", "vol:/m", image, "ls", "/m"]
    assert own("run", "--rm", "--network", "none", *show).stdout == "x\n"
    assert mounted(own.daemon, "vol") == 1
    own("rm", "-f", "runs")
    eventually(lambda: mounted(own.daemon, "vol") == 0)
    assert own("run", "--rm", "--network", "none", *show).stdout == ""


_CLUSTER = (
    "availability=drain", "group=y", "limit-bytes=5m", "required-bytes=1m", "scope=multi", "secret=a=b",
    "sharing=none", "topology-preferred=a=b", "topology-required=a=b", "type=block",
)  # fmt: skip


@pytest.mark.census(
    "PUT /volumes/{name}", "volume update", "volume update --availability",
    *(f"volume create --{flag.partition('=')[0]}" for flag in _CLUSTER), "volume ls --cluster",
    "POST /volumes/create ClusterVolumeSpec", "mount type cluster",
)  # fmt: skip
def test_cluster_volumes_are_refused(cli: Cli, image: str) -> None:
    cli("volume", "create", "vol")
    for words in (["vol"], ["--availability", "drain", "vol"]):
        done = cli("volume", "update", *words, check=False)
        assert (done.returncode, done.stderr) == (1, "can only update cluster volumes\n")
    assert api(cli.daemon, "PUT", "/volumes/vol?version=1", {}) == (
        503,
        b'{"message":"volume update only valid for cluster volumes, but swarm is unavailable"}\n',
    )
    status, answer = api(cli.daemon, "POST", "/volumes/create", {"Name": "wol", "ClusterVolumeSpec": {"Group": "x"}})
    assert (status, b"not a swarm manager" in answer) == (503, True)
    for flag in _CLUSTER:
        assert cli("volume", "create", "--group", "x", f"--{flag}", "wol", check=False).returncode == 1, flag
    assert cli("volume", "ls", "-q").stdout == "vol\n"
    mount = {"Type": "cluster", "Source": "x", "Target": "/m"}
    status, answer = api(cli.daemon, "POST", "/containers/create", {"Image": image, "HostConfig": {"Mounts": [mount]}})
    assert (status, b"mount type unknown" in answer) == (400, True)


@pytest.mark.census("volume local")
def test_nothing_stays_mounted_when_the_daemon_ends_with_its_containers(own: Cli, image: str) -> None:
    own("volume", "create", *TMPFS, "vol")
    own("run", "-d", "--name", "one", "--network", "none", "-v", "vol:/m", image, "sleep", "100")
    assert mounted(own.daemon) == 1
    own.daemon.end()
    assert mounted(own.daemon) == 0
    own.daemon.start()
