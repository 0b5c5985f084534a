"""moby#45610, PR moby#52224: a neighbour on the same link must not reach what was not published to it.

It can write any destination into a frame to the host: a container's own address, or 127.0.0.1. First it is shown that
both get through when the raw drops are missing, then that they do not.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from tests.root import site as site_module
from tests.root.netns import Namespace, ask, cable, echo, own_network
from tests.root.one_network import OneNetwork
from tests.root.site import Site, network, on_site

from carrack.linux import rtnetlink
from carrack.linux.netlink import Message, Netlink, attribute
from carrack.linux.nft_expressions import IPV4, IPV6
from carrack.linux.nftables import Nftables
from carrack.model.ports import PublishedPort
from carrack.network import rules
from carrack.network.bridge import BridgeSettings
from carrack.network.rules import RuleSet

pytestmark = pytest.mark.root

SETTINGS = BridgeSettings(f"crk{os.getpid() % 100000}", "10.231.0.1/24")
TABLE = f"crk-test-{os.getpid()}"
HOST, OUTSIDE = "192.0.2.1", "192.0.2.2"
CONTAINER = "10.231.0.2"


def route(destination: str, prefix: int, gateway: str) -> Message:
    """A route to a network by a neighbour (rtnetlink(7))."""
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, prefix, 0, 0, 254, 3, 0, 1, 0)
    body += attribute(1, socket.inet_aton(destination)) + attribute(5, socket.inet_aton(gateway))
    return Message(rtnetlink.RTM_NEWROUTE, 0x600, body, f"route {destination}")


class Attack:
    """A container that publishes port 80 on 127.0.0.1:8080 and no other; a neighbour that routes by the host."""

    def __init__(self, network: OneNetwork, neighbour: Namespace) -> None:
        self.network = network
        self.neighbour = neighbour

    def reaches(self, address: str, port: int) -> bool:
        return self.neighbour.run(lambda: ask(address, port, timeout=0.4)) is not None


def under_attack(scene: Callable[[Attack], Awaitable[None]]) -> None:
    async def play() -> None:
        with Namespace() as container, Namespace() as neighbour:
            cable(neighbour, "uplink", f"{HOST}/24", f"{OUTSIDE}/24")
            with neighbour.netlink() as theirs:
                theirs.batch([route("10.231.0.0", 24, HOST)])
            neighbour.run(lambda: give_up_loopback(HOST))
            network = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
            await network.setup()
            try:
                await network.connect("c1", container.fd, container.netlink_fd)
                done = await network.publish("c1", [PublishedPort("80/tcp", "127.0.0.1", "8080")])
                for fd in done.fds:
                    os.close(fd)
                with echo(container, 80), echo(container, 81):
                    await scene(Attack(network, neighbour))
            finally:
                await network.teardown()

    asyncio.run(play())


def give_up_loopback(gateway: str) -> None:
    """Make this namespace send 127.0.0.1 out by its link, as an attacker with a raw socket would."""
    for interface in ("all", "eth0"):
        with open(f"/proc/sys/net/ipv4/conf/{interface}/route_localnet", "w", encoding="ascii") as file:
            file.write("1")
    with Netlink() as netlink:
        netlink.batch([rtnetlink.delete_address(1, "127.0.0.1/8")])
        netlink.batch([route("127.0.0.0", 8, gateway)])


@own_network
def test_neighbour_is_kept_out() -> None:
    async def scene(attack: Attack) -> None:
        assert ask("127.0.0.1", 8080) == "10.231.0.1", "the host itself gets in"
        assert not attack.reaches(CONTAINER, 80)
        assert not attack.reaches(CONTAINER, 81)
        assert not attack.reaches("127.0.0.1", 8080)
        assert not attack.reaches(HOST, 8080)

    under_attack(scene)


@own_network
def test_without_the_drops_the_attack_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this guards against is real on this kernel: the same table without its raw and forward drops lets it in."""
    whole = RuleSet.rules
    dropping = (
        "to loopback from outside",
        "as loopback from outside",
        "routed around a bridge",
        "into a bridge",
    )
    monkeypatch.setattr(RuleSet, "rules", lambda self, f: [r for r in whole(self, f) if r.comment not in dropping])

    async def scene(attack: Attack) -> None:
        kernel = Nftables()
        assert ("raw", "to loopback from outside") not in kernel.rules(TABLE)
        kernel.close()
        assert attack.reaches(CONTAINER, 80)
        assert attack.reaches(CONTAINER, 81)
        assert attack.reaches("127.0.0.1", 8080)

    under_attack(scene)


