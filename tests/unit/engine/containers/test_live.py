"""Connecting and disconnecting containers that exist."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.engine import World, inside

from carrack.engine.containers import endpoints, live, networking
from carrack.engine.containers.record import Container
from carrack.errors import CarrackError, Conflict, Forbidden, Internal, InvalidArgument, NotFound, Unavailable
from carrack.network.sandbox import Sandbox

FRONT: dict[str, Any] = {"Hostname": "alpha", "HostConfig": {"NetworkMode": "front"}}


@pytest.fixture(autouse=True)
def sandboxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's network namespace is entered."""

    @contextmanager
    def door(pid: int) -> Iterator[Sandbox]:
        if pid == 0:
            raise Unavailable("process 0 has ended")
        yield Sandbox(-1, -1)

    monkeypatch.setattr(live, "open_sandbox", door)


def hosts(world: World, c: Container) -> str:
    return Path(world.paths.file(c.id, "hosts")).read_text()


def told(world: World) -> list[tuple[str, str]]:
    return [(action, more["name"]) for kind, action, _, more in world.events.seen if kind == "network"]


def test_a_running_container_is_connected_at_once(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, _ = await world.started("web", FRONT)
        wanted = {"Aliases": ["www"], "GwPriority": 5, "MacAddress": "02:00:00:00:00:09"}
        await world.live.connect("2222", "web", endpoints.wanted(wanted))
        assert list(c.endpoints) == ["back", "front"]
        back = c.endpoints["back"]
        assert (back["IPAddress"], back["MacAddress"], back["GwPriority"]) == ("10.77.2.2", "02:00:00:00:00:09", 5)
        assert back["DNSNames"] == ["web", "www", c.id[:12], "alpha"]
        assert c.wanted["back"]["Aliases"] == ["www"]
        assert hosts(world, c).endswith("10.77.2.2\talpha\n10.77.1.2\talpha\n")
        assert world.resolver.views[c.id].networks == ("2" * 64, "1" * 64)
        recorded = world.records.rows["container"][c.id][2]
        assert "10.77.2.2" in recorded
        with pytest.raises(Forbidden, match=r"^endpoint with name web already exists in network back$"):
            await world.live.connect("back", "web")
        await world.live.disconnect("back", "web")
        assert list(c.endpoints) == list(c.wanted) == ["front"]
        assert hosts(world, c).endswith("\n10.77.1.2\talpha\n")
        assert ("2" * 64, c.id) not in world.resolver.names
        assert list(world.fabric.connected[c.id]) == ["1" * 64]
        assert told(world) == [("connect", "front"), ("connect", "back"), ("disconnect", "back")]
        await world.live.disconnect("front", "web")
        assert c.endpoints == world.fabric.connected == {}
        with pytest.raises(Internal, match=f"^container {c.id} is not connected to network front$"):
            await world.live.disconnect("front", "web")
        await world.live.connect("front", "web")
        await world.lifecycle.restart(c, timeout=0)
        assert list(c.endpoints) == ["front"]

    inside(tmp_path, test)


def test_of_a_stopped_one_the_record_changes(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", FRONT)
        await world.live.connect("back", "web", endpoints.wanted({"Aliases": ["www"]}))
        await world.live.connect("back", "web", endpoints.wanted({"Aliases": ["other"]}))
        assert c.endpoints["back"]["Aliases"] == ["www"]
        assert (c.endpoints["back"]["IPAddress"], c.endpoints["back"]["NetworkID"]) == ("", "")
        await world.live.disconnect("front", "web")
        with pytest.raises(Internal, match=f"^container {c.id} is not connected to the network front$"):
            await world.live.disconnect("front", "web")
        with pytest.raises(Internal, match="is not connected to the network gone"):
            await world.live.disconnect("gone", "web")
        world.records.broken = OSError("no space")
        with pytest.raises(OSError, match="no space"):
            await world.live.connect("inner", "web")
        world.records.broken = OSError("no space")
        with pytest.raises(OSError, match="no space"):
            await world.live.disconnect("back", "web")
        assert list(c.wanted) == list(c.endpoints) == ["back"]
        assert told(world) == []
        await world.lifecycle.start(c)
        assert list(world.fabric.connected[c.id]) == ["2" * 64]

    inside(tmp_path, test)


def test_a_network_that_is_gone_can_be_left(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", FRONT)
        world.networks.remove("front")
        await world.live.disconnect("front", "web")
        assert c.wanted == {}

    inside(tmp_path, test)


@pytest.mark.parametrize(
    ("network", "name", "wanted", "kind", "reason"),
    [
        ("back", "nope", {}, NotFound, "No such container: nope"),
        ("nope", "nope", {}, NotFound, "No such container: nope"),
        ("nope", "web", {}, NotFound, "network nope not found"),
        ("host", "web", {}, InvalidArgument, networking.NO_HOST),
        ("none", "web", {}, InvalidArgument, networking.NO_NONE.replace("(", "[(]").replace(")", "[)]")),
        ("back", "sharing", {}, InvalidArgument, networking.SHARED),
        ("back", "on host", {}, InvalidArgument, networking.SHARED),
        ("back", "disabled", {}, Conflict, "was created without networking"),
        ("back", "web", {"IPAMConfig": {"IPv4Address": "10.9.9.9"}}, InvalidArgument, "user configured subnets"),
        ("bridge", "web", {"Aliases": ["x"]}, InvalidArgument, "network-scoped alias is supported only"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path, network: str, name: str, wanted: dict[str, Any], kind: type[CarrackError], reason: str
) -> None:
    async def test(world: World) -> None:
        await world.started("web", FRONT)
        await world.create("sharing", {"HostConfig": {"NetworkMode": "container:web"}})
        await world.create("disabled", {"NetworkDisabled": True, **FRONT})
        other = await world.create("other", {"HostConfig": {"NetworkMode": "host"}})
        for state in ("created", "running"):
            other.state.status = state
            with pytest.raises(kind, match=reason):
                await world.live.connect(network, name.replace("on host", "other"), endpoints.wanted(wanted))
        assert len(world.fabric.connected) == 1

    inside(tmp_path, test)


def test_the_hosts_network_is_not_left(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        await world.started("web", {"HostConfig": {"NetworkMode": "host"}})
        with pytest.raises(InvalidArgument, match="cannot disconnect container from host network"):
            await world.live.disconnect("host", "web")
        await world.started("other", FRONT)
        with pytest.raises(NotFound, match="network nope not found"):
            await world.live.disconnect("nope", "other")
        with pytest.raises(Internal, match="is not connected to the network nope"):
            await world.live.disconnect("nope", "other", force=True)
        with pytest.raises(NotFound, match="No such container: nope"):
            await world.live.disconnect("front", "nope")
        with pytest.raises(NotFound, match="endpoint nope not found"):
            await world.live.disconnect("front", "nope", force=True)

    inside(tmp_path, test)


@pytest.mark.parametrize("what", ["kernel", "ports", "shim", "record", "end"])
def test_whatever_fails_nothing_is_left(tmp_path: Path, what: str) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", {**FRONT, "ExposedPorts": {"80/tcp": {}}})
        before = c.networking, c.endpoints, dict(c.ports), hosts(world, c), world.resolver.views[c.id]
        failure = OSError("it failed")
        if what == "kernel":
            world.fabric.refusal = failure
        elif what == "ports":
            c.ports, world.fabric.failure = {}, failure
        elif what == "shim":
            shim.refusal, c.ports = failure, {}
        elif what == "record":
            world.records.broken = failure
        else:
            save = world.store.save

            async def ends(*_: Any) -> None:
                await save(c)
                shim.end()

            world.store.save = ends  # type: ignore[assignment]
        with pytest.raises((OSError, Conflict), match=r"it failed|has just ended"):
            await world.live.connect("back", "web")
        assert list(world.fabric.connected.get(c.id, ["1" * 64])) == ["1" * 64]
        assert list(c.wanted) == list(c.endpoints) == ["front"]
        if what != "end":
            assert (c.networking, c.endpoints) == before[:2]
            assert (hosts(world, c), world.resolver.views[c.id]) == before[3:]
            assert ("2" * 64, c.id) not in world.resolver.names
        else:
            await world.supervisor.settled(c)
            assert c.endpoints["front"]["IPAddress"] == ""
            assert (world.resolver.views, world.resolver.names) == ({}, {})

    inside(tmp_path, test)


def test_who_had_no_network_gets_names_and_ports_with_the_first(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c = await world.create("web", {**FRONT, "ExposedPorts": {"80/tcp": {}}})
        await world.live.disconnect("front", "web")
        await world.lifecycle.start(c)
        assert (world.resolver.views, c.ports) == ({}, {})
        opened = len(os.listdir("/proc/self/fd"))
        await world.live.connect("front", "web")
        assert c.ports == {"80/tcp": None}
        assert world.resolver.attached == [0]
        assert "nameserver 127.0.0.11\n" in Path(world.paths.file(c.id, "resolv.conf")).read_text()
        assert len(os.listdir("/proc/self/fd")) == opened

    inside(tmp_path, test)


def test_ports_of_who_could_not_be_reached_before(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        host = {"NetworkMode": "inner", "PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
        c, shim = await world.started("web", {"HostConfig": host})
        c.ports = {}
        await world.live.connect("front", "web")
        assert c.ports == {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}]}
        await world.live.disconnect("front", "web")
        assert (list(c.ports), shim.freed) == (["80/tcp"], [])
        await world.live.disconnect("inner", "web")
        assert (c.ports, shim.freed) == ({}, [("tcp", ("0.0.0.0",), 8080)])

    inside(tmp_path, test)


def test_one_that_goes_is_not_connected(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        c, shim = await world.started("web", FRONT)
        shim.pid = 0
        with pytest.raises(Conflict, match="container web has just ended"):
            await world.live.connect("back", "web")
        c.state.status = "removing"
        with pytest.raises(Conflict, match="is marked for removal and cannot be connected"):
            await world.live.connect("back", "web")
        with pytest.raises(Conflict, match="is marked for removal and cannot be connected"):
            await world.live.disconnect("front", "web")

    inside(tmp_path, test)


def test_an_interface_s_address_that_another_has(tmp_path: Path) -> None:
    async def test(world: World) -> None:
        mac = "02:00:00:00:00:09"
        wanted = {"EndpointsConfig": {"front": {"MacAddress": mac}}}
        first, _ = await world.started("first", {**FRONT, "NetworkingConfig": wanted})
        await world.started("other", {"HostConfig": {"NetworkMode": "back"}})
        told = f"MAC address {mac} is in use on network front: container first has it"
        with pytest.raises(Forbidden, match=told):
            await world.live.connect("front", "other", endpoints.wanted({"MacAddress": mac.replace(":", "-")}))
        second = await world.create("second", {**FRONT, "NetworkingConfig": wanted})
        with pytest.raises(Forbidden, match=told):
            await world.lifecycle.start(second)
        await world.lifecycle.stop(first)
        await world.lifecycle.start(second)

    inside(tmp_path, test)
