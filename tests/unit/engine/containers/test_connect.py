"""A container's network by its mode, its name files, and its ports."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import BRIDGE, FakeShim, FakeSlot, container, run
from tests.fakes.engine import World

from carrack.engine.containers.connect import published_ports
from carrack.engine.containers.record import Container
from carrack.engine.containers.slots import Parked
from carrack.errors import Internal


def inside(folder: Path, test: Callable[[World], Awaitable[None]]) -> None:
    async def main() -> None:
        world = World(folder)
        await test(world)
        await world.close()

    run(main)


async def connected(world: World, c: Container) -> list[int]:
    slot: Any = FakeSlot()
    async with AsyncExitStack() as undo:
        with ExitStack() as held:
            fds = await world.connector.connect(c, Parked(slot, None), undo, held)
            assert all(os.fstat(fd) for fd in fds)
        undo.pop_all()
    return fds


def read(world: World, c: Container, name: str) -> str:
    return Path(world.paths.file(c.id, name)).read_text()


def test_the_bridge_gives_address_ports_and_name(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        body = {
            "Hostname": "alpha", "Domainname": "example.org", "ExposedPorts": {"90/udp": {}},
            "HostConfig": {"NetworkMode": "bridge", "PortBindings": {"80": [{"HostPort": "8080"}]},
                           "ExtraHosts": ["db:10.0.0.1", "out:host-gateway"]},
            "NetworkingConfig": {"EndpointsConfig": {"bridge": {"MacAddress": "02:00:00:00:00:09"}}},
        }  # fmt: skip
        c = await world.create("web", body)
        world.connector.prepare(c)
        inode = os.stat(world.paths.file(c.id, "hosts")).st_ino
        [fd] = await connected(world, c)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
        assert c.endpoints["bridge"]["IPAddress"] == "172.17.0.2"
        assert c.ports == {"90/udp": None, "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
        assert [wanted.mac for wanted in world.fabric.wanted] == ["02:00:00:00:00:09"]
        hosts = read(world, c, "hosts")
        assert "172.17.0.2\talpha.example.org alpha\n" in hosts
        assert "10.0.0.1\tdb\n" in hosts
        assert "172.17.0.1\tout\n" in hosts
        assert os.stat(world.paths.file(c.id, "hosts")).st_ino == inode
        assert read(world, c, "hostname") == "alpha\n"
        assert "nameserver" in read(world, c, "resolv.conf")
        world.connector.announce(c)
        await world.connector.disconnect(c)
        assert (c.endpoints["bridge"]["IPAddress"], c.ports) == ("", {})
        assert c.endpoints["bridge"]["NetworkID"] == BRIDGE.id
        assert [a for t, a, *_ in world.events.seen if t == "network"] == ["connect", "disconnect"]
        world.connector.announce(c)
        await world.connector.disconnect(c)
        assert world.events.actions.count("disconnect") == 1

    inside(tmp_path, test)


def test_a_container_is_found_by_its_names_until_it_ends(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        body = {"Hostname": "alpha", "HostConfig": {"NetworkMode": "bridge", "Dns": ["9.9.9.9"]}}
        c = await world.create("web", body)
        world.connector.prepare(c)
        assert "nameserver 127.0.0.11\n" in read(world, c, "resolv.conf")
        await connected(world, c)
        names = world.resolver.names[BRIDGE.id, c.id]
        assert names == (["web", c.id[:12], "alpha"], ["172.17.0.2"], "bridge")
        view = world.resolver.views[c.id]
        assert (view.networks, view.servers, view.own_servers, view.outside) == ((BRIDGE.id,), ("9.9.9.9",), True, True)
        assert view.names["host.docker.internal"] == ("172.17.0.1",)
        await world.connector.disconnect(c)
        assert (world.resolver.names, world.resolver.views) == ({}, {})

    inside(tmp_path, test)


@pytest.mark.parametrize("mode", ["host", "none"])
def test_other_modes_have_an_empty_endpoint(tmp_path: Path, mode: str) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"HostConfig": {"NetworkMode": mode}})
        world.connector.prepare(c)
        assert await connected(world, c) == []
        assert list(c.endpoints) == [mode]
        assert c.endpoints[mode]["IPAddress"] == ""
        assert world.fabric.connected == {}
        if mode == "host":
            assert read(world, c, "hosts") == Path("/etc/hosts").read_text()

    inside(tmp_path, test)


def test_a_shared_network_has_the_others_files(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        first = await world.create("first")
        host = {"NetworkMode": "container:first", "Tmpfs": {"/etc/hosts": ""}, "ReadonlyRootfs": True}
        second = await world.create("second", {"HostConfig": host})
        world.connector.prepare(second)
        assert not os.path.exists(world.paths.file(second.id, "hostname"))
        assert await connected(world, second) == []
        assert second.endpoints == {}
        mounts = world.connector.file_mounts(second)
        assert [m["destination"] for m in mounts] == ["/etc/resolv.conf", "/etc/hostname"]
        assert {m["source"] for m in mounts} == {world.paths.file(first.id, n) for n in ("resolv.conf", "hostname")}
        assert all("ro" in m["options"] for m in mounts)

    inside(tmp_path, test)


def test_ports_that_cannot_be_had_undo_the_address(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        host = {"NetworkMode": "bridge", "PortBindings": {"80": []}}
        c = await world.create("web", {"HostConfig": host})
        world.connector.prepare(c)
        world.fabric.failure = Internal("port is already allocated")
        slot: Any = FakeSlot()
        with pytest.raises(Internal, match="already allocated"):
            async with AsyncExitStack() as undo:
                await world.connector.connect(c, Parked(slot, None), undo, ExitStack())
        assert world.fabric.connected == {}

    inside(tmp_path, test)


def test_a_new_daemon_learns_what_survivors_have(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"HostConfig": {"NetworkMode": "bridge"}})
        world.connector.prepare(c)
        await connected(world, c)
        assert world.connector.existing() == {}
        shim: Any = FakeShim()
        c.shim = shim
        assert world.connector.existing()[c.id].endpoints == {BRIDGE.id: c.endpoints["bridge"]}

    inside(tmp_path, test)


def test_what_is_published() -> None:
    body = {
        "ExposedPorts": {"80/tcp": {}, "90": {}},
        "HostConfig": {
            "PublishAllPorts": True,
            "PortBindings": {
                "80": [{"HostIp": "127.0.0.1", "HostPort": "8000-8010"}, {"Allow": ["10.0.0.0/8"]}],
                "53/udp": None,
            },
        },
    }
    found = [(p.container, p.host_ip, p.host_port, p.allow) for p in published_ports(container(1, body))]
    assert found == [
        ("53/udp", "", "", ()),
        ("80/tcp", "127.0.0.1", "8000-8010", ()),
        ("80/tcp", "", "", ("10.0.0.0/8",)),
        ("90/tcp", "", "", ()),
    ]
    assert published_ports(container(1, {"ExposedPorts": {"80/tcp": {}}})) == []
