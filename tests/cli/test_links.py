"""Links between containers on the default network: variables, hosts files, names, and what follows a target."""

from __future__ import annotations

import json

import pytest
from tests.cli.running import Cli, api

pytestmark = pytest.mark.root


@pytest.fixture
def db(docker: Cli, image: str) -> str:
    """A running target with ports, variables and a host's name."""
    words = ["-e", "PW=secret", "--expose", "5432", "--expose", "53/udp", "-h", "dbhost"]
    docker("run", "-d", "--name", "db", *words, image, "sleep", "1000")
    return "db"


def address(docker: Cli, name: str) -> str:
    return docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", name).stdout.strip()


def names(docker: Cli, container: str) -> list[str]:
    _, answer = api(docker.daemon, "GET", "/containers/json?all=1")
    return next(row["Names"] for row in json.loads(answer) if row["Names"][0] == "/" + container)


def hosts(docker: Cli, container: str) -> list[str]:
    return docker("exec", container, "cat", "/etc/hosts").stdout.splitlines()


@pytest.mark.census("run --link", "create --link", "HostConfig.Links", "network legacy links")
def test_what_a_link_gives(docker: Cli, image: str, db: str) -> None:
    docker(
        "run",
        "-d",
        "--name",
        "web",
        "--link",
        "db:data-base",
        "--link",
        "db",
        "-e",
        "DB_NAME=mine",
        image,
        "sleep",
        "99",
    )
    target = address(docker, db)
    env = docker("exec", "web", "env").stdout.splitlines()
    assert f"DATA_BASE_PORT_5432_TCP=tcp://{target}:5432" in env
    assert f"DATA_BASE_PORT_53_UDP_ADDR={target}" in env
    assert {"DATA_BASE_NAME=/web/data-base", "DATA_BASE_ENV_PW=secret", "DB_NAME=mine"} <= set(env)
    assert docker("exec", "web", "cat", "/proc/1/environ").stdout.count("DATA_BASE_PORT=") == 1
    assert {f"{target}\tdata-base dbhost db", f"{target}\tdb dbhost"} <= set(hosts(docker, "web"))
    assert docker("exec", "web", "ping", "-c1", "-W2", "data-base").returncode == 0
    assert json.loads(docker("inspect", "-f", "{{json .HostConfig.Links}}", "web").stdout) == [
        "/db:/web/data-base", "/db:/web/db",
    ]  # fmt: skip
    assert names(docker, "db") == ["/db", "/web/data-base", "/web/db"]
    assert docker("inspect", "-f", "{{.Name}}", "web/data-base").stdout.strip() == "/db"
    docker("rename", "web", "site")
    docker("rename", "db", "store")
    assert f"{target}\tdata-base dbhost store" in hosts(docker, "site")
    assert names(docker, "store") == ["/store", "/site/data-base", "/site/db"]


def test_the_target_is_followed(docker: Cli, image: str, db: str) -> None:
    docker("run", "-d", "--name", "web", "--link", "db:data", image, "sleep", "99")
    docker("exec", "web", "sh", "-c", "echo 10.9.9.9 edited >> /etc/hosts")
    docker("stop", "-t", "0", db)
    assert not [line for line in hosts(docker, "web") if "data" in line]
    docker("run", "-d", "--name", "between", image, "sleep", "99")
    docker("start", db)
    lines = hosts(docker, "web")
    assert f"{address(docker, db)}\tdata dbhost db" in lines
    assert "10.9.9.9 edited" in lines
    docker("rm", "-f", db)
    assert not [line for line in hosts(docker, "web") if "data" in line]
    told = docker("restart", "-t", "0", "web", check=False).stderr
    assert "Cannot link to a non running container" in told


@pytest.mark.census("rm --link", "DELETE /containers/{id}?link")
def test_a_link_is_removed(docker: Cli, image: str, db: str) -> None:
    docker("run", "-d", "--name", "web", "--link", "db:data", "--link", "db:more", image, "sleep", "99")
    docker("rm", "--link", "web/data")
    assert names(docker, "db") == ["/db", "/web/more"]
    assert not [line for line in hosts(docker, "web") if "data" in line]
    assert "No such container: web/data" in docker("rm", "--link", "web/data", check=False).stderr
    assert "cannot remove the default link name" in docker("rm", "--link", "web", check=False).stderr
    docker("restart", "-t", "0", "web")
    assert "DATA_NAME" not in docker("exec", "web", "env").stdout
    assert "MORE_NAME=/web/more" in docker("exec", "web", "env").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--link", "nope:x"], "could not get container for nope: No such container: nope"),
        (["--link", "db:a:b"], "bad format for links"),
        (["--network", "host", "--link", "db:x"], "host type networking can't be used with links"),
        (["--network", "container:db", "--link", "db:x"], "container type network can't be used with links"),
    ],
)
def test_links_that_cannot_be(docker: Cli, image: str, db: str, words: list[str], told: str) -> None:
    assert told in docker("create", *words, image, "true", check=False).stderr


def test_a_target_that_does_not_run(docker: Cli, image: str, db: str) -> None:
    docker("create", "--name", "idle", image, "true")
    docker("create", "--name", "web", "--link", "idle:x", image, "true")
    told = docker("start", "web", check=False).stderr
    assert "Cannot link to a non running container: /idle AS /web/x" in told
