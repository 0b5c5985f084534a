"""Volumes and networks by their own verbs."""

from __future__ import annotations

import json

import pytest
from tests.cli.running import Cli

pytestmark = pytest.mark.root


@pytest.mark.docker_28
def test_volumes(cli: Cli, image: str) -> None:
    assert cli("volume", "create", "--label", "use=db", "data").stdout == "data\n"
    anonymous = cli("volume", "create").stdout.strip()
    assert len(anonymous) == 64
    assert set(cli("volume", "ls", "-q").stdout.split()) == {"data", anonymous}
    assert cli("volume", "ls", "-f", "label=use=db", "--format", "{{.Name}} {{.Driver}}").stdout == "data local\n"
    (document,) = json.loads(cli("volume", "inspect", "data").stdout)
    assert (document["Name"], document["Labels"]) == ("data", {"use": "db"})
    cli("run", "--name", "user", "-v", "data:/d", image, "touch", "/d/x")
    refused = cli("volume", "rm", "data", check=False)
    assert refused.returncode == 1
    assert "volume is in use" in refused.stderr
    cli("rm", "user")
    assert cli("volume", "rm", "data").stdout == "data\n"
    assert cli("volume", "prune", "-f").stdout.splitlines()[:2] == ["Deleted Volumes:", anonymous]
    gone = cli("volume", "rm", "data", check=False)
    assert (gone.returncode, gone.stderr) == (1, "Error response from daemon: get data: no such volume\n")


@pytest.mark.docker_28
def test_networks(cli: Cli) -> None:
    assert cli("network", "ls", "--format", "{{.Name}}").stdout.split() == ["bridge", "host", "none"]
    (document,) = json.loads(cli("network", "inspect", "bridge").stdout)
    assert document["Driver"] == "bridge"
    missing = cli("network", "inspect", "nosuch", check=False)
    assert (missing.returncode, missing.stdout) == (1, "[]\n")
    assert "network nosuch not found" in missing.stderr
