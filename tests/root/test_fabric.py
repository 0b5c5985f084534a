"""Many networks in the kernel: containers on several, live, of both families; what survives a daemon."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.root.netns import PATIENCE, Namespace, ask, cable, echo, own_network
from tests.root.site import until

from carrack.errors import Conflict
from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.model.ports import PublishedPort
from carrack.network.fabric import Fabric
from carrack.network.plan import BRIDGE, EndpointPlan, Existing, NetworkPlan, Subnet
from carrack.network.sandbox import Sandbox, open_sandbox

pytestmark = pytest.mark.root

TABLE = f"crk-fabric-{os.getpid()}"
PLAIN = EndpointPlan()


def plan(name: str, number: int, *, six: bool = False, internal: bool = False, **options: str) -> NetworkPlan:
    subnets = [Subnet(f"10.231.{number}.0/24", f"10.231.{number}.1")]
    if six:
        subnets.append(Subnet(f"fd00:231:{number}::/64", f"fd00:231:{number}::1"))
    named = {f"com.docker.network.{key.replace('__', '.')}": value for key, value in options.items()}
    return NetworkPlan(f"{number:x}" * 64, name, BRIDGE, tuple(subnets), internal, named)


FRONT, BACK = plan("front", 1), plan("back", 2)


def with_fabric(*plans: NetworkPlan) -> Callable[[Callable[[Fabric], Awaitable[None]]], None]:
    def run(scene: Callable[[Fabric], Awaitable[None]]) -> None:
        async def play() -> None:
            fabric = Fabric(table=TABLE)
            await fabric.setup(plans)
            try:
                await scene(fabric)
            finally:
                await fabric.teardown()

        asyncio.run(play())

    return run


def box(namespace: Namespace) -> Sandbox:
    return Sandbox(namespace.fd, namespace.netlink_fd)


async def join(
    fabric: Fabric, name: str, inside: Namespace, network: NetworkPlan, wanted: EndpointPlan = PLAIN
) -> dict[str, object]:
    return await fabric.connect(name, inside.fd, inside.netlink_fd, network.id, wanted)


def shown(inside: Namespace, *words: str) -> str:
    """What the ip program says inside."""
    return inside.run(lambda: subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout)


def way_out(inside: Namespace, *family: str) -> str:
    """The default route's gateway and interface."""
    words = shown(inside, *family, "route", "show", "default").split()
    return " ".join(words[2:5:2]) if words else ""


def until_gone(host: Netlink) -> None:
    """Wait until nothing retired is left."""
    while any(link.name.startswith("gone") for link in rtnetlink.links(host)):
        time.sleep(0.01)


def ask6(address: str, port: int, timeout: float = PATIENCE) -> str | None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
        client.settimeout(timeout)
        try:
            client.connect((address, port))
            return client.recv(100).decode()
        except OSError:
            return None


@contextlib.contextmanager
def echo6(namespace: Namespace, port: int) -> Iterator[None]:
    """Answers one TCP connection after another over IPv6 with the peer's address."""
    code = (
        "import socket\nserver = socket.create_server(('::', %d), family=socket.AF_INET6)\nprint('up', flush=True)\n"
        "while True:\n    peer, address = server.accept()\n    peer.sendall(address[0].encode())\n    peer.close()\n"
    )
    words = ["python3", "-c", code % port]
    process = namespace.run(lambda: subprocess.Popen(words, stdout=subprocess.PIPE))
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.communicate()


@own_network
@pytest.mark.census("network hot connect/disconnect", "network multiple networks per container")
def test_a_running_container_joins_and_leaves() -> None:
    async def scene(fabric: Fabric) -> None:
        await fabric.create(BACK)
        with Namespace() as web, Namespace() as db, echo(web, 80), echo(db, 80):
            await join(fabric, "web", web, FRONT)
            await join(fabric, "db", db, BACK)
            assert web.run(lambda: ask("10.231.2.2", 80, timeout=0.3)) is None, "networks are closed to each other"
            await join(fabric, "web", web, BACK)
            assert web.run(lambda: ask("10.231.2.2", 80)) == "10.231.2.3"
            assert "eth1" in shown(web, "-o", "addr")
            with pytest.raises(Conflict, match="network back has active endpoints"):
                await fabric.remove(BACK.id)
            await fabric.disconnect("web", BACK.id, sandbox=box(web))
            assert "eth1" not in shown(web, "-o", "addr")
            assert web.run(lambda: ask("10.231.2.2", 80, timeout=0.3)) is None
            await join(fabric, "web", web, BACK, EndpointPlan(interface="lan0"))
            assert "lan0" in shown(web, "-o", "addr")
        await fabric.disconnect("web")
        await fabric.disconnect("db")
        await fabric.remove(BACK.id)
        with Netlink() as host:
            assert rtnetlink.find_link(host, "br-222222222222") is None
            await fabric.create(BACK)
            await fabric.remove(BACK.id)
            await asyncio.to_thread(until_gone, host)

    with_fabric(FRONT)(scene)


