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
from tests.root.netns import Namespace, ask, cable, echo, own_network
from tests.root.one_network import OneNetwork

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
