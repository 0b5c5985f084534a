"""The dev containers' command line makes a container from a folder's description, and runs commands in it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.running import CommandLine, DaemonProcess
from tests.clients import images

pytestmark = [pytest.mark.root, pytest.mark.docker_cli]
_DESCRIPTION = {
    "name": "things",
    "image": "debian:bookworm",
    "remoteUser": "root",
    "updateRemoteUserUID": False,
    "containerEnv": {"IN_CONTAINER": "yes"},
    "remoteEnv": {"IN_COMMANDS": "${containerEnv:IN_CONTAINER}, too"},
    "mounts": ["source=things,target=/things,type=volume"],
    "runArgs": ["--memory", "256m", "--hostname", "dev", "--init"],
    "capAdd": ["SYS_PTRACE"],
    "forwardPorts": [8000],
    "onCreateCommand": "cp file /tmp/made",
    "postStartCommand": {"one": "echo one >>/tmp/started", "two": ["touch", "/tmp/two"]},
}

Run = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with its dev container described."""
    project = tmp_path / "project"
    (project / ".devcontainer").mkdir(parents=True)
    tmp_path.chmod(0o755)
    (project / ".devcontainer" / "devcontainer.json").write_text(json.dumps(_DESCRIPTION))
    (project / "file").write_text("content\n")
    return project


@pytest.fixture
def run(node_clients: Path, daemon: DaemonProcess, folder: Path, provide: Callable[[images.Recipe], str]) -> Run:
    provide(images.BASE)
    program = node_clients / "node_modules" / ".bin" / "devcontainer"

    def devcontainer(verb: str, *words: str) -> str:
        command = ["node", str(program), verb, "--workspace-folder", str(folder), *words]
        # It asks for terminal sizes and shells: those of the machine must not matter.
        environment = {**daemon.environment, "SHELL": "/bin/sh", "HOME": str(folder.parent)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    return devcontainer


def test_up_and_exec(run: Run, daemon: DaemonProcess, folder: Path) -> None:
    made = json.loads(run("up").splitlines()[-1])
    assert made["outcome"] == "success"
    assert made["remoteWorkspaceFolder"] == "/workspaces/project"
    said = run("exec", "sh", "-c", 'echo "$IN_COMMANDS $(id -un) $(pwd) $(hostname)"; cat /tmp/made; ls /tmp')
    assert said.splitlines() == ["yes, too root /workspaces/project dev", "content", "made", "started", "two"]
    # The folder is the host's own.
    (folder / "file").write_text("changed\n")
    assert run("exec", "cat", "file") == "changed\n"
    # Up again finds the container; after a stop it starts the same one.
    assert json.loads(run("up").splitlines()[-1])["containerId"] == made["containerId"]
    cli = CommandLine("carrack", daemon)
    cli("stop", "-t", "0", made["containerId"])
    assert json.loads(run("up").splitlines()[-1])["containerId"] == made["containerId"]
    assert run("exec", "cat", "/tmp/started") == "one\none\n"
    again = json.loads(run("up", "--remove-existing-container").splitlines()[-1])
    assert again["containerId"] != made["containerId"]
    assert cli("ps", "-aq", "--no-trunc").stdout.split() == [again["containerId"]]


def test_its_configuration_is_read_from_the_running_container(run: Run) -> None:
    run("up")
    read = json.loads(run("read-configuration", "--include-merged-configuration").splitlines()[-1])
    assert read["mergedConfiguration"]["remoteUser"] == "root"
    assert read["workspace"]["workspaceFolder"] == "/workspaces/project"


def test_the_command_has_an_exit_code(run: Run) -> None:
    assert shutil.which("docker")
    run("up")
    with pytest.raises(AssertionError, match="told"):
        run("exec", "sh", "-c", "echo told; exit 5")
