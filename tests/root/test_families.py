"""Published ports over both families: to containers with and without IPv6, from every side; the relay."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.root.netns import ask, echo, own_network
from tests.root.site import HOST, HOST6, OUTSIDE, OUTSIDE6, TABLE, Container, Site, network, on_site, places, until

from carrack.errors import InvalidArgument
from carrack.network.fabric import Fabric
from carrack.network.plan import Existing
from carrack.network.stance import Stance

pytestmark = pytest.mark.root

FOUR, BOTH, SIX = network(1), network(2, ipv6=True), network(3, ipv4=False, ipv6=True)


@own_network
@pytest.mark.census("network userland-proxy", "port IPv6 [::1]:p:p", "port dual-stack binding")
@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_ipv6_reaches_a_container_without_it_by_the_relay(udp: bool) -> None:
    async def scene(site: Site) -> None:
        kind = "udp" if udp else "tcp"
        web = await site.container("web", FOUR)
        web.serve(80, udp=True)
        done = await web.publish(f"8080:80/{kind}")
        assert done.ports == {f"80/{kind}": places("8080")}
        for address in ("::1", HOST6):
            assert await asyncio.to_thread(ask, address, 8080, udp=udp) == "10.231.1.1", address
        assert await asyncio.to_thread(site.from_outside, HOST6, 8080, udp=udp) == "10.231.1.1"
        assert await asyncio.to_thread(site.from_outside, HOST, 8080, udp=udp) == OUTSIDE
        await site.fabric.disconnect("web")
        assert await asyncio.to_thread(site.from_outside, HOST6, 8080, udp=udp, timeout=0.3) is None

    on_site([FOUR], scene)


@own_network
@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_ipv6_reaches_a_container_with_it_as_who_it_is(udp: bool) -> None:
    async def scene(site: Site) -> None:
        kind = "udp" if udp else "tcp"
        web = await site.container("web", BOTH)
        other = await site.container("other", BOTH)
        web.serve(80, udp=True)
        await web.publish(f"8080:80/{kind}")
        assert site.from_outside(HOST6, 8080, udp=udp) == OUTSIDE6
        assert site.from_outside(HOST, 8080, udp=udp) == OUTSIDE
        assert ask(HOST6, 8080, udp=udp) == HOST6
        assert await asyncio.to_thread(ask, "::1", 8080, udp=udp) == "fd00:231:2::1", "the relay's"
        assert web.ask(HOST6, 8080, udp=udp) == "fd00:231:2::1", "hairpin"
        assert other.ask(HOST6, 8080, udp=udp) == "fd00:231:2::1"
        assert other.ask(web.address6, 80, udp=udp) == other.address6

    on_site([BOTH], scene)


@own_network
def test_a_container_with_ipv6_only() -> None:
    async def scene(site: Site) -> None:
        web = await site.container("web", SIX)
        done = await web.publish("8080:80")
        assert done.ports == {"80/tcp": places("8080", "::")}
        assert site.from_outside(HOST6, 8080) == OUTSIDE6
        assert site.from_outside(HOST, 8080, timeout=0.3) is None

    on_site([SIX], scene)


@own_network
def test_addresses_of_one_family_only() -> None:
    async def scene(site: Site) -> None:
        web = await site.container("web", BOTH)
        await web.publish("0.0.0.0:8080:80", "[::]:8081:80", f"[{HOST6}]:8082:80", "[::1]:8083:80", "127.0.0.1:8084:80")
        outside = {port: (site.from_outside(HOST, port), site.from_outside(HOST6, port)) for port in range(8080, 8085)}
        assert outside == {
            8080: (OUTSIDE, None),
            8081: (None, OUTSIDE6),
            8082: (None, OUTSIDE6),
            8083: (None, None),
            8084: (None, None),
        }
        assert await asyncio.to_thread(ask, "::1", 8083) is not None
        assert await asyncio.to_thread(ask, "::1", 8082) is None
        assert ask("127.0.0.1", 8084) is not None

    on_site([BOTH], scene)


@own_network
def test_containers_with_ipv6_leave_under_the_hosts_address() -> None:
    async def scene(site: Site) -> None:
        web = await site.container("web", BOTH)
        with echo(site.neighbour, 5000, address="::"):
            assert web.ask(OUTSIDE6, 5000) == HOST6
            assert web.ask(OUTSIDE, 5000) == HOST

    on_site([BOTH], scene)


@own_network
@pytest.mark.census("port range:range")
@pytest.mark.parametrize("shift", [0, 1000], ids=["equal", "shifted"])
def test_each_port_of_a_range_by_the_relay_and_without(shift: int) -> None:
    async def scene(site: Site) -> None:
        web = await site.container("web", FOUR)
        ports = range(20000, 20100)
        web.serve(*ports)
        await web.publish(f"{20000 + shift}-{20099 + shift}:20000-20099")
        for port in ports:
            assert ask(HOST, port + shift) is not None, port
            assert await asyncio.to_thread(ask, HOST6, port + shift) == "10.231.1.1", port

    on_site([FOUR], scene)


@own_network
def test_the_relay_comes_when_it_is_needed_and_survives_the_daemon() -> None:
    async def scene(site: Site) -> None:
        web = await site.container("web", FOUR)
        done = await web.publish("8080:80")
        relays = site.fabric._nets.kernel.relays  # type: ignore[union-attr]
        assert relays is not None
        assert relays.pid == 0, "not before somebody calls"
        assert await asyncio.to_thread(ask, "::1", 8080) is not None
        pid = relays.pid
        assert pid > 0
        await site.fabric.close()
        assert await asyncio.to_thread(ask, "::1", 8080) is not None, "while no daemon runs"
        again = site.fabric = Fabric(table=TABLE)
        await again.setup([FOUR], {"web": Existing({FOUR.id: web.endpoints[0]}, done.ports)})
        try:
            assert await asyncio.to_thread(ask, "::1", 8080) is not None
            await until(lambda: not os.path.exists(f"/proc/{pid}") or _is_zombie(pid))
        finally:
            await again.teardown()

    on_site([FOUR], scene)


def _is_zombie(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "Z"


@own_network
def test_without_the_relay_a_container_without_ipv6_has_none() -> None:
    """Docker's ``userland-proxy: false``."""

    async def scene(site: Site) -> None:
        web, both = await site.container("web", FOUR), await site.container("both", BOTH)
        done = await web.publish("8080:80")
        assert done.ports == {"80/tcp": places("8080", "0.0.0.0")}
        with pytest.raises(InvalidArgument, match="the relay is switched off"):
            await web.publish("[::1]:8081:80")
        more = await both.publish("8082:80")
        assert more.ports == {"80/tcp": places("8082")}
        assert site.from_outside(HOST6, 8082) == OUTSIDE6

    on_site([FOUR, BOTH], scene, stance=Stance(relay=False))


