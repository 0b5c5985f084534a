"""Devices by name: descriptions of vendors (CDI), requests for GPUs, and the hooks that come with them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess, api, created, eventually

pytestmark = pytest.mark.root
REQUEST = ("Driver", "Count", "DeviceIDs", "Capabilities", "Options")
YAML = """\
cdiVersion: "0.6.0"
kind: nvidia.com/gpu
devices:
- name: "0"
  containerEdits: &first
    env: [GPU=zero]
    deviceNodes:
    - {path: /dev/nvidia0, hostPath: /dev/zero}
- name: all
  containerEdits: *first
"""
HOOK = """\
#!/usr/bin/env python3
import json, os, sys
state = json.load(sys.stdin)
with open(os.path.join(state["bundle"], "config.json")) as file:
    root = json.load(file)["root"]["path"]
if sys.argv[1] == "createContainer":
    with open(root + "/of-the-hook", "w") as file:
        file.write("written\\n")
else:
    with open(os.path.join(os.path.dirname(__file__), sys.argv[1]), "w") as file:
        file.write(json.dumps({**state, "variable": os.environ["VARIABLE"]}))
"""


@pytest.fixture
def described(docker: Cli) -> Iterator[Path]:
    """The daemon's folder of descriptions, with one of our own in it, and the folder of its hooks."""
    folder = docker.daemon.root / "cdi"
    folder.mkdir()
    program = folder / "hook"
    program.write_text(HOOK)
    program.chmod(0o755)
    (folder / "data").write_text("of the host\n")
    hooks = [
        {"hookName": name, "path": str(program), "args": ["hook", name], "env": ["VARIABLE=of the description"]}
        for name in ("createRuntime", "createContainer", "poststart", "poststop")
    ]
    script = "cat > /dev/null; touch /tmp/of-the-last-hook"  # crun fails where a hook ends before it has read its input
    hooks.append({"hookName": "startContainer", "path": "/bin/sh", "args": ["sh", "-c", script]})
    spec = {
        "cdiVersion": "0.6.0",
        "kind": "vendor.com/device",
        "containerEdits": {"env": ["SHARED=1"], "additionalGids": [4242]},
        "devices": [
            {
                "name": "whole",
                "containerEdits": {
                    "deviceNodes": [{"path": "/dev/vendor0", "hostPath": "/dev/kmsg", "permissions": "w"}],
                    "mounts": [{"hostPath": str(folder / "data"), "containerPath": "/opt/data", "options": ["ro"]}],
                },
            },
            {"name": "hooked", "containerEdits": {"hooks": hooks}},
            {"name": "broken", "containerEdits": {"hooks": [{"hookName": "createRuntime", "path": "/bin/false"}]}},
        ],
    }
    (folder / "vendor.json").write_text(json.dumps(spec))
    (folder / "nvidia.yaml").write_text(YAML)
    try:
        yield folder
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


@pytest.mark.census(
    "device --device CDI vendor/class=name",
    "device DeviceRequests driver cdi",
    "HostConfig.DeviceRequests",
    "HostConfig.DeviceRequests[].Driver",
    "HostConfig.DeviceRequests[].DeviceIDs",
    "daemon.json cdi-spec-dirs",
    "GET /info → DiscoveredDevices",
    "GET /info → DiscoveredDevices",
    "GET /info → DiscoveredDevices[].ID",
    "GET /info → DiscoveredDevices[].Source",
    "daemon cdi-spec-dirs",
    "GET /info → CDISpecDirs",
)
def test_what_a_description_gives(cli: Cli, image: str, described: Path) -> None:
    script = "ls -l /dev/vendor0; : > /dev/vendor0 && echo open; cat /dev/vendor0; cat /opt/data; id -G; env"
    done = cli("run", "--rm", "--device", "vendor.com/device=whole", image, "sh", "-c", script)
    assert "1,  11" in done.stdout
    assert "/dev/vendor0': Operation not permitted" in done.stderr
    assert {"open", "of the host", "0 4242", "SHARED=1"} <= set(done.stdout.splitlines())
    found = json.loads(api(cli.daemon, "GET", "/info")[1])
    assert found["CDISpecDirs"] == [str(described)]
    assert {"Source": "cdi", "ID": "vendor.com/device=whole"} in found["DiscoveredDevices"]
    status, answer = api(cli.daemon, "GET", "/v1.49/info")
    assert status == 200
    assert "DiscoveredDevices" not in json.loads(answer)