@own_network
@pytest.mark.census("network gw-priority")
def test_the_way_out_and_the_ports_move_with_the_networks() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as web, Namespace() as outside, echo(web, 80), echo(outside, 80):
            cable(outside, "uplink", "192.0.2.1/24", "192.0.2.2/24")
            await join(fabric, "web", web, FRONT)
            done = await fabric.publish("web", [PublishedPort("80/tcp", "", "8080")])
            assert (way_out(web), fabric.gateway("web")) == ("10.231.1.1 eth0", (FRONT.id, ""))
            await join(fabric, "web", web, BACK)
            assert (way_out(web), fabric.gateway("web")) == ("10.231.2.1 eth1", (BACK.id, "")), "back comes first"
            assert outside.run(lambda: ask("192.0.2.1", 8080)) == "192.0.2.2"
            assert web.run(lambda: ask("192.0.2.2", 80)) == "192.0.2.1"
            await fabric.disconnect("web", FRONT.id, sandbox=box(web))
            assert outside.run(lambda: ask("192.0.2.1", 8080)) == "192.0.2.2"
            await join(fabric, "web", web, FRONT, EndpointPlan(priority=100))
            assert way_out(web) == "10.231.1.1 eth0"
            assert outside.run(lambda: ask("192.0.2.1", 8080)) == "192.0.2.2"
            await fabric.disconnect("web", FRONT.id, sandbox=box(web))
            assert way_out(web) == "10.231.2.1 eth1"
            assert outside.run(lambda: ask("192.0.2.1", 8080)) == "192.0.2.2"
            for fd in done.fds:
                os.close(fd)
            await fabric.disconnect("web", sandbox=box(web))
            assert way_out(web) == ""
            assert outside.run(lambda: ask("192.0.2.1", 8080, timeout=0.3)) is None

    with_fabric(FRONT, BACK)(scene)


@own_network
@pytest.mark.census("network link-local IPs", "network endpoint sysctls", "network MAC address")
def test_an_endpoint_is_as_it_was_wanted() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as web:
            wanted = EndpointPlan(
                address="10.231.1.77",
                mac="02:00:00:00:00:07",
                link_local=("169.254.7.7",),
                interface="wan",
                sysctls=(("net.ipv4.conf.IFNAME.forwarding", "1"), ("net.ipv4.neigh.IFNAME.gc_stale_time", "77")),
            )
            found = await join(fabric, "web", web, FRONT, wanted)
            assert (found["IPAddress"], found["MacAddress"]) == ("10.231.1.77", "02:00:00:00:00:07")
            listed = shown(web, "addr", "show", "wan")
            assert "link/ether 02:00:00:00:00:07" in listed
            assert "inet 10.231.1.77/24 brd 10.231.1.255" in listed
            assert "inet 169.254.7.7/16" in listed
            assert web.run(lambda: Path("/proc/sys/net/ipv4/conf/wan/forwarding").read_text()) == "1\n"
            assert web.run(lambda: Path("/proc/sys/net/ipv4/neigh/wan/gc_stale_time").read_text()) == "77\n"

    with_fabric(FRONT)(scene)


@own_network
def test_an_address_that_moves_to_another_card_is_found_there_at_once() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as one, Namespace() as two, Namespace() as asking, echo(one, 80), echo(two, 80):
            wanted = EndpointPlan(address="10.231.4.9", address6="fd00:231:4::9")
            with echo6(one, 81), echo6(two, 81):
                await join(fabric, "one", one, both, wanted)
                await join(fabric, "asking", asking, both)
                assert asking.run(lambda: ask("10.231.4.9", 80)) is not None
                assert asking.run(lambda: ask6("fd00:231:4::9", 81)) is not None
                await fabric.disconnect("one", sandbox=box(one))
                await join(fabric, "two", two, both, replace(wanted, mac="02:00:00:00:00:99"))
                await until(lambda: shown(asking, "neigh").count("02:00:00:00:00:99") >= 2)  # before anybody asks
                assert asking.run(lambda: ask("10.231.4.9", 80)) is not None
                assert asking.run(lambda: ask6("fd00:231:4::9", 81)) is not None

    both = plan("both", 4, six=True)
    with_fabric(both)(scene)


