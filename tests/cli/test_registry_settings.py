"""What a real daemon's options about registries do to pulls: mirrors, rules by prefix, offline, authorities, SIGHUP."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import CommandLine, DaemonProcess, eventually
from tests.fakes import certificates
from tests.fakes.images import tar
from tests.fakes.registry import FakeRegistry

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    root = tmp_path_factory.mktemp("registries")
    (root / "registries.toml").write_text("")
    made = DaemonProcess(root, "--registries-file", str(root / "registries.toml"), "--certs-dir", str(root / "certs.d"))
    made.start()
    yield made
    made.stop()


@pytest.fixture
def cli(daemon: DaemonProcess) -> CommandLine:
    return CommandLine("carrack", daemon)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


@pytest.fixture
def mirror() -> Iterator[FakeRegistry]:
    with FakeRegistry() as running:
        yield running


def _reload(daemon: DaemonProcess, rules: str = "", options: dict[str, Any] | None = None) -> None:
    """Have the daemon read these, and wait until it has."""
    (daemon.root / "registries.toml").write_text(rules)
    (daemon.root / "daemon.json").write_text(json.dumps(options or {}))
    before = daemon.log.read_text().count("configuration reloaded")
    os.kill(int((daemon.root / "pid").read_text()), signal.SIGHUP)
    eventually(lambda: daemon.log.read_text().count("configuration reloaded") > before)


def _add(registry: FakeRegistry, repository: str) -> None:
    registry.content.add_image(repository, "1", [tar({"salt": os.urandom(64)})])


@pytest.mark.census("dockerd --registry-mirror", "daemon.json registry-mirrors", "registry registry-mirrors (Hub only)")
def test_docker_hubs_mirrors_are_asked_after_sighup(
    daemon: DaemonProcess, cli: CommandLine, mirror: FakeRegistry
) -> None:
    _add(mirror, "library/mirrored")
    refused = cli("pull", "mirrored:1", check=False)
    assert refused.returncode == 1
    assert "docker.io" in refused.stderr
    _reload(daemon, options={"registry-mirrors": [mirror.url]})
    cli("pull", "mirrored:1")
    assert mirror.asked("GET", "/v2/library/mirrored/manifests/1")
    assert f" Registry Mirrors:\n  {mirror.url}/\n" in cli("info").stdout
    _reload(daemon)
    assert mirror.url not in cli("info").stdout


def test_rules_by_prefix(daemon: DaemonProcess, cli: CommandLine, registry: FakeRegistry, mirror: FakeRegistry) -> None:
    _add(mirror, "copies/team/app")
    for repository in ("team/app", "team/other", "secret/app"):
        _add(registry, repository)
    rules = f"""
[[registry]]
prefix = "{registry.host}/team"
[[registry.mirror]]
location = "{mirror.host}/copies/team"

[[registry]]
prefix = "{registry.host}/secret"
blocked = true
"""
    _reload(daemon, rules)
    cli("pull", f"{registry.host}/team/app:1")
    assert registry.requests == []
    cli("pull", f"{registry.host}/team/other:1")  # which the mirror has not
    assert registry.asked("GET", "/v2/team/other/manifests/1")
    blocked = cli("pull", f"{registry.host}/secret/app:1", check=False)
    assert "is blocked by the rule" in blocked.stderr
    before = len(registry.requests)
    _reload(daemon, "offline = true\n" + rules)
    refused = cli("pull", f"{registry.host}/other/app:1", check=False)
    assert (refused.returncode, "offline by registries.toml" in refused.stderr) == (1, True)
    assert len(registry.requests) == before


def test_a_file_of_rules_that_is_wrong_changes_nothing(
    daemon: DaemonProcess, cli: CommandLine, registry: FakeRegistry
) -> None:
    _reload(daemon)
    (daemon.root / "registries.toml").write_text("[[registry]]\nprefix = 5")
    os.kill(int((daemon.root / "pid").read_text()), signal.SIGHUP)
    eventually(lambda: "registry[0]: prefix must be a string" in daemon.log.read_text())
    _add(registry, "app")
    cli("pull", f"{registry.host}/app:1")


def test_a_client_certificate_in_certs_d(daemon: DaemonProcess, cli: CommandLine, tmp_path: Path) -> None:
    made = certificates.make(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.server_key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(made.authority)
    with FakeRegistry(tls=context) as registry:
        _add(registry, "app")
        refused = cli("pull", f"{registry.host}/app:1", check=False)
        assert refused.returncode == 1
        assert f"certs.d/{registry.host}/client.cert" in refused.stderr
        folder = daemon.root / "certs.d" / registry.host
        folder.mkdir(parents=True)
        shutil.copy(made.authority, folder / "ca.crt")
        shutil.copy(made.client, folder / "client.cert")
        shutil.copy(made.client_key, folder / "client.key")
        cli("pull", f"{registry.host}/app:1")
        assert all(request.status == 200 for request in registry.asked("GET", "/blobs/"))
