"""Volumes that a plugin keeps: the test is the plugin, by Docker's socket protocol, and sees what it is asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.busybox import IMPORT, root_file_system
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, eventually
from tests.fakes.plugin import Plugin

pytestmark = [pytest.mark.root, pytest.mark.census("volume plugin")]

NONE = ["--network", "none"]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, docker_name: str) -> Iterator[DaemonProcess]:
    root = tmp_path_factory.mktemp("plugins")
    process = DaemonProcess(root, "--plugin-dir", str(root / "plugins"), "--plugin-dir", str(root / "specs"))
    archive = root_file_system()
    if archive is None:
        pytest.skip("the distribution's busybox-static is not installed")
    try:
        process.start()
        CommandLine("carrack", process)(*IMPORT, stdin=archive)
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def docker_name() -> str:
    import os
    import shutil

    if os.geteuid() != 0:
        pytest.skip("needs root")
    return "docker" if shutil.which("docker") else "carrack"


@pytest.fixture
def own(process: DaemonProcess, docker_name: str) -> Iterator[Cli]:
    command = CommandLine(docker_name, process)
    yield command
    if left := command("ps", "-aq").stdout.split():
        command("rm", "-fv", *left)


@pytest.fixture
def plugin(own: Cli, process: DaemonProcess) -> Iterator[Plugin]:
    with Plugin(process.root / "plugins" / "plug.sock", process.root / "far") as running:
        yield running
        if left := own("ps", "-aq").stdout.split():
            own("rm", "-fv", *left)
        if left := own("volume", "ls", "-q").stdout.split():
            running.answers.clear()
            own("volume", "rm", "-f", *left)


@pytest.mark.census(
    "volume create --driver", "volume Status from driver", "volume scope local|global", "POST /volumes/create Driver",
    "GET /volumes/{name} → Status", "POST /volumes/create → Status",
)  # fmt: skip
def test_the_life_of_a_volume(own: Cli, plugin: Plugin, image: str) -> None:
    own("volume", "create", "-d", "plug", "-o", "a=b", "--label", "l=1", "data")
    (document,) = json.loads(own("volume", "inspect", "data").stdout)
    assert document == {
        "CreatedAt": "0001-01-01T00:00:00Z",
        "Driver": "plug",
        "Labels": {"l": "1"},
        "Mountpoint": str(plugin.root / "data"),
        "Name": "data",
        "Options": {"a": "b"},
        "Scope": "local",
        "Status": {"kept": "well"},
    }
    assert own("volume", "ls", "--filter", "driver=plug", "--format", "{{.Name}} {{.Driver}}").stdout == "data plug\n"
    status, answer = api(own.daemon, "POST", "/volumes/create", {"Name": "data", "Driver": "plug"})
    assert (status, json.loads(answer)["Status"]) == (201, {"kept": "well"})
    assert "plug" in json.loads(own("info", "--format", "{{json .Plugins.Volume}}").stdout)
    name = own("run", "-d", *NONE, "-v", "data:/m", image, "sh", "-c", "echo told > /m/x; sleep 100").stdout.strip()
    eventually((plugin.root / "data" / "x").exists)
    assert plugin.mounted["data"] == {name}
    (point,) = json.loads(own("inspect", "-f", "{{json .Mounts}}", name).stdout)
    assert (point["Driver"], point["Source"], point["Mode"]) == ("plug", "", "")
    assert "volume is in use" in own("volume", "rm", "data", check=False).stderr
    assert own("run", "--rm", *NONE, "-v", "data:/m:ro", image, "cat", "/m/x").stdout == "told\n"
    own("rm", "-f", name)
    eventually(lambda: plugin.mounted["data"] == set())
    own("volume", "rm", "data")
    assert plugin.volumes == {}
    asked = [method.partition(".")[2] for method, _ in plugin.calls]
    assert [method for method in asked if method in ("Create", "Mount", "Unmount", "Remove")] == [
        "Create", "Mount", "Mount", "Unmount", "Unmount", "Remove",
    ]  # fmt: skip


@pytest.mark.census(
    "run --volume-driver",
    "create --volume-driver",
    "HostConfig.VolumeDriver",
    "HostConfig.Mounts[].VolumeOptions.DriverConfig",
    "HostConfig.Mounts[].VolumeOptions.DriverConfig.Name",
)
def test_containers_make_them(own: Cli, plugin: Plugin, image: str) -> None:
    own("run", "--rm", *NONE, "--volume-driver", "plug", "-v", "/a", "-v", "named:/b", image, "touch", "/b/x")
    assert list(plugin.volumes) == ["named"]  # the anonymous one went with its container
    assert (plugin.root / "named" / "x").exists()
    own("create", *NONE, "--mount", "type=volume,src=other,dst=/m,volume-driver=plug,volume-opt=a=b", image)
    assert plugin.volumes["other"] == {"a": "b"}
    show = own("run", "--rm", *NONE, "-v", "named:/www", image, "ls", "/www").stdout
    assert show == "x\n"  # it is not empty: nothing is copied
    own("run", "--rm", *NONE, "-v", "fresh:/www", "--volume-driver", "plug", image, "true")
    assert (plugin.root / "fresh" / "index.html").exists()


@pytest.mark.census("volume scope local|global")
def test_a_global_plugin(own: Cli, process: DaemonProcess) -> None:
    with Plugin(process.root / "plugins" / "wide" / "wide.sock", process.root / "wide") as wide:
        wide.scope = "global"
        own("volume", "create", "-d", "wide", "data")
        assert own("volume", "inspect", "-f", "{{.Scope}}", "data").stdout == "global\n"
        own("volume", "rm", "data")


def test_a_plugin_elsewhere(own: Cli, process: DaemonProcess) -> None:
    """A file tells where it listens."""
    (process.root / "specs").mkdir()
    (process.root / "specs" / "told.spec").write_text(f"unix://{process.root}/elsewhere.sock\n")
    with Plugin(process.root / "elsewhere.sock", process.root / "told") as told:
        own("volume", "create", "-d", "told", "data")
        own("volume", "rm", "data")
        assert [body["Name"] for body in told.called("VolumeDriver.Create")] == ["data"]
    (process.root / "specs" / "told.spec").unlink()


def test_one_name_one_driver(own: Cli, plugin: Plugin) -> None:
    own("volume", "create", "near")
    own("volume", "create", "-d", "plug", "data")
    for name, driver, other in (("near", "plug", "local"), ("data", "local", "plug")):
        told = own("volume", "create", "-d", driver, name, check=False).stderr
        assert told == (
            f"Error response from daemon: create {name}: driver '{other}' already has volume '{name}': "
            "volume name must be unique\n"
        )


def test_what_it_refuses_is_told(own: Cli, plugin: Plugin, image: str) -> None:
    for answer, told in (
        ({"Err": "create words"}, "create data: create words"),
        ((500, {"Err": "five words"}), "create data: VolumeDriver.Create: five words"),
        ((500, b"plain"), "create data: VolumeDriver.Create: plain"),
        (b"{no", "create data: plugin plug: VolumeDriver.Create: what it answers is no JSON object"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "what it answers is no JSON object"),
    ):
        plugin.answers["VolumeDriver.Create"] = lambda body, answer=answer: answer  # type: ignore[misc]
        assert told in own("volume", "create", "-d", "plug", "data", check=False).stderr
    del plugin.answers["VolumeDriver.Create"]
    own("volume", "create", "-d", "plug", "data")
    for mounted, told in (
        ({"Err": "mount words"}, "mount words"),
        ({"Mountpoint": "relative/x"}, "'relative/x' is no absolute path"),
        ({"Mountpoint": ""}, "is no absolute path"),
        ({"Mountpoint": "/nosuch/x"}, "error mounting '/nosuch/x' to rootfs at '/m'"),
    ):
        plugin.answers["VolumeDriver.Mount"] = mounted
        done = own("run", "--rm", *NONE, "-v", "data:/m", image, "true", check=False)
        assert (done.returncode in (125, 127), told in done.stderr) == (True, True), done.stderr
    assert plugin.mounted.get("data", set()) == set()
    plugin.answers["VolumeDriver.Remove"] = {"Err": "remove words"}
    assert "remove data: remove words" in own("volume", "rm", "data", check=False).stderr
    own("volume", "rm", "-f", "data")


def test_its_volumes_are_found_though_nobody_made_them_here(own: Cli, plugin: Plugin, image: str) -> None:
    (plugin.root / "strange").mkdir(parents=True)
    plugin.volumes["strange"] = {}
    assert own("volume", "ls", "--format", "{{.Name}} {{.Driver}}").stdout == "strange plug\n"
    own("run", "--rm", *NONE, "-v", "strange:/m", image, "touch", "/m/x")
    assert (plugin.root / "strange" / "x").exists()


def test_it_may_go_and_come_back(own: Cli, plugin: Plugin, image: str) -> None:
    own("volume", "create", "-d", "plug", "data")
    name = own("run", "-d", *NONE, "-v", "data:/m", image, "sleep", "100").stdout.strip()
    plugin.stop()
    assert own("volume", "ls", "-q").stdout == "data\n"
    refused = own("run", "--rm", *NONE, "-v", "data:/m", image, "true", check=False).stderr
    assert 'error looking up volume plugin plug: plugin "plug" not found' in refused
    own("stop", "-t", "0", name)
    own("rm", name)
    plugin.start()
    own("run", "--rm", *NONE, "-v", "data:/m", image, "true")


def test_a_slow_one_holds_nobody_else_up(own: Cli, plugin: Plugin, image: str) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slowly(body: dict[str, object]) -> dict[str, object]:
        asked.set()
        go_on.wait(30)
        return {"Mountpoint": str(plugin.root / "data")}

    own("volume", "create", "-d", "plug", "data")
    plugin.answers["VolumeDriver.Mount"] = slowly
    waiting = own.start("run", "--rm", *NONE, "-v", "data:/m", image, "echo", "through")
    assert asked.wait(30)
    assert own("run", "--rm", *NONE, "-v", "near:/m", image, "echo", "beside").stdout == "beside\n"
    go_on.set()
    assert waiting.communicate(timeout=30)[0] == "through\n"


def test_the_daemon_may_die(own: Cli, plugin: Plugin, process: DaemonProcess, image: str) -> None:
    """Who runs keeps the volume; the plugin is told of who ended meanwhile."""
    import subprocess

    own("volume", "create", "-d", "plug", "data")
    runs = own("run", "-d", *NONE, "-v", "data:/m", image, "sleep", "100").stdout.strip()
    ends = own("run", "-d", *NONE, "-v", "data:/m", image, "sleep", "100").stdout.strip()
    pid = own("inspect", "-f", "{{.State.Pid}}", ends).stdout.strip()
    assert plugin.mounted["data"] == {runs, ends}
    process.crash()
    subprocess.run(["kill", "-9", pid], check=True)
    process.start()
    eventually(lambda: plugin.mounted["data"] == {runs})
    own("rm", "-f", runs)
    eventually(lambda: plugin.mounted["data"] == set())


def test_a_file_is_copied_into_one(own: Cli, plugin: Plugin, image: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("copied")
    own("create", "--name", "one", *NONE, "--volume-driver", "plug", "-v", "data:/m", image)
    own("cp", str(tmp_path / "file"), "one:/m/file")
    assert (plugin.root / "data" / "file").read_text() == "copied"
    assert plugin.mounted["data"] == set()
