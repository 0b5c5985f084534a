"""The user's configuration file: each setting has the effect that it has with the docker command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import Cli, CommandLine, DaemonProcess

pytestmark = pytest.mark.root


class Configured:
    """A command line with a configuration folder of its own."""

    def __init__(self, cli: Cli, folder: Path) -> None:
        self.folder = folder
        self._cli = cli

    def __call__(self, *words: str, **settings: Any) -> str:
        (self.folder / "config.json").write_text(json.dumps(settings))
        return self._cli("--config", str(self.folder), *words).stdout


@pytest.fixture
def configured(cli: Cli, tmp_path: Path) -> Configured:
    return Configured(cli, tmp_path)


@pytest.mark.census("cli-config psFormat", "docker --config")
def test_the_form_of_ps(configured: Configured, cli: Cli, image: str) -> None:
    cli("create", "--name", "one", image)
    assert configured("ps", "-a", psFormat="{{.Names}}!") == "one!\n"
    assert configured("ps", "-a", "--format", "{{.State}}", psFormat="{{.Names}}") == "created\n"
    assert len(configured("ps", "-aq", psFormat="{{.Names}}").strip()) == 12


@pytest.mark.census("cli-config networksFormat")
def test_networks_are_listed_in_the_format_of_the_configuration(configured: Configured) -> None:
    shown = configured("network", "ls", "--filter", "driver=host", networksFormat="{{.Name}} by {{.Driver}}")
    assert shown == "host by host\n"


@pytest.mark.census("cli-config imagesFormat", "cli-config volumesFormat", "cli-config statsFormat")
def test_the_form_of_other_tables(configured: Configured, cli: Cli, image: str) -> None:
    assert configured("images", "busybox:latest", imagesFormat="{{.Repository}}!") == "busybox!\n"
    cli("volume", "create", "vol")
    assert configured("volume", "ls", volumesFormat="{{.Name}}!") == "vol!\n"
    cli("volume", "rm", "vol")
    cli("run", "-d", "--name", "one", image, "sleep", "100")
    assert configured("stats", "--no-stream", statsFormat="{{.Name}}!") == "one!\n"


@pytest.mark.census("cli-config proxies.default/<host>")
def test_proxies_stand_in_the_containers_environment(configured: Configured, image: str) -> None:
    proxies = {"default": {"httpProxy": "http://proxy:1", "noProxy": "a,b"}}
    words = configured("run", "--rm", "-e", "http_proxy=own", image, "env", proxies=proxies).split()
    assert {"HTTP_PROXY=http://proxy:1", "http_proxy=own", "NO_PROXY=a,b", "no_proxy=a,b"} <= set(words)
    assert "http_proxy=http://proxy:1" not in words


@pytest.mark.census("cli-config detachKeys")
def test_keys_to_detach_by(configured: Configured, cli: Cli, image: str) -> None:
    configured("version", detachKeys="ctrl-x,q")
    steps = [(b"/ #", b"\x18q")]
    command = ["--config", str(configured.folder), "run", "-it", "--name", "left", image, "sh"]
    output, code = cli.on_terminal(command, list(steps))
    assert (code, cli("inspect", "-f", "{{.State.Running}}", "left").stdout) == (0, "true\n"), output


@pytest.mark.census("cli-config pruneFilters")
def test_filters_of_every_prune(daemon: DaemonProcess, image: str, tmp_path: Path) -> None:
    """By our command alone: docker 28 documents the setting and passes it over."""
    cli = CommandLine("carrack", daemon)
    configured = Configured(cli, tmp_path)
    cli("create", "--name", "stays", image)
    cli("create", "--name", "goes", "-l", "go=yes", image)
    configured("container", "prune", "-f", pruneFilters=["label=go=yes"])
    assert cli("ps", "-a", "--format", "{{.Names}}").stdout == "stays\n"
    cli("rm", "stays")


@pytest.mark.census("cli-config HttpHeaders")
def test_headers_go_with_requests(configured: Configured, cli: Cli) -> None:
    """The daemon looks at one of a session's own accord: an unknown expectation is refused (RFC 9110, 10.1.1)."""
    configured("version", HttpHeaders={"X-Note": "a"})
    (configured.folder / "config.json").write_text(json.dumps({"HttpHeaders": {"Expect": "nothing-known"}}))
    refused = cli("--config", str(configured.folder), "version", check=False)
    assert refused.returncode != 0, refused.stdout