@own_network
def test_the_relay_ends_what_is_connected_to_a_container_that_has_gone_and_then_itself() -> None:
    async def scene(site: Site) -> None:
        web, other = await site.container("web", FOUR), await site.container("other", FOUR)
        await web.publish("8080:85", "8080:80/udp")
        await other.publish("8081:80")
        web.serve(80, udp=True)
        with held_open(web, 85), socket.create_connection((HOST6, 8080), 5) as client:
            assert await asyncio.to_thread(client.recv, 5) == b"hello"
            assert await asyncio.to_thread(ask, HOST6, 8080, udp=True) is not None
            pid = relay_of(site)
            await site.fabric.disconnect("web")
            client.settimeout(5)
            with pytest.raises(ConnectionResetError):
                await asyncio.to_thread(client.recv, 5)
        assert await asyncio.to_thread(ask, HOST6, 8081) is not None
        assert relay_of(site) == pid
        await site.fabric.disconnect("other")
        await until(lambda: not os.path.exists(f"/proc/{pid}") or _is_zombie(pid))

    on_site([FOUR], scene)


def relay_of(site: Site) -> int:
    relays = site.fabric._nets.kernel.relays  # type: ignore[union-attr]
    assert relays is not None
    return relays.pid


@contextmanager
def held_open(container: Container, port: int) -> Iterator[None]:
    """A server that greets its first client and leaves it connected."""
    server = container.inside.run(lambda: socket.create_server(("0.0.0.0", port)))
    greeted: list[socket.socket] = []

    def greet() -> None:
        greeted.append(server.accept()[0])
        greeted[0].sendall(b"hello")

    thread = threading.Thread(target=greet)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        for end in (*greeted, server):
            end.close()
