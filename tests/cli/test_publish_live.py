"""Ports published and no longer published while containers live: seen from outside, and by the next daemon."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from tests.cli.host_ports import free_port, is_free
from tests.cli.running import CommandLine, api, eventually
from tests.cli.test_network_connect import own

__all__ = ["own"]

pytestmark = pytest.mark.root

SERVER = ["sh", "-c", "for p in 81 82; do nc -ll -p $p -e echo port $p & done; wait"]


def update(cli: CommandLine, name: str, **body: object) -> tuple[int, str]:
    status, answer = api(cli.daemon, "POST", f"/containers/{name}/update", body)
    return status, answer.decode()


def add(container: int, host: int, **more: object) -> dict[str, Any]:
    return {f"{container}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(host), **more}]}


def ports(cli: CommandLine, name: str) -> dict[str, list[int]]:
    """The published ports of the host by port of the container."""
    found = json.loads(cli("inspect", "-f", "{{json .NetworkSettings.Ports}}", name).stdout)
    return {key: sorted(int(place["HostPort"]) for place in places) for key, places in found.items() if places}


def heard(port: int) -> bytes:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            return connection.recv(100)
    except OSError:
        return b""


def test_at_once_and_through_restarts(own: CommandLine, image: str) -> None:
    first, second, third = free_port(), free_port(), free_port()
    own("run", "-d", "--name", "web", "-p", f"127.0.0.1:{first}:81", "--network", "front", image, *SERVER)
    eventually(lambda: heard(first) == b"port 81\n")
    assert update(own, "web", PublishAdd=add(82, second))[0] == 200
    assert heard(second) == b"port 82\n"
    assert update(own, "web", PublishAdd=add(82, third), PublishRemove=[f"{first}:81"])[0] == 200
    assert (heard(first), heard(third)) == (b"", b"port 82\n")
    assert is_free(first)
    assert ports(own, "web") == {"82/tcp": sorted((second, third))}
    own.daemon.crash()
    own.daemon.start()
    assert ports(own, "web") == {"82/tcp": sorted((second, third))}
    eventually(lambda: heard(third) == b"port 82\n")
    assert update(own, "web", PublishRemove=[f"{third}:82/tcp"])[0] == 200
    assert (heard(third), heard(second)) == (b"", b"port 82\n")
    assert is_free(third)
    own("restart", "-t", "0", "web")
    eventually(lambda: heard(second) == b"port 82\n")
    assert ports(own, "web") == {"82/tcp": [second]}
    assert update(own, "web", PublishRemove=["82"])[0] == 200
    assert (ports(own, "web"), is_free(second)) == ({}, True)


def test_by_our_command(own: CommandLine, image: str) -> None:
    first, second = free_port(), free_port()
    own("run", "-d", "--name", "web", "-p", f"127.0.0.1:{first}:81", "--network", "front", image, *SERVER)
    eventually(lambda: heard(first) == b"port 81\n")
    own("update", "--publish-add", f"127.0.0.1:{second}:82", "--publish-rm", f"{first}:81", "web")
    assert (heard(first), heard(second)) == (b"", b"port 82\n")
    assert ports(own, "web") == {"82/tcp": [second]}


def test_conflicts_change_nothing(own: CommandLine, image: str) -> None:
    first, second = free_port(), free_port()
    own("run", "-d", "--name", "web", "-p", f"127.0.0.1:{first}:81", "--network", "front", image, *SERVER)
    own("run", "-d", "--name", "other", "-p", f"127.0.0.1:{second}:81", "--network", "back", image, *SERVER)
    before = ports(own, "web"), own("inspect", "-f", "{{json .HostConfig.PortBindings}}", "web").stdout
    status, told = update(own, "web", PublishAdd={**add(82, free_port()), **add(83, second)})
    assert (status, str(second) in told, "other" in told) == (500, True, True), told
    status, told = update(own, "web", PublishRemove=["99"])
    assert (status, "port 99 is not published" in told) == (404, True)
    status, told = update(own, "web", PublishAdd=add(81, first))
    assert (status, "already" in told) == (409, True)
    status, told = update(own, "web", PublishAdd={"81/tcp": [{"Allow": ["10.0.0.1/8"]}]})
    assert (status, "invalid network" in told) == (400, True)
    assert (ports(own, "web"), own("inspect", "-f", "{{json .HostConfig.PortBindings}}", "web").stdout) == before
    eventually(lambda: heard(first) == b"port 81\n")
    own("stop", "-t", "0", "web")
    assert update(own, "web", PublishAdd=add(82, second), PublishRemove=["81"])[0] == 200
    assert "port is already allocated" in own("start", "web", check=False).stderr
    own("rm", "-f", "other")
    own("start", "web")
    eventually(lambda: heard(second) == b"port 82\n")


def test_who_may_reach_a_port_is_shown(own: CommandLine, image: str) -> None:
    first, second = free_port(), free_port()
    own("run", "-d", "--name", "web", "--network", "front", image, *SERVER)
    allowed, denied = add(81, first, Allow=["127.0.0.0/8"]), add(82, second, Allow=["192.0.2.0/24"])
    assert update(own, "web", PublishAdd={**allowed, **denied})[0] == 200
    eventually(lambda: heard(first) == b"port 81\n")
    shown = json.loads(own("inspect", "-f", "{{json .HostConfig.PortBindings}}", "web").stdout)
    assert shown["82/tcp"][0]["Allow"] == ["192.0.2.0/24"]


def test_ports_follow_the_networks(own: CommandLine, image: str) -> None:
    first = free_port()
    assert api(own.daemon, "POST", "/networks/create", {"Name": "inner", "Internal": True})[0] == 201
    own("run", "-d", "--name", "web", "-p", f"127.0.0.1:{first}:81", "--network", "inner", image, *SERVER)
    assert (ports(own, "web"), heard(first)) == ({}, b"")
    for network in ("front", "back"):
        assert api(own.daemon, "POST", f"/networks/{network}/connect", {"Container": "web"})[0] == 200
        eventually(lambda: heard(first) == b"port 81\n")
    assert ports(own, "web") == {"81/tcp": [first]}
    for network in ("back", "front"):
        assert heard(first) == b"port 81\n"
        assert api(own.daemon, "POST", f"/networks/{network}/disconnect", {"Container": "web"})[0] == 200
    assert (ports(own, "web"), heard(first)) == ({}, b"")
    assert api(own.daemon, "POST", "/networks/inner/disconnect", {"Container": "web"})[0] == 200
    assert is_free(first)
    assert api(own.daemon, "POST", "/networks/front/connect", {"Container": "web"})[0] == 200
    assert (ports(own, "web"), heard(first)) == ({"81/tcp": [first]}, b"port 81\n")
