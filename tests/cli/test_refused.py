"""What is not built yet is refused by name, with words and an exit code, and nothing is made."""

from __future__ import annotations

import json

import pytest
from tests.cli.running import Cli, api

pytestmark = pytest.mark.root

OPTIONS = [
    (["--log-driver", "awslogs"], "logging driver 'awslogs' is not supported"),
    (["--log-driver", "gcplogs"], "logging driver 'gcplogs' is not supported"),
    (["--link", "x"], "could not get container for x: No such container: x"),
    (["--ip", "10.1.2.3"], "user specified IP address is supported on user defined networks only"),
    (["--runtime", "cake"], "unknown or invalid runtime name: cake"),
]
FIXED = {
    "CgroupParent": "/x",
    "Devices": [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/x", "CgroupPermissions": "r"}],
    "DeviceCgroupRules": ["c 1:3 r"],
    "DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["vendor.com/device=one"]}],
    "Ulimits": [{"Name": "nofile", "Soft": 10, "Hard": 20}],
}
DOCKER_VERBS = [
    (["network", "create", "-d", "overlay", "x"], "swarm"),
    (["swarm", "init"], "swarm mode is not supported"),
    (["service", "ls"], "not a swarm manager"),
    (["plugin", "install", "x"], "plugins are not supported"),
]


@pytest.mark.docker_28
@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=lambda value: value[0] if isinstance(value, list) else "")
@pytest.mark.census("log-driver awslogs*", "log-driver gcplogs*")
def test_options_of_run(cli: Cli, image: str, options: list[str], words: str) -> None:
    refused = cli("run", "--name", "refused", *options, image, "true", check=False)
    assert refused.returncode == 125
    assert words in refused.stderr
    assert "refused" not in cli("ps", "-a", "--format", "{{.Names}}").stdout


@pytest.mark.census(*(f"POST /containers/{{id}}/update {name}*" for name in FIXED))
@pytest.mark.parametrize("name", FIXED)
def test_what_is_fixed_when_a_container_is_made(docker: Cli, image: str, name: str) -> None:
    """dockerd takes these in an update and changes nothing; an update that does nothing is refused here."""
    docker("create", "--name", "made", image)
    before = docker("inspect", "-f", "{{json .HostConfig}}", "made").stdout
    status, answer = api(docker.daemon, "POST", "/containers/made/update", {name: FIXED[name]})
    assert (status, f"{name} is not supported" in json.loads(answer)["message"]) == (400, True), answer
    assert docker("inspect", "-f", "{{json .HostConfig}}", "made").stdout == before


@pytest.mark.census("filter /containers/json annotation(1.56)")
def test_filters_of_later_versions(docker: Cli) -> None:
    refused = docker("ps", "--filter", "annotation=a", check=False)
    assert (refused.returncode, "invalid filter 'annotation'" in refused.stderr) == (1, True)


@pytest.mark.parametrize(("verb", "words"), DOCKER_VERBS, ids=lambda value: value[0] if isinstance(value, list) else "")
def test_verbs_of_docker(cli: Cli, verb: list[str], words: str) -> None:
    refused = cli(*verb, check=False)
    assert refused.returncode != 0
    assert refused.stdout == "" or cli.name == "docker"
    # Our own command line says itself what it does not build.
    assert words in refused.stderr if cli.name == "docker" else refused.stderr
