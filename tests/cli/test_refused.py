"""What is not built yet is refused by name, with words and an exit code, and nothing is made."""

from __future__ import annotations

import pytest
from tests.cli.running import Cli

pytestmark = pytest.mark.root

OPTIONS = [
    (["--log-driver", "awslogs"], "logging driver 'awslogs' is not supported"),
    (["--link", "x"], "HostConfig.Links is not supported"),
    (["--ip", "10.1.2.3"], "IPAMConfig is not supported"),
    (["--runtime", "cake"], "unknown or invalid runtime name: cake"),
]
DOCKER_VERBS = [
    (["pull", "alpine"], "registry is not built yet"),
    (["network", "create", "x"], "user-defined networks are not supported yet"),
    (["swarm", "init"], "swarm mode is not supported"),
    (["service", "ls"], "not a swarm manager"),
    (["plugin", "install", "x"], "plugins are not supported"),
]


@pytest.mark.docker_28
@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=lambda value: value[0] if isinstance(value, list) else "")
def test_options_of_run(cli: Cli, image: str, options: list[str], words: str) -> None:
    refused = cli("run", "--name", "refused", *options, image, "true", check=False)
    assert refused.returncode == 125
    assert words in refused.stderr
    assert "refused" not in cli("ps", "-a", "--format", "{{.Names}}").stdout


@pytest.mark.parametrize(("verb", "words"), DOCKER_VERBS, ids=lambda value: value[0] if isinstance(value, list) else "")
def test_verbs_of_docker(cli: Cli, verb: list[str], words: str) -> None:
    refused = cli(*verb, check=False)
    assert refused.returncode != 0
    assert refused.stdout == "" or cli.name == "docker"
    # Our own command line says itself what it does not build.
    assert words in refused.stderr if cli.name == "docker" else refused.stderr
