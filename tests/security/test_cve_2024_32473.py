"""CVE-2024-32473, CVE-2020-13401: an IPv4-only network speaks no IPv6, on either end of the cable or on the bridge.

A container with CAP_NET_RAW can announce itself as a router. The host's bridge has no IPv6 at all; a sandbox must have
``net.ipv6.conf.default.disable_ipv6`` set before its cable comes, since that cannot be done from outside.
"""

import asyncio
import os
import socket
import struct
from pathlib import Path

import pytest
from tests.root.netns import Namespace, own_network
from tests.root.one_network import OneNetwork

from carrack.network.bridge import BridgeSettings

pytestmark = pytest.mark.root

SETTINGS = BridgeSettings(f"crk{os.getpid() % 100000}", "10.231.0.1/24")


def addresses() -> list[str]:
    """Interfaces with an IPv6 address, here."""
    return [line.split()[-1] for line in Path("/proc/thread-self/net/if_inet6").read_text().splitlines()]


@own_network
def test_nobody_makes_up_an_address() -> None:
    async def play() -> None:
        network = OneNetwork(SETTINGS, "n" * 64, table=f"crk-test-{os.getpid()}")
        await network.setup()
        with Namespace() as container:
            await network.connect("c1", container.fd, container.netlink_fd)
            assert set(container.run(addresses)) <= {"lo"}
            assert set(addresses()) <= {"lo"}
        await network.teardown()

    asyncio.run(play())


@own_network
def test_bridge_takes_no_router_advertisements() -> None:
    async def play() -> None:
        network = OneNetwork(SETTINGS, "n" * 64, table=f"crk-test-{os.getpid()}")
        await network.setup()
        assert Path(f"/proc/sys/net/ipv6/conf/{SETTINGS.name}/disable_ipv6").read_text() == "1\n"
        await network.teardown()

    asyncio.run(play())


def advertise() -> None:
    """Send a router advertisement for fd00:1234::/64 to all nodes on the link (RFC 4861 section 4.2)."""
    mac = bytes.fromhex("0242aabbccdd")
    prefix = struct.pack(">BBBBIII", 3, 4, 64, 0xC0, 86400, 14400, 0) + socket.inet_pton(socket.AF_INET6, "fd00:1234::")
    message = struct.pack(">BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0) + b"\x01\x01" + mac + prefix
    ends = b"".join(socket.inet_pton(socket.AF_INET6, address) for address in ("fe80::1", "ff02::1"))
    checked = ends + struct.pack(">II", len(message), socket.IPPROTO_ICMPV6) + message
    total = sum(struct.unpack(f">{len(checked) // 2}H", checked))
    total = (total & 0xFFFF) + (total >> 16)
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    message = message[:2] + struct.pack(">H", checksum) + message[4:]
    header = struct.pack(">IHBB", 6 << 28, len(message), socket.IPPROTO_ICMPV6, 255) + ends
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind(("eth0", 0))
        wire.send(bytes.fromhex("333300000001") + mac + b"\x86\xdd" + header + message)


def disable_ipv6() -> None:
    """What a sandbox does before its cable comes."""
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")


@pytest.mark.parametrize("disabled", [True, False])
@own_network
def test_a_false_router_finds_nobody(disabled: bool) -> None:
    """With the switch nobody listens; without it the victim takes an address and a route: the attack is real."""

    async def play() -> None:
        network = OneNetwork(SETTINGS, "n" * 64, table=f"crk-test-{os.getpid()}")
        await network.setup()
        with Namespace() as attacker, Namespace() as victim:
            if disabled:
                victim.run(disable_ipv6)
            await network.connect("c1", attacker.fd, attacker.netlink_fd)
            await network.connect("c2", victim.fd, victim.netlink_fd)
            fooled = False
            for _ in range(10 if disabled else 100):
                attacker.run(advertise)
                fooled = "eth0" in victim.run(addresses)
                if fooled:
                    break
                await asyncio.sleep(0.02)
            assert fooled is not disabled
            assert set(addresses()) <= {"lo"}, "the host's bridge takes no part"
        await network.teardown()

    asyncio.run(play())


@own_network
def test_a_false_router_finds_nobody_on_a_network_with_ipv6_either() -> None:
    """Addresses and routes there are the engine's: advertisements are not taken, by containers or by the bridge."""

    async def play() -> None:
        settings = BridgeSettings(SETTINGS.name, SETTINGS.address, address6="fd00:231::1/64")
        network = OneNetwork(settings, "n" * 64, table=f"crk-test-{os.getpid()}")
        await network.setup()
        with Namespace() as attacker, Namespace() as victim:
            for inside in (attacker, victim):
                inside.run(disable_ipv6)
            await network.connect("c1", attacker.fd, attacker.netlink_fd)
            await network.connect("c2", victim.fd, victim.netlink_fd)
            for _ in range(20):
                attacker.run(advertise)
                await asyncio.sleep(0.02)
            held = victim.run(lambda: Path("/proc/thread-self/net/if_inet6").read_text())
            assert "fd000231" in held
            assert "fd001234" not in held
            assert "fd001234" not in Path("/proc/thread-self/net/if_inet6").read_text()
            routes = victim.run(lambda: Path("/proc/thread-self/net/ipv6_route").read_text())
            defaults = [line.split()[4] for line in routes.splitlines() if line.startswith("0" * 32 + " 00")]
            assert [one for one in defaults if one.startswith("fe80")] == []
        await network.teardown()

    asyncio.run(play())
