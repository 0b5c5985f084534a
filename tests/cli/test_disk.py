"""The disk kept in order: who has each byte of it, garbage collection by rules, and the check of the data root."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess, eventually
from tests.fakes.images import config_for, oci_layout, sha, tar

pytestmark = pytest.mark.root

ZIPPED = tar({"data": os.urandom(200_000), "more": b"x" * 50_000})

USUAL = '{"gc": {"cache": 0}}'


def _program() -> bytes:
    if not os.path.exists("/bin/busybox"):
        return b""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add("/bin/busybox", "bin/busybox")
    return out.getvalue()


PROGRAM = _program()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon whose images are nobody else's."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    process = DaemonProcess(tmp_path_factory.mktemp("disk"), "--live-restore")
    (process.root / "daemon.json").write_text(USUAL)
    try:
        process.start()
        CommandLine("carrack", process)(*IMPORT, stdin=archive)
        yield process
    finally:
        process.stop()


@pytest.fixture
def ours(daemon: DaemonProcess) -> Iterator[Cli]:
    line = CommandLine("carrack", daemon)
    yield line
    if left := line("ps", "-aq").stdout.split():
        line("rm", "-fv", *left)
    if others := [name for name in names(line) if not name.startswith("busybox")]:
        line("rmi", "-f", *others)


def rows(ours: Cli) -> dict[tuple[str, str, str], int]:
    lines = ours("system", "df", "--explain", "--format", "json").stdout.splitlines()
    return {(row["Kind"], row["Owner"], row["What"]): row["Bytes"] for row in map(json.loads, lines)}


def load(ours: Cli, name: str, layer: bytes, **config: object) -> None:
    ours("load", stdin=oci_layout(config_for([layer], **config), [layer], name))


def names(ours: Cli) -> list[str]:
    return sorted(ours("images", "--format", "{{.Repository}}:{{.Tag}}").stdout.split())


def flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def test_every_byte_has_an_owner(ours: Cli, daemon: DaemonProcess) -> None:
    root = daemon.root / "data"
    ours("run", "-d", "--name", "web", "-v", "kept:/kept", "busybox", "sleep", "100")
    ours("exec", "web", "sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x | tee /kept/a > /b")
    load(ours, "app:1", ZIPPED)
    (root / "stray").write_bytes(b"x" * 10_000)
    try:

        def agrees() -> bool:
            told = subprocess.run(["du", "-sx", "--block-size=1", root], capture_output=True, text=True, check=True)
            return sum(rows(ours).values()) == int(told.stdout.split()[0])

        eventually(agrees)
        found = rows(ours)
        assert found["container", "web", "written files"] >= 3_000_000
        assert found["volume", "kept", "data"] >= 3_000_000
        assert found["image", "app:1", "layers"] >= len(ZIPPED)
        assert found["image", "app:1", "compressed layers and manifests"] >= len(gzip.compress(ZIPPED))
        assert found["unowned", "-", "stray"] >= 10_000
        shown = ours("system", "df", "--explain").stdout.splitlines()
        assert shown[0].split() == ["KIND", "OWNER", "WHAT", "SIZE", "NOTE"]
        assert shown[-1].split()[:2] == ["all", str(root)]
        refused = ours("system", "df", "--explain", "-v", check=False)
        assert "cannot specify both --explain and --verbose" in refused.stderr
    finally:
        (root / "stray").unlink()


def test_what_is_left_of_a_removed_image_is_its_containers(ours: Cli) -> None:
    load(ours, "app:1", ZIPPED)
    ours("create", "--name", "late", "app:1", "x")
    ours("rmi", "-f", "app:1")
    assert rows(ours)["container", "late", "layers of a removed image"] >= len(ZIPPED)


def test_gc_plans_asks_and_does(ours: Cli) -> None:
    for number in (1, 2, 3):
        load(ours, f"app:{number}", tar({"number": b"%d" % number * 5000}), created=f"2020-01-0{number}T00:00:00Z")
    ours("create", "app:1", "x")
    plan = ours("gc", "--plan", "--keep-last", "1").stdout
    assert "app:2" in plan
    assert "not among the newest 1 of its repository" in plan
    assert "app:1 " not in plan, "a container stands on it"
    assert "Would reclaim: " in plan
    ours("gc", "--keep-last", "1", stdin="n\n")
    assert names(ours) == ["app:1", "app:2", "app:3", "busybox:latest"]
    done = ours("gc", "--keep-last", "1", stdin="y\n").stdout
    assert "Are you sure you want to continue? [y/N]" in done
    assert "Total reclaimed space: " in done
    assert names(ours) == ["app:1", "app:3", "busybox:latest"]
    assert json.loads(ours("gc", "--plan", "--max-size", "1", "--keep", "busybox", "--json").stdout)["Names"] == "app:3"
    ours("gc", "-f", "--max-size", "1", "--keep", "busybox")
    assert names(ours) == ["app:1", "busybox:latest"]
    assert "unused-for: 'soon' is no time" in ours("gc", "--unused-for", "soon", check=False).stderr


def test_uses_survive_the_daemon_and_rules_come_from_its_configuration(ours: Cli, daemon: DaemonProcess) -> None:
    load(ours, "app:1", ZIPPED)
    before = json.loads(ours("gc", "--plan", "--max-size", "1", "--keep", "busybox", "--json").stdout)
    assert "second" in before["Unused"]
    (daemon.root / "daemon.json").write_text(json.dumps({"gc": {"unused-for": "1s", "keep": ["busy*"], "cache": 0}}))
    daemon.end()
    daemon.start()
    eventually(lambda: ours("gc", "--plan", "--json").stdout != "")  # the daemon may be back within that second
    (row,) = ours("gc", "--plan", "--json").stdout.splitlines()
    assert (json.loads(row)["Names"], json.loads(row)["Reason"][:10]) == ("app:1", "unused for")
    (daemon.root / "daemon.json").write_text(USUAL)
    os.kill(int((daemon.root / "pid").read_text()), 1)
    eventually(lambda: ours("gc", "--plan", "--json").stdout == "")


def test_fsck_mends_a_layer_under_a_running_container(ours: Cli, daemon: DaemonProcess) -> None:
    root = daemon.root / "data"
    assert ours("fsck").stdout.startswith("0 problems, 0 things that nobody needs, 0 notes; ")
    load(ours, "app:1", PROGRAM)
    ours("run", "-d", "--name", "web", "app:1", "/bin/busybox", "sleep", "100")
    image = root / "layers/erofs/layers" / sha(PROGRAM)[7:] / "layer.erofs"
    if not image.exists():
        pytest.skip("the driver here keeps no images")
    flip(image, image.stat().st_size - 400)
    found = ours("fsck", check=False)
    assert found.returncode == 1
    assert f"{sha(PROGRAM)} of image app:1 is damaged: the metadata of its image are damaged" in found.stdout
    assert "made again of sha256:" in ours("fsck", "--repair").stdout
    assert ours("exec", "web", "/bin/busybox", "echo", "goes on").stdout == "goes on\n"
    assert ours("run", "--rm", "app:1", "/bin/busybox", "echo", "new").stdout == "new\n"
    assert "0 problems, 0 things that nobody needs, 1 note;" in ours("fsck").stdout
    (aside,) = (root / "quarantine").iterdir()
    assert aside.name.startswith(image.parent.name)
    subprocess.run(["rm", "-r", root / "quarantine"], check=True)


def test_fsck_makes_a_layer_again_of_its_own_tar(ours: Cli, daemon: DaemonProcess) -> None:
    ours("run", "--name", "made", "busybox", "sh", "-c", "echo made > /made")
    ours("commit", "made", "made:1")
    layer = json.loads(ours("inspect", "-f", "{{json .RootFS.Layers}}", "made:1").stdout)[-1]
    image = daemon.root / "data/layers/erofs/layers" / layer[7:] / "layer.erofs"
    if not image.exists():
        pytest.skip("the driver here keeps no images")
    flip(image, 1100)
    assert "the superblock of its image is damaged" in ours("fsck", check=False).stdout
    assert "put into quarantine, made again of its own tar" in ours("fsck", "--repair").stdout
    assert ours("run", "--rm", "made:1", "cat", "/made").stdout == "made\n"
    subprocess.run(["rm", "-r", daemon.root / "data/quarantine"], check=True)


def test_fsck_finds_what_nobody_needs(ours: Cli, daemon: DaemonProcess) -> None:
    root = daemon.root / "data"
    stray = root / "blobs" / "sha256" / sha(b"stray")[7:]
    stray.write_bytes(b"stray")
    orphan = root / "containers" / ("e" * 64)
    orphan.mkdir()
    told = ours("fsck", "--quick", "--json").stdout.splitlines()
    assert [json.loads(line)["Level"] for line in told] == ["garbage", "garbage"]
    assert "carrack fsck --repair, or carrack gc, removes what nobody needs" in ours("fsck", "--quick").stdout
    ours("fsck", "--repair")
    assert not stray.exists()
    assert not orphan.exists()


def test_a_damaged_config_is_put_aside_until_the_image_comes_again(ours: Cli, daemon: DaemonProcess) -> None:
    load(ours, "app:1", ZIPPED)
    config = daemon.root / "data/blobs/sha256" / sha(config_for([ZIPPED]))[7:]
    flip(config, 20)
    told = ours("fsck", "--repair", check=False)
    assert told.returncode == 1
    assert "of image app:1 has changed: its digest is another one: the image is lost" in told.stdout
    assert not config.exists()
    ours("rmi", "app:1")
    load(ours, "app:1", ZIPPED)
    assert "0 problems" in ours("fsck").stdout
    subprocess.run(["rm", "-r", daemon.root / "data/quarantine"], check=True)
