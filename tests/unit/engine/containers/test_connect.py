"""A starting container's networks, ports and names; and what an ended one gives back."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.containers import FakeShim, FakeSlot
from tests.fakes.engine import World, inside

from carrack.engine.containers.record import Container
from carrack.engine.containers.slots import Parked
from carrack.errors import CarrackError, Internal, InvalidArgument, NotFound


async def connected(world: World, c: Container, veth: Any = None, names: tuple[int, ...] = ()) -> list[int]:
    slot: Any = FakeSlot()
    async with AsyncExitStack() as undo:
        with ExitStack() as held:
            fds = await world.connector.connect(c, Parked(slot, veth, names=names), undo, held)
            assert all(os.fstat(fd) for fd in fds if fd not in names)
        undo.pop_all()
    return fds


def read(world: World, c: Container, name: str) -> str:
    return Path(world.paths.file(c.id, name)).read_text()


def networks(*names: str, **more: Any) -> dict[str, Any]:
    """A request for these networks; ``more`` are endpoints that want something."""
    wanted: dict[str, Any] = {**dict.fromkeys(names), **more}
    return {"HostConfig": {"NetworkMode": next(iter(wanted))}, "NetworkingConfig": {"EndpointsConfig": wanted}}


def test_the_bridge_gives_address_ports_and_name(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        body = {
            "Hostname": "alpha", "Domainname": "example.org", "ExposedPorts": {"90/udp": {}},
            "HostConfig": {"NetworkMode": "bridge", "PortBindings": {"80": [{"HostPort": "8080"}]},
                           "ExtraHosts": ["db:10.0.0.1", "out:host-gateway"]},
            "NetworkingConfig": {"EndpointsConfig": {"bridge": {"MacAddress": "02:00:00:00:00:09"}}},
        }  # fmt: skip
        c = await world.create("web", body)
        world.files.prepare(c)
        inode = os.stat(world.paths.file(c.id, "hosts")).st_ino
        [fd, *names] = await connected(world, c, names=(77, 78))
        assert names == [77, 78]
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
        assert c.endpoints["bridge"]["IPAddress"] == "172.17.0.2"
        assert c.endpoints["bridge"]["DNSNames"] is None
        assert c.ports == {"90/udp": None, "80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
        assert [wanted.mac for wanted in world.fabric.wanted] == ["02:00:00:00:00:09"]
        hosts = read(world, c, "hosts")
        assert hosts.endswith("10.0.0.1\tdb\n172.17.0.1\tout\n172.17.0.2\talpha.example.org alpha\n")
        assert os.stat(world.paths.file(c.id, "hosts")).st_ino == inode
        assert world.resolver.attached == [2]
        world.connector.announce(c)
        await world.connector.disconnect(c)
        assert (c.endpoints["bridge"]["IPAddress"], c.ports) == ("", {})
        assert c.endpoints["bridge"]["NetworkID"] == "b" * 64
        assert (world.resolver.names, world.resolver.views) == ({}, {})
        assert [a for t, a, *_ in world.events.seen if t == "network"] == ["connect", "disconnect"]
        await world.connector.disconnect(c)
        assert [a for t, a, *_ in world.events.seen if t == "network"] == ["connect", "disconnect"]

    inside(tmp_path, test)


def test_several_networks(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        body = networks("front", back={"GwPriority": 5, "Aliases": ["www"], "MacAddress": "02:00:00:00:00:09"})
        c = await world.create("web", {"Hostname": "alpha", **body})
        assert world.connector.wants_cable(c)
        world.files.prepare(c)
        await connected(world, c, veth="cable")
        assert [wanted.priority for wanted in world.fabric.wanted] == [5, 0]
        assert world.fabric.cables == ["cable", None]
        assert list(c.endpoints) == ["back", "front"]
        assert c.endpoints["back"]["DNSNames"] == ["web", "www", c.id[:12], "alpha"]
        assert c.endpoints["front"]["DNSNames"] == ["web", c.id[:12], "alpha"]
        assert read(world, c, "hosts").endswith("10.77.2.2\talpha\n10.77.1.2\talpha\n")
        assert world.resolver.views[c.id].networks == ("2" * 64, "1" * 64)
        assert world.resolver.names["2" * 64, c.id][2] == "back"
        world.connector.announce(c)
        told = [(a, more["name"]) for t, a, _, more in world.events.seen if t == "network"]
        assert told == [("connect", "back"), ("connect", "front")]

    inside(tmp_path, test)


@pytest.mark.parametrize("mode", ["host", "none"])
def test_other_modes_have_an_empty_endpoint(tmp_path: Path, mode: str) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {"HostConfig": {"NetworkMode": mode}})
        world.files.prepare(c)
        assert not world.connector.wants_cable(c)
        assert await connected(world, c) == []
        assert list(c.endpoints) == [mode]
        assert c.endpoints[mode]["IPAddress"] == ""
        assert world.fabric.connected == {}
        assert world.resolver.views == {}
        world.connector.announce(c)
        await world.connector.disconnect(c)
        await world.connector.disconnect(c)
        assert [(a, more["type"]) for t, a, _, more in world.events.seen if t == "network"] == [
            ("connect", {"host": "host", "none": "null"}[mode]), ("disconnect", {"host": "host", "none": "null"}[mode]),
        ]  # fmt: skip
        if mode == "host":
            assert read(world, c, "hosts") == Path("/etc/hosts").read_text()

    inside(tmp_path, test)


def test_a_shared_network_has_no_endpoints(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        await world.create("first")
        second = await world.create("second", {"HostConfig": {"NetworkMode": "container:first"}})
        world.files.prepare(second)
        assert not os.path.exists(world.paths.file(second.id, "hostname"))
        assert await connected(world, second) == []
        assert second.endpoints == {}

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("body", "kind", "told"),
    [
        (networks("nope"), NotFound, "network nope not found"),
        (networks("front", "host"), InvalidArgument, "cannot connect container to host network"),
        (networks("none", "front"), InvalidArgument, "with one of the networks in private"),
    ],
)
def test_what_cannot_start(tmp_path: Path, body: dict[str, Any], kind: type[CarrackError], told: str) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", body)
        with pytest.raises(kind, match=f"^failed to set up container networking: .*{told}"):
            world.connector.check(c)

    inside(tmp_path, test)


def test_a_network_that_was_made_anew_will_do(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", networks("front"))
        world.connector.check(c)
        world.networks.remove("front")
        with pytest.raises(NotFound, match="network front not found"):
            world.connector.check(c)

    inside(tmp_path, test)


def test_without_a_default_bridge_who_asks_for_it_has_no_network(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        usual, other = await world.create("web", networks("bridge")), await world.create("data", networks("front"))
        world.networks.remove("bridge")
        for c in (usual, other):
            world.connector.check(c)
        assert (usual.config["NetworkDisabled"], other.config["NetworkDisabled"]) == (True, False)
        assert (usual.wants_cable, other.wants_cable) == (False, True)

    inside(tmp_path, test)


def test_whatever_fails_undoes_the_rest(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        body = networks("bridge", "front")
        body["HostConfig"]["PortBindings"] = {"80": []}
        c = await world.create("web", body)
        world.files.prepare(c)
        world.fabric.failure = Internal("port is already allocated")
        slot: Any = FakeSlot()
        with pytest.raises(Internal, match=r"^failed to set up container networking: port is already allocated$"):
            async with AsyncExitStack() as undo:
                await world.connector.connect(c, Parked(slot, None), undo, ExitStack())
        assert (world.fabric.connected, world.resolver.names) == ({}, {})
        assert [one["IPAddress"] for one in c.endpoints.values()] == ["", ""]
        assert c.ports == {}

    inside(tmp_path, test)


def test_a_new_daemon_learns_what_survivors_have(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", networks("front", "back"))
        world.files.prepare(c)
        await connected(world, c)
        assert world.connector.existing() == {}
        shim: Any = FakeShim()
        c.shim = shim
        assert world.connector.existing()[c.id].endpoints == {
            "1" * 64: c.endpoints["front"], "2" * 64: c.endpoints["back"],
        }  # fmt: skip
        alone = await world.create("alone", {"HostConfig": {"NetworkMode": "front"}})
        await world.live.disconnect("front", "alone")
        alone.shim = shim
        assert dict(world.connector.existing()[alone.id].endpoints) == {}
        world.resolver.attached.clear()
        world.connector.rejoin()
        assert world.resolver.attached == [0]

    inside(tmp_path, test)


def test_those_who_are_linked_find_their_target_where_it_is(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        db, _ = await world.started("db", {"HostConfig": {"NetworkMode": "bridge"}})
        body = {"HostConfig": {"NetworkMode": "bridge", "Links": ["db:data"]}}
        web, _ = await world.started("web", body)
        spec = world.slots.given[-1].requests[0]["plan"]["spec"]
        assert "DATA_NAME=/web/data" in spec["process"]["env"]
        line = f"172.17.0.2\tdata {db.id[:12]} db\n"
        assert line in read(world, web, "hosts")
        await world.lifecycle.stop(db)
        assert line not in read(world, web, "hosts")
        await world.lifecycle.start(db)
        assert f"data {db.id[:12]} db\n" in read(world, web, "hosts")

    inside(tmp_path, test)