@own_network
def test_an_endpoint_that_cannot_be_leaves_no_interface_and_the_old_way_out() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as web:
            await join(fabric, "web", web, FRONT)
            with pytest.raises(OSError, match="File exists"):
                await join(fabric, "web", web, BACK, EndpointPlan(interface="eth0"))
            with pytest.raises(FileNotFoundError):
                await join(fabric, "web", web, BACK, EndpointPlan(sysctls=(("net.ipv4.conf.IFNAME.nonsense", "1"),)))
            assert shown(web, "-o", "link").count("eth") == 1 + shown(web, "-o", "link").count("link/ether")
            assert way_out(web) == "10.231.1.1 eth0"
            assert (await join(fabric, "web", web, BACK))["IPAddress"] == "10.231.2.4"
        with Netlink() as host:
            assert len([link for link in rtnetlink.links(host) if link.kind == "veth"]) == 2

    with_fabric(FRONT, BACK)(scene)


@own_network
@pytest.mark.census("network --internal")
def test_an_internal_network_has_no_way_out() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as one, Namespace() as two, echo(two, 80):
            found = await join(fabric, "one", one, inner)
            await join(fabric, "two", two, inner)
            assert (found["Gateway"], way_out(one), fabric.gateway("one")) == ("", "", ("", ""))
            assert one.run(lambda: ask("10.231.3.3", 80)) == "10.231.3.2"
            await join(fabric, "one", one, FRONT)
            assert way_out(one) == "10.231.1.1 eth1"

    inner = plan("inner", 3, internal=True)
    with_fabric(FRONT, inner)(scene)