@pytest.mark.census(
    "run --gpus",
    "device --gpus all|N|device=|capabilities=",
    "device DeviceRequests driver nvidia",
    "HostConfig.DeviceRequests[].Count",
    "HostConfig.DeviceRequests[].Capabilities",
    "HostConfig.DeviceRequests[].Options",
    *(f"GET /containers/{{id}}/json → HostConfig.DeviceRequests[].{name}" for name in REQUEST),
)
def test_gpus(cli: Cli, image: str, described: Path) -> None:
    for word in ("all", "1", "device=0", '"device=0","capabilities=compute,utility"'):
        done = cli("run", "--rm", "--gpus", word, image, "sh", "-c", "echo $GPU; test -c /dev/nvidia0 && echo there")
        assert done.stdout == "zero\nthere\n", word
    wanted = [{"Driver": "nvidia", "Count": -1, "Capabilities": [["gpu"]], "Options": {"a": "b"}}]
    container = created(cli.daemon, image, ["sh", "-c", "echo $GPU"], {"DeviceRequests": wanted})
    assert cli("start", "-a", container).stdout == "zero\n"
    shown = json.loads(cli("inspect", "-f", "{{json .HostConfig.DeviceRequests}}", container).stdout)
    options = {"a": "b"}
    assert shown == [
        {"Driver": "nvidia", "Count": -1, "DeviceIDs": None, "Capabilities": [["gpu"]], "Options": options}
    ]


@pytest.mark.census("HostConfig.Annotations")
def test_hooks_run_where_and_when_they_should(docker: Cli, image: str, described: Path) -> None:
    words = ["--device", "vendor.com/device=hooked", "--annotation", "a=b", "-u", "0"]
    docker("run", "-d", "--name", "hooked", *words, image, "sleep", "1000")
    identity, pid = docker("inspect", "-f", "{{.Id}} {{.State.Pid}}", "hooked").stdout.split()
    assert docker("exec", "hooked", "cat", "/of-the-hook").stdout == "written\n"
    docker("exec", "hooked", "test", "-e", "/tmp/of-the-last-hook")
    eventually(lambda: (described / "poststart").exists())
    for name, status, number in (("createRuntime", "creating", int(pid)), ("poststart", "running", int(pid))):
        state = json.loads((described / name).read_text())
        assert (state["id"], state["status"], state["pid"]) == (identity, status, number)
        assert state["variable"] == "of the description"
        assert state["annotations"] == {"a": "b"}
        (described / name).unlink()
    assert not (described / "poststop").exists()
    docker("rm", "-f", "hooked")
    eventually(lambda: (described / "poststop").exists())
    mounted = Path("/proc/self/mountinfo").read_text()
    assert identity not in mounted
    eventually(lambda: not os.path.exists(docker.daemon.root / "run" / "containers" / identity))


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_another_runtime_gives_the_same(docker: Cli, image: str, described: Path, runtime: str) -> None:
    if runtime not in json.loads(api(docker.daemon, "GET", "/info")[1])["Runtimes"]:
        pytest.skip(f"{runtime} is not installed")
    words = ["--runtime", runtime, "--device", "vendor.com/device=whole", "--device", "vendor.com/device=hooked"]
    script = ": > /dev/vendor0 && cat /opt/data /of-the-hook; id -G"
    done = docker("run", "--rm", *words, image, "sh", "-c", script)
    assert done.stdout == "of the host\nwritten\n0 4242\n"


def test_a_hook_that_fails_fails_the_start(docker: Cli, image: str, described: Path) -> None:
    failed = docker("run", "--name", "failed", "--device", "vendor.com/device=broken", image, "true", check=False)
    assert failed.returncode == 125
    assert "createRuntime hook #0: /bin/false: exit status 1" in failed.stderr
    assert docker("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", "failed").stdout == "created 0\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--device", "vendor.com/class=foo"],
            "injection failed: unresolvable CDI devices vendor.com/class=foo",
        ),
        (["--gpus", "all"], 'could not select device driver "" with capabilities: [[gpu]]'),
        (["--gpus", '"capabilities=compute"'], 'could not select device driver "" with capabilities: [[compute gpu]]'),
    ],
)
def test_what_nobody_described(cli: Cli, image: str, words: list[str], told: str) -> None:
    refused = cli("run", "--name", "refused", *words, image, "true", check=False)
    assert refused.returncode == 125
    assert told in refused.stderr
    assert cli("inspect", "-f", "{{.State.Status}}", "refused").stdout == "created\n"


@pytest.mark.census("daemon features containerd-snapshotter/buildkit/cdi", "daemon.json features")
def test_a_daemon_without_the_feature(
    tmp_path_factory: pytest.TempPathFactory, daemon: DaemonProcess, image: str
) -> None:
    process = DaemonProcess(tmp_path_factory.mktemp("plain"), "--feature", "cdi=false", "--feature", "buildkit=true")
    cli = CommandLine("carrack", process)
    try:
        process.start()
        cli("load", stdin=CommandLine("carrack", daemon).raw("save", image))
        assert json.loads(cli("info", "-f", "{{json .CDISpecDirs}}").stdout) == []
        refused = cli("run", "--name", "plain", "--device", "vendor.com/device=x", image, check=False)
        assert 'could not select device driver "cdi" with capabilities: []' in refused.stderr
        cli("rm", "plain")
    finally:
        process.stop()
    other = DaemonProcess(tmp_path_factory.mktemp("other"), "--feature", "containerd-snapshotter=true")
    with pytest.raises(AssertionError, match="containerd-snapshotter=true is not supported"):
        other.start()