def test_every_bridge_has_its_drop() -> None:
    bridges = (SETTINGS, BridgeSettings("crkother", "10.232.0.1/24", address6="fd00:232::1/64"))
    held = rules.RuleSet(TABLE, bridges).entries()
    assert len(held[IPV4, "subnets"]) == 4, "the first address of each, and the one behind the last"
    assert len(held[IPV6, "subnets"]) == 2


#: Networks of which one publishes a port on the host's own addresses, and one nothing
FIRST, SECOND = network(1, ipv6=True), network(2, ipv6=True)
LOOPBACKS = (("127.0.0.1", 8080), ("::1", 8080))


async def attacked(site: Site) -> dict[str, bool]:
    """What a neighbour reaches that routes all our networks, and 127.0.0.1, by the host."""
    one, two = await site.container("one", FIRST), await site.container("two", SECOND)
    await one.publish("127.0.0.1:8080:80", "[::1]:8080:80")
    site.route_by_us("10.231.0.0/16", "fd00:231::/32")
    site.neighbour.run(lambda: give_up_loopback(site_module.HOST))
    aims = {f"port {port} of {c.name}, IPv{v}": (a, port)
            for c in (one, two) for v, a in ((4, c.address), (6, c.address6)) for port in (80, 81)}  # fmt: skip
    aims |= {f"gateway {v}": (a, 8080) for v, a in ((4, "10.231.1.1"), (6, "fd00:231:1::1"))}
    aims |= {"127.0.0.1": ("127.0.0.1", 8080)}
    tries = [asyncio.to_thread(site.from_outside, *where, timeout=2) for where in aims.values()]
    return {aim: answer is not None for aim, answer in zip(aims, await asyncio.gather(*tries), strict=True)}


@own_network
def test_neighbours_are_kept_out_of_many_networks_over_both_families() -> None:
    async def scene(site: Site) -> None:
        reached = await attacked(site)
        assert not any(reached.values()), reached
        for address, port in LOOPBACKS:
            assert await asyncio.to_thread(ask, address, port) is not None, "the host itself gets in"

    on_site([FIRST, SECOND], scene)


EARLY = ("to loopback from outside", "as loopback from outside", "routed around a bridge")


def without(monkeypatch: pytest.MonkeyPatch, *comments: str) -> None:
    """The firewall lacks these rules."""
    whole = RuleSet.rules
    monkeypatch.setattr(RuleSet, "rules", lambda self, f: [r for r in whole(self, f) if r.comment not in comments])


@own_network
def test_with_rules_as_docker_had_them_before_28_they_get_to_the_hosts_own_ports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the drops before tracking what is forwarded is left to the forward chain, as Docker left it."""
    without(monkeypatch, *EARLY)

    async def scene(site: Site) -> None:
        reached = await attacked(site)
        assert reached.pop("127.0.0.1")
        assert not any(value for aim, value in reached.items() if not aim.startswith("gateway")), "forward keeps these"

    on_site([FIRST, SECOND], scene)


@own_network
def test_with_a_forward_chain_that_accepts_they_get_in_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the many hosts whose policy it was."""
    without(monkeypatch, *EARLY, "into a bridge")

    async def scene(site: Site) -> None:
        reached = await attacked(site)
        assert all(value for aim, value in reached.items() if not aim.startswith("gateway")), reached

    on_site([FIRST, SECOND], scene)
