"""Published ports from every side: other hosts, this host, 127.0.0.1, containers; TCP, UDP, ranges."""

import asyncio
import contextlib
import functools
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from typing import Any

import pytest
from tests.root.netns import PATIENCE, Namespace, ask, cable, echo, own_network
from tests.root.one_network import OneNetwork
from tests.root.site import until

from carrack.errors import Internal, NotSupported
from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.linux.nftables import Nftables
from carrack.model.ports import PublishedPort
from carrack.network.bridge import BridgeSettings
from carrack.network.publishing import Published

pytestmark = pytest.mark.root

SETTINGS = BridgeSettings(f"crk{os.getpid() % 100000}", "10.231.0.1/24")
TABLE = f"crk-test-{os.getpid()}"
HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"


def places(port: str) -> list[dict[str, str]]:
    """Where a port is published that names no address."""
    return [{"HostIp": address, "HostPort": port} for address in ("0.0.0.0", "::")]


def is_taken(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as rival:
        try:
            rival.bind(("", port))
        except OSError:
            return True
    return False


def no_sctp() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError:
        return True
    return False


class World:
    """A host (the present namespace) with a bridge network, a container on it and a neighbour outside."""

    def __init__(self, network: OneNetwork, container: Namespace, neighbour: Namespace) -> None:
        self.network = network
        self.container = container
        self.neighbour = neighbour
        self.endpoint: dict[str, Any] = {}
        self.held = contextlib.ExitStack()

    async def publish(self, *ports: PublishedPort) -> Published:
        done = await self.network.publish("c1", ports, name="web")
        for fd in done.fds:
            self.held.callback(os.close, fd)
        return done

    def from_outside(
        self, port: int, address: str = HOST, *, udp: bool = False, timeout: float = PATIENCE
    ) -> str | None:
        return self.neighbour.run(lambda: ask(address, port, udp=udp, timeout=timeout))

    def from_container(self, port: int, address: str = HOST, *, udp: bool = False) -> str | None:
        return self.container.run(lambda: ask(address, port, udp=udp))


def in_world(scene: Callable[[World], Awaitable[None]]) -> None:
    async def play() -> None:
        with Namespace() as container, Namespace() as neighbour:
            cable(neighbour, "uplink", f"{HOST}/24", f"{OUTSIDE}/24")
            world = World(OneNetwork(SETTINGS, "n" * 64, table=TABLE), container, neighbour)
            await world.network.setup()
            try:
                veth = await world.network.park(container.fd)
                world.endpoint = await world.network.connect("c1", container.fd, container.netlink_fd, veth)
                await scene(world)
            finally:
                world.held.close()
                await world.network.teardown()

    asyncio.run(play())


@own_network
def test_container_reaches_host_and_outside() -> None:
    async def scene(world: World) -> None:
        assert world.endpoint["IPAddress"] == "10.231.0.2"
        assert world.endpoint["MacAddress"] == "02:42:0a:e7:00:02"
        with echo(world.neighbour, 5000), echo(world.neighbour, 5000, udp=True):
            assert world.from_container(5000, OUTSIDE) == HOST
            assert world.from_container(5000, OUTSIDE, udp=True) == HOST
        server = socket.create_server(("10.231.0.1", 5001))
        with server:
            assert world.container.run(lambda: socket.create_connection(("10.231.0.1", 5001), 2).close()) is None

    in_world(scene)


@own_network
@pytest.mark.census("port hostPort:contPort", "port /tcp /udp /sctp")
@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_published_port_is_reached_from_every_side(udp: bool) -> None:
    async def scene(world: World) -> None:
        kind = "udp" if udp else "tcp"
        done = await world.publish(PublishedPort(f"80/{kind}", "", "8080"))
        assert done.ports == {f"80/{kind}": places("8080")}
        with echo(world.container, 80, udp=udp), Namespace() as other:
            assert world.from_outside(8080, udp=udp) == OUTSIDE
            assert ask(HOST, 8080, udp=udp) is not None
            assert ask("127.0.0.1", 8080, udp=udp) == "10.231.0.1"
            assert ask("10.231.0.1", 8080, udp=udp) is not None
            assert ask("10.231.0.2", 80, udp=udp) is not None
            assert world.from_container(8080, udp=udp) == "10.231.0.1", "hairpin to itself"
            assert world.from_container(8080, "10.231.0.1", udp=udp) == "10.231.0.1", "hairpin by the gateway"
            await world.network.connect("c2", other.fd, other.netlink_fd)
            assert other.run(lambda: ask(HOST, 8080, udp=udp)) == "10.231.0.1"
            assert other.run(lambda: ask("10.231.0.2", 80, udp=udp)) == "10.231.0.3"
            await world.network.disconnect("c1")
            assert world.from_outside(8080, udp=udp, timeout=0.3) is None

    in_world(scene)


@own_network
@pytest.mark.census("port hostIP:hostPort:contPort")
def test_port_on_one_address_is_closed_on_the_others() -> None:
    async def scene(world: World) -> None:
        await world.publish(PublishedPort("80/tcp", "127.0.0.1", "8080"), PublishedPort("80/tcp", HOST, "8081"))
        with echo(world.container, 80):
            assert ask("127.0.0.1", 8080) == "10.231.0.1"
            assert world.from_outside(8080, timeout=0.3) is None
            assert world.from_outside(8081) == OUTSIDE
            assert ask("127.0.0.1", 8081) is None

    in_world(scene)


@own_network
def test_ranges_equal_and_shifted() -> None:
    async def scene(world: World) -> None:
        equal = [PublishedPort(f"{port}/udp", "", str(port)) for port in range(10000, 10101)]
        shifted = [PublishedPort(f"{port}/tcp", "", str(port + 21000)) for port in range(9000, 9006)]
        await world.publish(*equal, *shifted)
        nft = Nftables()
        assert len(nft.elements(TABLE, "published_ranges")) == 1
        assert len(nft.elements(TABLE, "published")) == 6
        nft.close()
        with echo(world.container, 10100, udp=True), echo(world.container, 9005):
            assert world.from_outside(10100, udp=True) == OUTSIDE
            assert ask("127.0.0.1", 10100, udp=True) == "10.231.0.1"
            assert world.from_outside(30005) == OUTSIDE
            assert world.from_outside(30004, timeout=0.3) is None
        for port, kind in ((10050, socket.SOCK_DGRAM), (30003, socket.SOCK_STREAM)):
            await until(functools.partial(is_taken, port, kind))  # long ranges are bound afterwards
        world.held.close()
        await world.network.disconnect("c1")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as heir:
            heir.bind(("", 10050))

    in_world(scene)


@own_network
def test_taken_ports_are_refused_and_nothing_stays() -> None:
    async def scene(world: World) -> None:
        with socket.create_server(("127.0.0.1", 8082)), Namespace() as other:
            await world.publish(PublishedPort("80/tcp", "", "8080"))
            second = await world.network.connect("c2", other.fd, other.netlink_fd)
            wanted = [PublishedPort("81/tcp", "", "8081"), PublishedPort("80/tcp", "", "8080")]
            with pytest.raises(Internal) as refused:
                await world.network.publish("c2", wanted, name="db")
            assert str(refused.value) == (
                f"driver failed programming external connectivity on endpoint db ({second['EndpointID']}): "
                "Bind for 0.0.0.0:8080 failed: port is already allocated to container web; port 8083 is free"
            )
            with pytest.raises(
                Internal,
                match=rf"port 127\.0\.0\.1:8082/tcp: address already in use by .* \(pid {os.getpid()}\); port 8083",
            ):
                await world.network.publish("c2", [PublishedPort("80/tcp", "127.0.0.1", "8082")])
            with pytest.raises(NotSupported, match="this kernel has no sctp") if no_sctp() else nullcontext():
                await world.network.publish("c2", [PublishedPort("80/sctp", "", "8083")])
            done = await world.network.publish("c2", [PublishedPort("81/tcp", "", "8081")], exposed=["90/tcp"])
            assert done.ports == {"90/tcp": None, "81/tcp": places("8081")}
            for fd in done.fds:
                os.close(fd)

    in_world(scene)


@own_network
def test_ports_survive_the_daemon() -> None:
    async def scene(world: World) -> None:
        done = await world.publish(PublishedPort("80/tcp", "", "8080"))
        await world.network.close()
        with echo(world.container, 80):
            assert world.from_outside(8080) == OUTSIDE, "rules stay while no daemon runs"
            again = world.network = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
            await again.setup({"c1": again.past(world.endpoint, done.ports)})
            assert world.from_outside(8080) == OUTSIDE
            with Namespace() as other:
                second = await again.connect("c2", other.fd, other.netlink_fd)
                assert second["IPAddress"] == "10.231.0.3"
                with pytest.raises(Internal, match="port is already allocated"):
                    await again.publish("c2", [PublishedPort("80/tcp", "", "8080")])
            await again.disconnect("c1")
            assert world.from_outside(8080, timeout=0.3) is None

    in_world(scene)


@own_network
def test_udp_clients_follow_the_port() -> None:
    """One client socket: before anything is published, then to one container, then to the next."""

    def heard(client: socket.socket) -> bool:
        client.send(b"hello")
        try:
            return client.recv(100) == OUTSIDE.encode()
        except OSError:
            return False

    async def scene(world: World) -> None:
        client = world.neighbour.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with client, Namespace() as other, echo(world.container, 53, udp=True), echo(other, 53, udp=True):
            client.settimeout(0.5)
            client.connect((HOST, 5353))
            assert not heard(client)
            await world.publish(PublishedPort("53/udp", "", "5353"))
            assert heard(client)
            await world.network.disconnect("c1")
            world.held.close()
            world.endpoint = await world.network.connect("c1", other.fd, other.netlink_fd)
            await world.publish(PublishedPort("53/udp", "", "5353"))
            unplug(world.container)
            assert heard(client)

    in_world(scene)


def unplug(namespace: Namespace) -> None:
    """Take a container's cable away, as its end would."""
    with namespace.netlink() as netlink:
        link = rtnetlink.find_link(netlink, "eth0")
        assert link is not None
        netlink.batch([rtnetlink.delete_link(link.index)])


@own_network
def test_a_survivor_outside_the_subnet_does_not_stop_the_daemon(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(world: World) -> None:
        stranger = {**world.endpoint, "IPAddress": "10.99.0.2"}
        await world.network.close()
        again = world.network = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
        await again.setup({"c9": again.past(stranger, {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "1"}]})})
        assert "container c9 stays without its ports" in caplog.text

    in_world(scene)


@own_network
def test_teardown_leaves_nothing() -> None:
    with Netlink() as netlink:
        before = {link.name for link in rtnetlink.links(netlink)}
        in_world_and_out()
        nft = Nftables()
        assert all(table != TABLE for table, _ in nft.chains())
        nft.close()
        left = {link.name for link in rtnetlink.links(netlink)} - before
        assert all(name.startswith("veth") or name == "uplink" for name in left)
        assert SETTINGS.name not in left
    with open("/proc/sys/net/ipv4/ip_forward", encoding="ascii") as file:
        assert file.read() == "0\n"


def in_world_and_out() -> None:
    async def scene(world: World) -> None:
        await world.publish(PublishedPort("80/tcp", "", "8080"))

    in_world(scene)
