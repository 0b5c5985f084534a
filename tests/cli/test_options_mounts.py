"""Binds, volumes and tmpfs with every mode and option: what may be written, what is seen, what is passed on."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, api, created, eventually

pytestmark = pytest.mark.root


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """A private tmpfs with another one mounted in it, at ``sub``, which holds the file ``deep``."""
    root = tmp_path / "tree"
    root.mkdir()
    try:
        mount("-t", "tmpfs", "tree", root)
        mount("--make-private", root)
        (root / "sub").mkdir()
        mount("-t", "tmpfs", "sub", root / "sub")
        (root / "sub" / "deep").write_text("deep\n")
        yield root
    finally:
        subprocess.run(["umount", "-R", "-l", root], check=False)


def mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)


def refused(docker: Cli, image: str, host: dict[str, object]) -> bytes:
    """The words with which a request is refused."""
    body = {"Image": image, "Cmd": ["true"], "HostConfig": host}
    code, answer = api(docker.daemon, "POST", "/containers/create", body)
    assert 400 <= code < 600, answer
    assert docker("ps", "-aq").stdout == ""
    return answer


@pytest.mark.census(
    "mount flag bind-recursive=enabled|disabled|writable|readonly",
    "HostConfig.Mounts[].BindOptions.NonRecursive",
    "HostConfig.Mounts[].BindOptions.ReadOnlyNonRecursive",
    "HostConfig.Mounts[].BindOptions.ReadOnlyForceRecursive",
    "mount flag ro",
)
def test_read_only_reaches_the_mounts_below(cli: Cli, image: str, tree: Path) -> None:
    script = "cat /m/sub/deep; touch /m/x; touch /m/sub/x && echo wrote"

    def run(option: str, how: str) -> tuple[str, int]:
        done = cli("run", "--rm", option, how, image, "sh", "-c", script, check=False)
        return done.stdout, done.stderr.count("Read-only file system")

    bind = f"type=bind,src={tree},dst=/m,readonly"
    assert run("-v", f"{tree}:/m") == ("deep\nwrote\n", 0)
    assert run("-v", f"{tree}:/m:ro") == ("deep\n", 2)
    assert run("--mount", bind) == ("deep\n", 2)
    assert run("--mount", f"{bind},bind-recursive=readonly,bind-propagation=rprivate") == ("deep\n", 2)
    assert run("--mount", f"{bind},bind-recursive=writable") == ("deep\nwrote\n", 1)
    assert run("--mount", f"{bind},bind-recursive=disabled") == ("", 2)


@pytest.mark.census("mount flag rw")
@pytest.mark.parametrize("mode", ["rw", "z", "Z", "cached", "consistent", "delegated", "private", "rprivate", "ro,z"])
def test_modes_of_binds(docker: Cli, image: str, tree: Path, mode: str) -> None:
    done = docker("run", "--rm", "-v", f"{tree}:/m:{mode}", image, "sh", "-c", "echo > /m/x && echo wrote", check=False)
    assert done.stdout == ("" if "ro" in mode.split(",") else "wrote\n")


def test_modes_that_are_none(docker: Cli, image: str) -> None:
    for bind in ("/tmp:/m:nosuch", "/tmp:/m:ro,rw", "/tmp:/m:nocopy", "/tmp:/m:rro", "vol:/m:rshared", "/tmp:/"):
        assert b"invalid" in refused(docker, image, {"Binds": [bind]}), bind
    assert docker("volume", "ls", "-q").stdout == ""


@pytest.mark.census("mount flag bind-propagation", "HostConfig.Mounts[].BindOptions.Propagation")
def test_mounts_are_passed_on_as_asked(docker: Cli, image: str, tree: Path) -> None:
    def run(mode: str) -> tuple[bool, bool]:
        """Whether a mount made inside is seen outside, and one made outside inside."""
        (tree / "in").mkdir(exist_ok=True)
        (tree / "out").mkdir(exist_ok=True)
        script = "mount -t tmpfs inner /m/in; touch /m/in/f; touch /m/ready; sleep 100"
        docker("run", "-d", "--name", "host", "--privileged", "-v", f"{tree}:/m:{mode}", image, "sh", "-c", script)
        eventually((tree / "ready").exists)
        mount("-t", "tmpfs", "outer", tree / "out")
        (tree / "out" / "f").touch()
        inside = docker("exec", "host", "test", "-e", "/m/out/f", check=False).returncode == 0
        outside = (tree / "in" / "f").exists()
        docker("rm", "-f", "host")
        for name in ("in", "out"):
            subprocess.run(["umount", tree / name], capture_output=True, check=False)
        (tree / "ready").unlink()
        return outside, inside

    for mode in ("shared", "rshared", "slave", "rslave"):
        why = docker("run", "--rm", "-v", f"{tree}:/m:{mode}", image, "true", check=False)
        assert why.returncode == 125
        assert f"path {tree} is mounted on {tree} but it is not a shared" in why.stderr
        docker("rm", "-f", *docker("ps", "-aq").stdout.split(), check=False)
    assert run("rprivate") == (False, False)
    mount("--make-shared", tree)
    assert run("rshared") == (True, True)
    assert run("rslave") == (False, True)
    assert run("shared") == (True, True)
    assert run("slave") == (False, True)
    assert run("private") == (False, False)
    words = ["--mount", f"type=bind,src={tree},dst=/m,bind-propagation=rslave", image, "cat", "/proc/self/mountinfo"]
    line = next(line for line in docker("run", "--rm", *words).stdout.splitlines() if " /m " in line)
    assert " master:" in line


@pytest.mark.census(
    "mount flag nocopy",
    "HostConfig.Mounts[].VolumeOptions.NoCopy",
    "HostConfig.Mounts[].VolumeOptions",
    "HostConfig.Mounts[].VolumeOptions.Labels",
    "volume copy-up from image",
)
def test_volumes_are_filled_from_the_image_unless_told_not_to(cli: Cli, image: str) -> None:
    show = [image, "ls", "/www"]
    assert cli("run", "--rm", "-v", "full:/www", *show).stdout == "index.html\n"
    assert cli("run", "--rm", "-v", "empty:/www:nocopy", *show).stdout == ""
    assert cli("run", "--rm", "--mount", "type=volume,src=none,dst=/www,volume-nocopy", *show).stdout == ""
    labelled = "type=volume,src=labelled,dst=/www,volume-driver=local,volume-label=a=b"
    assert cli("run", "--rm", "--mount", labelled, *show).stdout == "index.html\n"
    assert json.loads(cli("volume", "inspect", "labelled").stdout)[0]["Labels"] == {"a": "b"}
    touch = [image, "touch", "/www/x"]
    for option in ("-v", "full:/www:ro"), ("--mount", "type=volume,src=full,dst=/www,readonly"):
        assert "Read-only file system" in cli("run", "--rm", *option, *touch, check=False).stderr


def test_volumes_that_cannot_be(docker: Cli, image: str) -> None:
    volume: dict[str, object] = {"Type": "volume", "Source": "v", "Target": "/m"}
    assert b"nosuch" in refused(docker, image, {"Binds": ["v:/m"], "VolumeDriver": "nosuch"})
    other = {"VolumeOptions": {"DriverConfig": {"Name": "nosuch"}}}
    assert b"nosuch" in refused(docker, image, {"Mounts": [{**volume, **other}]})
    assert docker("volume", "create", "-d", "nosuch", "v", check=False).returncode == 1
    assert docker("volume", "ls", "-q").stdout == ""


@pytest.mark.census("Config.Volumes", "volume anonymous")
def test_anonymous_volumes(docker: Cli, image: str) -> None:
    container = created(docker.daemon, image, ["touch", "/w/x"], {}, Volumes={"/w": {}})
    docker("start", "-a", container)
    (point,) = json.loads(docker("inspect", "-f", "{{json .Mounts}}", container).stdout)
    assert Path(point["Source"], "x").exists()
    docker("rm", "-v", container)
    eventually(lambda: not Path(point["Source"]).exists())


@pytest.mark.census(
    "run --volumes-from", "create --volumes-from", "HostConfig.VolumesFrom", "mount flag --volumes-from [:ro]"
)
def test_volumes_of_another_container(cli: Cli, image: str, tmp_path: Path) -> None:
    cli("create", "--name", "owner", "-v", "named:/v", "-v", f"{tmp_path}:/b:ro", image)
    done = cli("run", "--rm", "--volumes-from", "owner", image, "sh", "-c", "echo x > /v/f; echo x > /b/f", check=False)
    assert "/b/f: Read-only file system" in done.stderr
    done = cli("run", "--rm", "--volumes-from", "owner:ro", image, "sh", "-c", "cat /v/f; echo > /v/g", check=False)
    assert done.stdout == "x\n"
    assert "/v/g: Read-only file system" in done.stderr


@pytest.mark.census(
    "mount type tmpfs",
    "mount flag --tmpfs path:opts",
    "run --tmpfs",
    "create --tmpfs",
    "HostConfig.Tmpfs",
    "HostConfig.Mounts[].TmpfsOptions",
    "HostConfig.Mounts[].TmpfsOptions.Mode",
    "HostConfig.Mounts[].TmpfsOptions.SizeBytes",
    "HostConfig.Mounts[].TmpfsOptions.Options",
    "GET /containers/{id}/json → HostConfig.Mounts[].TmpfsOptions.Options",
)
def test_tmpfs(docker: Cli, image: str) -> None:
    def options(*words: str) -> set[str]:
        line = docker("run", "--rm", *words, image, "grep", " /t ", "/proc/mounts").stdout
        return set(line.split()[3].split(","))

    assert {"rw", "noexec", "nosuid", "nodev"} <= options("--tmpfs", "/t")
    given = options("--tmpfs", "/t:ro,exec,suid,dev,size=1m,mode=1770,uid=5,gid=6,nr_inodes=99")
    assert {"ro", "size=1024k", "mode=1770", "uid=5", "gid=6", "nr_inodes=99"} <= given
    assert not given & {"noexec", "nosuid", "nodev"}
    mounted = options("--mount", "type=tmpfs,dst=/t,tmpfs-size=2m,tmpfs-mode=700,readonly")
    assert {"ro", "size=2048k", "mode=700", "noexec"} <= mounted
    wrong = docker("run", "--rm", "--tmpfs", "/t:nosuch=1", image, check=False)
    assert "nosuch" in wrong.stderr
    mount = {"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Options": [["exec"]]}}
    container = created(docker.daemon, image, ["grep", " /t ", "/proc/mounts"], {"Mounts": [mount]})
    assert "noexec" not in docker("start", "-a", container).stdout
    docker("rm", container)
    bad = {"Mounts": [{"Type": "tmpfs", "Target": "/t", "TmpfsOptions": {"Options": [["suid"]]}}]}
    assert b"invalid option: suid" in refused(docker, image, dict(bad))


@pytest.mark.census(
    "HostConfig.Mounts[].BindOptions.CreateMountpoint",
    "GET /containers/{id}/json → HostConfig.Mounts[].BindOptions.CreateMountpoint",
)
def test_sources_are_made_where_that_is_asked_for(docker: Cli, image: str, tmp_path: Path) -> None:
    docker("run", "--rm", "-v", f"{tmp_path}/by/v:/m", image, "touch", "/m/x")
    assert (tmp_path / "by" / "v" / "x").exists()
    bind = {"Type": "bind", "Source": f"{tmp_path}/by/mount", "Target": "/m"}
    assert b"bind source path does not exist" in refused(docker, image, {"Mounts": [bind]})
    options = {"BindOptions": {"CreateMountpoint": True}}
    docker("start", "-a", created(docker.daemon, image, ["touch", "/m/x"], {"Mounts": [{**bind, **options}]}))
    assert (tmp_path / "by" / "mount" / "x").exists()


@pytest.mark.census("mount type npipe")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"Consistency": "nosuch"}, b"invalid consistency"),
        ({"BindOptions": {"Propagation": "nosuch"}}, b"invalid propagation mode"),
        ({"BindOptions": {"ReadOnlyForceRecursive": True}}, b"ReadOnlyForceRecursive"),
        ({"VolumeOptions": {"NoCopy": True}}, b"VolumeOptions must not be specified"),
        ({"TmpfsOptions": {"SizeBytes": 1}}, b"TmpfsOptions must not be specified"),
        ({"ImageOptions": {"Subpath": "x"}}, b"ImageOptions"),
        ({"Type": "image", "Source": "nosuch"}, b"No such image: nosuch:latest"),
        ({"Type": "cluster"}, b"mount type unknown"),
        ({"Type": "npipe"}, b"mount type unknown"),
        ({"Type": "nosuch"}, b"mount type unknown"),
        ({"Target": ""}, b"field Target must not be empty"),
        ({"Source": "relative"}, b"mount path must be absolute"),
    ],
)
def test_mounts_that_are_refused(docker: Cli, image: str, more: dict[str, object], message: bytes) -> None:
    bind: dict[str, object] = {"Type": "bind", "Source": "/tmp", "Target": "/m"}
    assert message in refused(docker, image, {"Mounts": [{**bind, **more}]})
