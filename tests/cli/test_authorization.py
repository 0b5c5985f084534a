"""Authorization plugins before a real daemon and both command lines: what they deny does not happen."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.fakes import plugin as fake

from carrack.engine.authorization import REQUEST, RESPONSE

pytestmark = [
    pytest.mark.root,
    pytest.mark.census(
        "daemon authz plugins",
        "daemon.json authorization-plugins",
        "dockerd --authorization-plugin",
        "plugin type authz (AuthZReq/AuthZRes)",
    ),
]


def no_privileges(document: dict[str, Any]) -> dict[str, Any]:
    body = json.loads(base64.b64decode(document.get("RequestBody", "")) or b"{}")
    privileged = bool((body.get("HostConfig") or {}).get("Privileged"))
    return {"Allow": not privileged, "Msg": "privileged containers are not for you"}


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, fake.Plugin]]:
    folder = tmp_path_factory.mktemp("plugins")
    made = {name: fake.Plugin(folder / f"{name}.sock", folder, ("authz",)) for name in ("policy", "second")}
    for plugin in made.values():
        plugin.answers = {REQUEST: no_privileges, RESPONSE: {"Allow": True}}
        plugin.start()
    try:
        yield made
    finally:
        for plugin in made.values():
            plugin.stop()


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory, plugins: dict[str, fake.Plugin], daemon: DaemonProcess, image: str
) -> Iterator[DaemonProcess]:
    """A daemon that asks the plugin; it holds the image too."""
    folder = plugins["policy"].socket.parent
    process = DaemonProcess(tmp_path_factory.mktemp("judged"), "--plugin-dir", str(folder))
    configure(process, ["policy"])
    archive = CommandLine("carrack", daemon).raw("save", image)
    try:
        process.start()
        CommandLine("carrack", process)("load", stdin=archive)
        yield process
    finally:
        process.stop()


def configure(process: DaemonProcess, names: list[str]) -> None:
    (process.root / "daemon.json").write_text(json.dumps({"authorization-plugins": names}))


def reload(process: DaemonProcess) -> None:
    os.kill(int((process.root / "pid").read_text()), signal.SIGHUP)


def asked(cli: CommandLine) -> Any:
    return json.loads(cli("info", "--format", "{{json .Plugins.Authorization}}").stdout)


@pytest.mark.parametrize("name", ["docker", "carrack"])
def test_what_is_denied_does_not_happen(
    judged: DaemonProcess, plugins: dict[str, fake.Plugin], image: str, name: str
) -> None:
    if name == "docker" and not shutil.which("docker"):
        pytest.skip("the real docker command is not installed")
    cli, policy = CommandLine(name, judged), plugins["policy"]
    assert asked(cli) == ["policy"]
    denied = cli("run", "--rm", "--privileged", "--name", "strong", image, "true", check=False)
    assert "authorization denied by plugin policy: privileged containers are not for you" in denied.stderr
    assert denied.returncode != 0
    assert cli("ps", "-aq", "--filter", "name=strong").stdout == ""
    # streams that are taken over, and archives, go through
    assert cli("run", "--rm", "-i", image, "cat", stdin="through\n").stdout == "through\n"
    policy.answers[RESPONSE] = {"Allow": False, "Msg": "not this answer"}
    try:
        told = cli("ps", check=False)
        assert "authorization denied by plugin policy: not this answer" in told.stderr
        assert cli("run", "--rm", "-d", image, "true", check=False).returncode != 0
    finally:
        policy.answers[RESPONSE] = {"Allow": True}
    cli("container", "prune", "-f")


def test_what_is_ours_is_asked_of_them_too(judged: DaemonProcess, plugins: dict[str, fake.Plugin]) -> None:
    cli, policy = CommandLine("carrack", judged), plugins["policy"]

    def no_looking(document: dict[str, Any]) -> dict[str, Any]:
        looks = "/system/ports" in document["RequestUri"] or "/system/doctor" in document["RequestUri"]
        return {"Allow": not looks, "Msg": "who is reachable is not for you"}

    policy.answers[REQUEST] = no_looking
    try:
        for words in (("system", "ports"), ("doctor", "net")):
            told = cli(*words, check=False)
            assert "authorization denied by plugin policy: who is reachable is not for you" in told.stderr
            assert (told.returncode, told.stdout) == (1, "")
    finally:
        policy.answers[REQUEST] = no_privileges


def test_a_plugin_that_is_down_lets_nothing_pass(judged: DaemonProcess, plugins: dict[str, fake.Plugin]) -> None:
    cli = CommandLine("carrack", judged)
    plugins["policy"].stop()
    try:
        refused = cli("ps", check=False)
        assert (refused.returncode, "plugin policy failed with error" in refused.stderr) == (1, True)
    finally:
        plugins["policy"].start()
    assert cli("ps", "-q").stdout == ""


def test_a_reload_changes_who_is_asked(judged: DaemonProcess, plugins: dict[str, fake.Plugin]) -> None:
    cli = CommandLine("carrack", judged)
    configure(judged, ["policy", "second"])
    reload(judged)
    eventually(lambda: asked(cli) == ["policy", "second"])
    plugins["second"].answers[REQUEST] = {"Allow": False, "Msg": "the second says no"}
    assert "denied by plugin second: the second says no" in cli("ps", check=False).stderr
    plugins["second"].answers[REQUEST] = {"Allow": True}
    configure(judged, ["policy", "missing"])
    reload(judged)
    eventually(lambda: "the authorization plugins stay as they were" in judged.log.read_text())
    assert asked(cli) == ["policy", "second"]
    configure(judged, [])
    reload(judged)
    eventually(lambda: asked(cli) is None)


def test_a_plugin_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    process = DaemonProcess(tmp_path, "--authorization-plugin", "nowhere", "--plugin-dir", str(tmp_path))
    with pytest.raises(AssertionError, match='failed to validate authorization plugin: plugin "nowhere" not found'):
        process.start()
