"""Binds and volumes with the option idmap: the host's files with the container's owners, and the other way round."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.remapped import COUNT, FIRST, docker_on, remapping
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, created
from tests.cli.test_userns import owners

pytestmark = [pytest.mark.root, pytest.mark.census("run --volume", "HostConfig.Binds")]


@pytest.fixture(scope="module")
def remap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    with remapping(tmp_path_factory.mktemp("remap")) as process:
        yield process


@pytest.fixture
def remapped(remap: DaemonProcess) -> Iterator[Cli]:
    with docker_on(remap) as command:
        yield command


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory of somebody (1234:4321) with a file of his and one of the host's root."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in ("his", "roots"):
        (folder / name).write_text(name)
    for path in (folder, folder / "his"):
        os.chown(path, 1234, 4321)
    return folder


def seen(cli: Cli, image: str, script: str, *options: str) -> list[str]:
    return cli("run", "--rm", *options, image, "sh", "-c", script).stdout.splitlines()


def test_the_owner_of_a_bind_is_the_containers_user(cli: Cli, image: str, source: Path) -> None:
    look = "stat -c %u:%g /s /s/his; touch /s/new"
    for options, user in (((), "0:0"), (("-u", "1000:1001"), "1000:1001"), (("-u", "nobody"), "65534:65534")):
        assert seen(cli, image, look, "-v", f"{source}:/s:idmap", *options) == [user, user]
        new = (source / "new").stat()
        assert (new.st_uid, new.st_gid) == (1234, 4321)
        (source / "new").unlink()
    refused = cli("run", "--rm", "-u", "1000", "-v", f"{source}:/s", image, "touch", "/s/new", check=False)
    assert "Permission denied" in refused.stderr


def test_nobody_elses_files_change_hands(docker: Cli, image: str, source: Path) -> None:
    options = ("-v", f"{source}:/s:idmap")
    assert seen(docker, image, "stat -c %u /s/roots; echo x 2>/s/no >> /s/roots || id -u", *options) == ["65534", "0"]
    assert (source / "roots").read_text() == "roots"
    assert seen(docker, image, "stat -c %u /s/roots", *options, "-u", "1000") == ["0"]
    os.chmod(source, 0o777)
    docker("run", "-d", "--name", "box", *options, image, "sleep", "100")
    made = docker("exec", "-u", "1234", "box", "touch", "/s/made", check=False)
    assert "Value too large" in made.stderr  # who has the owner's id inside is nobody on the disk
    assert not (source / "made").exists()


def test_ranges_have_podmans_notation(docker: Cli, image: str, source: Path) -> None:
    ranges = f"{source}:/s:idmap=uids=1234-7-1#0-50-10;gids=4321-8-1,ro"
    assert seen(docker, image, "stat -c %u:%g /s/his /s/roots; grep -c ' /s ro,.*idmapped' /proc/self/mountinfo",
                "-v", ranges) == ["7:8", "50:65534", "1"]  # fmt: skip
    assert seen(docker, image, "stat -c %u:%g /s/his", "-v", f"{source}:/s:idmap=uids=1234-@9-1") == ["9:4321"]


def test_what_was_asked_for_is_shown(docker: Cli, image: str, daemon: DaemonProcess, source: Path) -> None:
    text = f"{source}:/s:idmap=uids=1234-7-1,ro"
    docker("create", "--name", "box", "-v", text, image, "true")
    found = json.loads(docker("inspect", "box").stdout)[0]
    assert found["HostConfig"]["Binds"] == [text]
    assert (found["Mounts"][0]["Mode"], found["Mounts"][0]["RW"]) == ("idmap=uids=1234-7-1,ro", False)
    assert owners(docker.raw("cp", "box:/s/his", "-"))["his"] == (7, 4321)
    ours = CommandLine("carrack", daemon)
    ours("create", "--name", "other", "--mount", f"type=bind,src={source},dst=/s,idmap", image, "stat", "-c%u", "/s")
    _, answer = api(daemon, "GET", "/containers/other/json")
    assert json.loads(answer)["HostConfig"]["Mounts"][0]["IdMap"] == "idmap"
    assert ours("start", "-a", "other").stdout == "0\n"


def test_a_volume_and_a_file_too(docker: Cli, image: str, daemon: DaemonProcess, source: Path) -> None:
    ours = CommandLine("carrack", daemon)
    script = "touch /v/f; stat -c %u /v /v/f"
    option = "type=volume,src=mapped,dst=/v,idmap"
    assert ours("run", "--rm", "-u", "5", "--mount", option, image, "sh", "-c", script).stdout == "5\n5\n"
    place = Path(ours("volume", "inspect", "--format", "{{.Mountpoint}}", "mapped").stdout.strip())
    assert (place / "f").stat().st_uid == 0
    ours("volume", "rm", "mapped")
    assert seen(docker, image, "stat -c %u /f", "-u", "77", "-v", f"{source}/his:/f:idmap") == ["77"]


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("idmap=uids=x", "invalid idmap option 'idmap=uids=x': 'x' is not of the form disk-shown-count"),
        ("idmap=uids=0-1-5#3-9-1", "ranges overlap at 3"),
        ("idmap,idmap", "invalid mode: idmap,idmap"),
        ("idmaps", "invalid mode: idmaps"),
    ],
)
def test_a_bad_option_makes_nothing(docker: Cli, image: str, source: Path, mode: str, told: str) -> None:
    refused = docker("create", "-v", f"{source}:/s:{mode}", image, "true", check=False)
    assert told in refused.stderr
    assert docker("ps", "-aq").stdout == ""


def test_a_file_system_without_maps_is_named(docker: Cli, image: str) -> None:
    refused = docker("run", "--name", "box", "-v", "/proc/sys:/s:idmap", image, "true", check=False)
    assert "the owners of the files in /proc/sys cannot be mapped: the file system there (proc)" in refused.stderr
    assert docker("inspect", "--format", "{{.State.Status}}", "box").stdout == "created\n"


def test_a_tmpfs_has_no_owners_to_map(docker: Cli, image: str, daemon: DaemonProcess) -> None:
    mount = {"Type": "tmpfs", "Target": "/t", "IdMap": "idmap"}
    body = {"Image": image, "HostConfig": {"Mounts": [mount]}}
    status, answer = api(daemon, "POST", "/containers/create", body)
    assert (status, "IdMap is for binds and volumes only" in json.loads(answer)["message"]) == (400, True)


def test_in_a_user_namespace_the_map_is_the_containers(remapped: Cli, source: Path) -> None:
    image = "busybox:latest"
    plain, mapped = ("-v", f"{source}:/s"), ("-v", f"{source}:/s:idmap")
    look = "stat -c %u:%g /s/his /s/roots; echo y >> /s/roots || id -u"
    assert seen(remapped, image, look, *plain) == ["65534:65534", "65534:65534", "0"]
    assert (source / "roots").read_text() == "roots"
    assert seen(remapped, image, look, *mapped) == ["1234:4321", "0:0"]
    assert (source / "roots").read_text() == "rootsy\n"
    seen(remapped, image, "touch /s/new; chown 5:6 /s/new", *mapped)
    assert ((source / "new").stat().st_uid, (source / "new").stat().st_gid) == (5, 6)
    relative = ("-v", f"{source}:/s:idmap=uids=1234-@0-1;gids=4321-@0-1")
    assert seen(remapped, image, "stat -c %u:%g /s/his", *relative) == ["0:0"]
    absolute = ("-v", f"{source}:/s:idmap=uids=1234-{FIRST + 9}-1")
    assert seen(remapped, image, "stat -c %u:%g /s/his", *absolute) == ["9:4321"]
    beyond = ("-v", f"{source}:/s:idmap=uids=0-@{COUNT - 1}-2")
    refused = remapped("run", "--rm", *beyond, image, "true", check=False)
    assert f"id {COUNT} is not mapped in the container's user namespace" in refused.stderr
    opted_out = seen(remapped, image, "stat -c %u:%g /s/his", *mapped, "--userns", "host", "-u", "3:4")
    assert opted_out == ["3:4"]


def test_a_mapped_volume_of_a_user_namespace_has_the_images_ids_on_disk(remapped: Cli, remap: DaemonProcess) -> None:
    image = "busybox:latest"
    assert seen(remapped, image, "touch /v/f; chown 5 /v/f; stat -c %u /v /v/f", "-v", "vol:/v:idmap") == ["0", "5"]
    place = Path(remapped("volume", "inspect", "--format", "{{.Mountpoint}}", "vol").stdout.strip())
    assert (place.stat().st_uid, (place / "f").stat().st_uid) == (0, 5)
    identity = created(remap, image, ["sleep", "100"], {"Binds": ["vol:/v:idmap"]})
    remapped("start", identity)
    assert owners(remapped.raw("cp", f"{identity}:/v/f", "-"))["f"] == (5, 0)
    given = place.parent / "given"
    given.touch()
    os.chown(given, 7, 8)
    remapped("cp", "-a", str(given), f"{identity}:/v/")
    assert remapped("exec", identity, "stat", "-c", "%u:%g", "/v/given").stdout == "7:8\n"
    assert ((place / "given").stat().st_uid, (place / "given").stat().st_gid) == (7, 8)
    remapped("stop", "-t", "0", identity)
    assert owners(remapped.raw("cp", f"{identity}:/v/f", "-"))["f"] == (5, 0)
