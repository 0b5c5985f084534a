"""CVE-2024-32473, CVE-2020-13401: an IPv4-only network speaks no IPv6, on either end of the cable or on the bridge."""

import asyncio
import os
from pathlib import Path

import pytest
from tests.root.netns import Namespace, own_network

from carrack.network.bridge import BridgeSettings
from carrack.network.service import BridgeNetwork

pytestmark = pytest.mark.root

SETTINGS = BridgeSettings(f"crk{os.getpid() % 100000}", "10.231.0.1/24")


def addresses() -> list[str]:
    """Interfaces with an IPv6 address, here."""
    return [line.split()[-1] for line in Path("/proc/thread-self/net/if_inet6").read_text().splitlines()]


@own_network
def test_nobody_makes_up_an_address() -> None:
    async def play() -> None:
        network = BridgeNetwork(SETTINGS, "n" * 64, table=f"crk-test-{os.getpid()}")
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
        network = BridgeNetwork(SETTINGS, "n" * 64, table=f"crk-test-{os.getpid()}")
        await network.setup()
        assert Path(f"/proc/sys/net/ipv6/conf/{SETTINGS.name}/disable_ipv6").read_text() == "1\n"
        await network.teardown()

    asyncio.run(play())
