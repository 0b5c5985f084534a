"""What the containers' network stands on is taken away by another program, and comes back by itself."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.root.netns import Namespace, ask, echo, own_network
from tests.root.one_network import OneNetwork

from carrack.linux import nft_messages, rtnetlink
from carrack.linux.netlink import Message, Netlink
from carrack.linux.nftables import Nftables
from carrack.model.ports import PublishedPort
from carrack.network.bridge import BridgeSettings
from carrack.network.plan import Existing

pytestmark = pytest.mark.root

SETTINGS = BridgeSettings(f"crkh{os.getpid() % 100000}", "10.231.0.1/24")
TABLE = f"crk-test-heal-{os.getpid()}"
FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
PORT = PublishedPort("80/tcp", "", "8099")


async def until(check: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not check():
        assert time.monotonic() < end, "it was not healed"
        await asyncio.sleep(0.02)


def in_use(scene: Callable[[OneNetwork, Namespace], Awaitable[None]]) -> None:
    """A network with one container that listens on port 80, published as 8099."""

    async def play() -> None:
        network = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
        await network.setup()
        try:
            with Namespace() as inside, echo(inside, 80):
                await network.connect("c1", inside.fd, inside.netlink_fd)
                published = await network.publish("c1", [PORT])
                await until(works)
                await scene(network, inside)
                for fd in published.fds:
                    os.close(fd)
        finally:
            await network.teardown()

    asyncio.run(play())


def works() -> bool:
    """The published port answers on the gateway's address, and the container on its own."""
    return ask("10.231.0.1", 8099, timeout=0.5) is not None and ask("10.231.0.2", 80, timeout=0.5) is not None


def the_bridge() -> rtnetlink.Link | None:
    with Netlink() as netlink:
        return rtnetlink.find_link(netlink, SETTINGS.name)


def change(*messages: Message) -> None:
    with Netlink() as netlink:
        netlink.batch(messages)


@own_network
def test_a_deleted_bridge_comes_back_with_its_cables(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(network: OneNetwork, inside: Namespace) -> None:
        before = the_bridge()
        assert before is not None
        change(rtnetlink.delete_link(before.index))
        await until(works)
        after = the_bridge()
        assert after is not None
        assert (after.index != before.index, after.address) == (True, before.address)
        assert f"bridge {SETTINGS.name} was deleted by another program: restored" in caplog.text
        with Namespace() as other:
            await network.connect("c2", other.fd, other.netlink_fd)
            assert other.run(lambda: ask("10.231.0.2", 80)) == "10.231.0.3"

    in_use(scene)


@own_network
def test_a_container_that_starts_as_the_bridge_goes_has_it_made_again() -> None:
    async def scene(network: OneNetwork, inside: Namespace) -> None:
        bridge = the_bridge()
        assert bridge is not None
        with Namespace() as other:
            change(rtnetlink.delete_link(bridge.index))
            await network.connect("c2", other.fd, other.netlink_fd)
            assert other.run(lambda: ask("10.231.0.2", 80)) == "10.231.0.3"

    in_use(scene)


@own_network
@pytest.mark.parametrize("way", ["down", "address"])
def test_a_bridge_put_down_or_robbed_of_its_address_works_again(way: str) -> None:
    async def scene(network: OneNetwork, inside: Namespace) -> None:
        bridge = the_bridge()
        assert bridge is not None
        down = rtnetlink.set_link(bridge.index, up=False)
        robbed = rtnetlink.delete_address(bridge.index, SETTINGS.address)
        change(down if way == "down" else robbed)
        await until(works)

    in_use(scene)


@own_network
def test_forwarding_that_is_switched_off_comes_back_guarded(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(network: OneNetwork, inside: Namespace) -> None:
        FORWARD.write_text("0")
        await until(lambda: FORWARD.read_text().strip() == "1")
        await until(lambda: "forwarding was switched off" in caplog.text)
        kernel = Nftables()
        assert (TABLE, "guard") in kernel.base_chains()
        kernel.close()
        assert works()

    FORWARD.write_text("1")
    in_use(scene)


@own_network
@pytest.mark.parametrize("way", ["deleted", "flushed"])
def test_a_firewall_table_that_is_taken_away_comes_back_with_its_ports(way: str) -> None:
    async def scene(network: OneNetwork, inside: Namespace) -> None:
        if way == "deleted":
            kernel = Nftables()
            kernel.commit([nft_messages.delete_table(TABLE)])
            kernel.close()
        else:
            await asyncio.to_thread(subprocess.run, ["nft", "flush", "table", "ip", TABLE], check=True)
        await until(works)

    in_use(scene)


@own_network
def test_a_bridge_deleted_while_no_daemon_ran_gets_its_cables_back() -> None:
    async def first() -> Existing:
        network = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
        await network.setup()
        endpoint = await network.connect("c1", inside.fd, inside.netlink_fd)
        await network.close()
        return network.past(endpoint, {}, process.pid)

    async def second(past: Existing) -> None:
        bridge = the_bridge()
        assert bridge is not None
        change(rtnetlink.delete_link(bridge.index))
        network = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
        await network.setup({"c1": past})
        assert ask("10.231.0.2", 80) is not None
        await network.teardown()

    with Namespace() as inside, echo(inside, 80):
        process = inside.run(lambda: subprocess.Popen(["cat"], stdin=subprocess.PIPE))
        try:
            asyncio.run(second(asyncio.run(first())))
        finally:
            process.communicate()