@own_network
@pytest.mark.census("network IPv6 + ULA auto", "network static IPv4/IPv6")
def test_both_families_work_at_once_and_others_stay_without() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as one, Namespace() as two, Namespace() as plain, echo6(two, 80):
            for inside in (one, two, plain):
                inside.run(lambda: Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1"))
            found = await join(fabric, "one", one, both)
            assert (found["GlobalIPv6Address"], found["GlobalIPv6PrefixLen"]) == ("fd00:231:4::2", 64)
            assert found["IPv6Gateway"] == "fd00:231:4::1"
            await join(fabric, "two", two, both, EndpointPlan(address6="fd00:231:4::77"))
            assert one.run(lambda: ask6("fd00:231:4::77", 80)) == "fd00:231:4::2", "at once: no detection of duplicates"
            assert ask6("fd00:231:4::77", 80) == "fd00:231:4::1"
            assert way_out(one, "-6") == "fd00:231:4::1 eth0"
            assert fabric.gateway("one") == (both.id, both.id)
            await join(fabric, "plain", plain, FRONT)
            assert "inet6" not in shown(plain, "addr", "show", "eth0")
            await join(fabric, "plain", plain, both)
            assert "inet6 fd00:231:4::3/64" in shown(plain, "addr", "show", "eth1")
            assert "inet6" not in shown(plain, "addr", "show", "eth0")
            assert way_out(plain) == "10.231.4.1 eth1", "that with both families comes first"
            await fabric.disconnect("plain", both.id, sandbox=box(plain))
            assert (way_out(plain), way_out(plain, "-6")) == ("10.231.1.1 eth0", "")
        assert Path("/proc/sys/net/ipv6/conf/br-444444444444/accept_ra").read_text() == "0\n"
        assert Path("/proc/sys/net/ipv6/conf/br-111111111111/disable_ipv6").read_text() == "1\n"
        assert Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text() == "1\n"

    both = plan("both", 4, six=True)
    with_fabric(FRONT, both)(scene)


@own_network
@pytest.mark.census("network IPv4 disable")
def test_a_network_of_ipv6_only() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as one, Namespace() as two, echo6(two, 80):
            found = await join(fabric, "one", one, six)
            assert (found["IPAddress"], found["GlobalIPv6Address"]) == ("", "fd00:231:5::2")
            await join(fabric, "two", two, six)
            assert one.run(lambda: ask6("fd00:231:5::3", 80)) == "fd00:231:5::2"
            assert "inet " not in shown(one, "addr", "show", "eth0")

    six = NetworkPlan("5" * 64, "six", BRIDGE, (Subnet("fd00:231:5::/64", "fd00:231:5::1"),))
    with_fabric(six)(scene)


@own_network
def test_options_of_a_bridge_are_seen_in_the_kernel() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as one, Netlink() as host:
            bridge = rtnetlink.find_link(host, "crkfab0")
            assert bridge is not None
            assert (bridge.mtu, rtnetlink.addresses(host, bridge.index)) == (1400, [])
            await join(fabric, "one", one, odd)
            assert "mtu 1400" in shown(one, "link", "show", "net0")

    options = {
        "bridge__name": "crkfab0",
        "driver__mtu": "1400",
        "container_iface_prefix": "net",
        "bridge__inhibit_ipv4": "1",
    }
    odd = plan("odd", 6, **options)  # type: ignore[arg-type]
    with_fabric(odd)(scene)


@own_network
@pytest.mark.census("daemon.json default-gateway")
def test_another_gateway_than_the_bridge_leads_out() -> None:
    async def scene(fabric: Fabric) -> None:
        with Namespace() as one:
            found = await join(fabric, "one", one, other)
            assert (found["Gateway"], way_out(one)) == ("10.231.9.9", "10.231.9.9 eth0")

    subnet = Subnet("10.231.9.0/24", "10.231.9.1", reserved={"DefaultGatewayIPv4": "10.231.9.9"})
    other = NetworkPlan("9" * 64, "other", BRIDGE, (subnet,))
    with_fabric(other)(scene)


@own_network
def test_a_bridge_that_was_there_before_is_lent_and_left_as_it_was() -> None:
    async def scene(fabric: Fabric) -> None:
        await fabric.create(lent)
        with Namespace() as one, echo(one, 80):
            await join(fabric, "one", one, lent)
            assert ask("10.231.7.2", 80) == "10.231.7.1"
        await fabric.disconnect("one")
        with pytest.raises(Conflict, match="bridge crklent is another network's"):
            await fabric.create(plan("other", 8, **options))
        await fabric.remove(lent.id)

    options: Any = {"bridge__name": "crklent"}
    lent = plan("lent", 7, **options)
    with Netlink() as host:
        host.batch([rtnetlink.add_bridge("crklent", 1500, "02:42:00:00:00:09")])
        bridge = rtnetlink.find_link(host, "crklent")
        assert bridge is not None
        host.batch([rtnetlink.add_address(bridge.index, "192.0.2.9/24")])
        with_fabric(FRONT)(scene)
        after = rtnetlink.find_link(host, "crklent")
        assert after is not None
        assert after.index == bridge.index
        assert "192.0.2.9/24" in rtnetlink.addresses(host, after.index)
        assert Path("/proc/sys/net/ipv6/conf/crklent/disable_ipv6").read_text() == "0\n"


@own_network
def test_a_new_daemon_knows_all_endpoints_and_mends_what_was_done_meanwhile() -> None:
    async def first(one: Namespace, pid: int) -> Existing:
        fabric = Fabric(table=TABLE)
        await fabric.setup(plans)
        documents = {network.id: await join(fabric, "one", one, network) for network in plans}
        await fabric.close()
        return Existing(documents, {}, pid)

    async def second(one: Namespace, two: Namespace, past: Existing) -> None:
        with Netlink() as host:
            bridge = rtnetlink.find_link(host, "br-222222222222")
            assert bridge is not None
            host.batch([rtnetlink.delete_link(bridge.index)])
        fabric = Fabric(table=TABLE)
        await fabric.setup(plans, {"one": past})
        assert fabric.gateway("one") == (BACK.id, "")
        for network, address in ((FRONT, "10.231.1.2"), (BACK, "10.231.2.2")):
            await join(fabric, "two", two, network)
            assert two.run(lambda address=address: ask(address, 80)) is not None  # type: ignore[misc]
        with open_sandbox(past.pid) as sandbox:
            await fabric.disconnect("one", BACK.id, sandbox=sandbox)
        assert way_out(one) == "10.231.1.1 eth0"
        await fabric.teardown()

    plans = [FRONT, BACK]
    with Namespace() as one, Namespace() as two, echo(one, 80):
        process = one.run(lambda: subprocess.Popen(["cat"], stdin=subprocess.PIPE))
        try:
            asyncio.run(second(one, two, asyncio.run(first(one, process.pid))))
        finally:
            process.communicate()


@own_network
def test_each_bridge_that_is_deleted_comes_back() -> None:
    async def scene(fabric: Fabric) -> None:
        await fabric.create(BACK)
        with Namespace() as web, echo(web, 80):
            await join(fabric, "web", web, FRONT)
            await join(fabric, "web", web, BACK)
            with Netlink() as host:
                for name in ("br-111111111111", "br-222222222222"):
                    link = rtnetlink.find_link(host, name)
                    assert link is not None
                    host.batch([rtnetlink.delete_link(link.index)])
            for address in ("10.231.1.2", "10.231.2.2"):
                for _ in range(100):
                    if ask(address, 80, timeout=0.1):
                        break
                    await asyncio.sleep(0.02)
                assert ask(address, 80) is not None

    with_fabric(FRONT)(scene)


@own_network
def test_the_hosts_routes_are_told_with_their_interfaces() -> None:
    async def scene(fabric: Fabric) -> None:
        found = await fabric.routes()
        assert ("10.231.4.0/24", "br-444444444444") in found
        assert ("fd00:231:4::/64", "br-444444444444") in found

    with_fabric(plan("both", 4, six=True))(scene)
