"""``commit``: each instruction and each parameter is seen in the image, and those that act in a container of it."""

from __future__ import annotations

import json

import pytest
from tests.cli.running import Cli, api

pytestmark = pytest.mark.root
CHANGES = [
    'ENTRYPOINT ["sh", "-c"]',
    'CMD ["echo $A in $PWD as $(id -un)"]',
    "ENV A=1 B=two",
    "EXPOSE 80 90/udp",
    "LABEL x=y",
    "ONBUILD RUN true",
    "STOPSIGNAL SIGUSR1",
    "USER nobody",
    "VOLUME /tmp/data",
    "WORKDIR /www",
    "HEALTHCHECK CMD true",
]


@pytest.mark.census(
    "image commit + --change/--pause",
    "commit --change",
    "commit --author",
    "commit --message",
)
def test_every_instruction(cli: Cli, image: str) -> None:
    cli("create", "--name", "base", image)
    options = [word for change in CHANGES for word in ("-c", change)]
    cli("commit", *options, "-a", "Ann Author", "-m", "said", "--pause=false", "base", "changed")
    (document,) = json.loads(cli("image", "inspect", "changed").stdout)
    config = document["Config"]
    assert config["Entrypoint"] == ["sh", "-c"]
    assert {"A=1", "B=two"} <= set(config["Env"])
    assert (config["ExposedPorts"], config["Labels"]) == ({"80/tcp": {}, "90/udp": {}}, {"x": "y"})
    assert (config["OnBuild"], config["StopSignal"]) == (["RUN true"], "SIGUSR1")
    assert (config["Volumes"], config["Healthcheck"]) == ({"/tmp/data": {}}, {"Test": ["CMD-SHELL", "true"]})
    assert (document["Author"], document["Comment"]) == ("Ann Author", "said")
    done = cli("run", "--name", "made", "changed")
    assert done.stdout == "1 in /www as nobody\n"
    assert done.stderr == ""
    (point,) = json.loads(cli("inspect", "-f", "{{json .Mounts}}", "made").stdout)
    assert point["Destination"] == "/tmp/data"
    assert cli("inspect", "-f", "{{.Config.StopSignal}}", "made").stdout == "SIGUSR1\n"
    cli("rm", "-v", "made", "base")
    cli("rmi", "changed")


def test_instructions_that_are_none(docker: Cli, image: str) -> None:
    docker("create", "--name", "base", image)
    for change, words in (
        ("RUN true", "RUN is not a valid change command"),
        ("NOSUCH x", "NOSUCH is not a valid change command"),
    ):
        refused = docker("commit", "-c", change, "base", "changed", check=False)
        assert refused.returncode == 1
        assert words in refused.stderr
    assert docker("images", "-q", "changed").stdout == ""


def test_a_config_in_the_request(docker: Cli, image: str) -> None:
    docker("create", "--name", "base", "-e", "A=1", image)
    body = {"Cmd": ["env"], "Env": ["Z=26"]}
    status, answer = api(docker.daemon, "POST", "/commit?container=base&repo=changed&comment=c", body)
    assert status == 201, answer
    docker("rm", "base")
    assert "Z=26" in docker("run", "--rm", "changed").stdout.split()
    docker("rmi", "changed")
