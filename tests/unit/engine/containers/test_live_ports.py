"""Ports published and no longer published while a container lives."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import World, inside
from tests.unit.engine.containers.test_changing import BRIDGE

from carrack.errors import CarrackError, Conflict, Internal, InvalidArgument, NotFound

WEB: dict[str, Any] = {"HostConfig": {"NetworkMode": "bridge", "PortBindings": {"80": [{"HostPort": "8080"}]}}}


def test_of_a_stopped_container_the_bindings_change(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", WEB)
        add = {"443": [{"HostPort": "8443", "Allow": ["10.0.0.0/8"]}]}
        await world.changes.update(c, {"PublishAdd": add, "PublishRemove": ["80"]})
        place = {"HostIp": "", "HostPort": "8443", "Allow": ["10.0.0.0/8"]}
        assert c.host_config["PortBindings"] == {"443/tcp": [place]}
        assert (c.ports, world.fabric.ports) == ({}, {})
        await world.lifecycle.start(c)
        assert list(c.ports) == ["443/tcp"]

    inside(tmp_path, test)


def test_of_a_running_one_at_once(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", WEB)
        await world.changes.update(c, {"PublishAdd": {"53/udp": None}, "PublishRemove": ["8080:80/tcp"]})
        assert c.ports == {"53/udp": [{"HostIp": "0.0.0.0", "HostPort": "49153"}]}
        assert c.host_config["PortBindings"] == {"53/udp": [{"HostIp": "", "HostPort": ""}]}
        assert (shim.kept, shim.freed) == (1, [("tcp", ("0.0.0.0",), 8080)])
        assert world.events.seen[-1][1] == "update"
        await world.changes.update(c, {"PublishRemove": ["49153:53/udp"]})
        assert (c.ports, c.host_config["PortBindings"]) == ({}, {})

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        ({"PublishRemove": ["81"]}, NotFound, "port 81 is not published"),
        ({"PublishAdd": {"80": [{"HostPort": "8080"}]}}, Conflict, "port 80/tcp is published at 0.0.0.0:8080 already"),
        ({"PublishAdd": {"http": None}}, InvalidArgument, "invalid port specification"),
    ],
)
def test_what_cannot_be_changes_nothing(
    tmp_path: Path, body: dict[str, Any], kind: type[CarrackError], told: str
) -> None:
    async def test(world: World) -> None:
        c, _ = await world.started("web", WEB)
        before = c.host_config["PortBindings"], dict(c.ports)
        with pytest.raises(kind, match=told):
            await world.changes.update(c, body)
        assert (c.host_config["PortBindings"], c.ports) == before

    inside(tmp_path, test)


def test_a_taken_port_is_told_as_at_a_start(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, _ = await world.started("web", WEB)
        world.fabric.failure = Internal("driver failed programming external connectivity: port is already allocated")
        with pytest.raises(Internal, match="port is already allocated"):
            await world.changes.update(c, {"PublishAdd": {"81": None}})
        assert list(c.host_config["PortBindings"]) == list(c.ports) == ["80/tcp"]

    inside(tmp_path, test)


def test_a_shim_that_does_not_take_them_undoes_all(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", WEB)
        shim.refusal = OSError("too many")
        with pytest.raises(OSError, match="too many"):
            await world.changes.update(c, {"PublishAdd": {"81": [{"HostPort": "81"}]}, "PublishRemove": ["80"]})
        assert world.fabric.ports[c.id] == c.ports == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}

    inside(tmp_path, test)


@pytest.mark.parametrize("mode", ["host", "container:other"])
def test_who_has_no_ports_of_its_own(tmp_path: Path, mode: str) -> None:
    async def test(world: World) -> None:
        await world.started("other", BRIDGE)
        c = await world.create("web", {"HostConfig": {"NetworkMode": mode}})
        with pytest.raises(InvalidArgument, match="container web has no ports of its own to publish"):
            async with AsyncExitStack() as undo:
                await world.ports.change(c, {"80": None}, (), undo)

    inside(tmp_path, test)
