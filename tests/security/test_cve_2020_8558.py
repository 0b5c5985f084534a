"""CVE-2020-8558: routing 127/8 for published ports must not let containers talk to, or as, the host's loopback.

127.0.0.2 stands for the speaker's address: the kernel itself refuses an outsider only under an address that is set.
"""

import asyncio
import os
import socket
from pathlib import Path

import pytest
from tests.root.netns import Namespace, own_network
from tests.root.one_network import OneNetwork
from tests.security.test_moby_45610 import route

from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.network.bridge import BridgeSettings
from carrack.network.rules import RuleSet

pytestmark = pytest.mark.root

SETTINGS = BridgeSettings(f"crk{os.getpid() % 100000}", "10.231.0.1/24")
GATEWAY, PORT = "10.231.0.1", 5999


def speak(source: str, destination: str) -> None:
    """Send one datagram, with addresses that an attacker may choose."""
    for interface in ("all", "eth0"):
        Path(f"/proc/sys/net/ipv4/conf/{interface}/route_localnet").write_text("1")
    with Netlink() as netlink:
        # Loopback addresses lose their meaning here, so that they go out by the wire.
        if destination.startswith("127."):
            netlink.batch([rtnetlink.delete_address(1, "127.0.0.1/8"), route("127.0.0.0", 8, GATEWAY)])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        if source:
            client.bind((source, 0))
        client.sendto(b"trust me", (destination, PORT))


def heard(source: str, destination: str) -> str | None:
    """Whom a program on the host, listening on all addresses, heard from when a container speaks."""

    async def play() -> str | None:
        network = OneNetwork(SETTINGS, "n" * 64, table=f"crk-test-{os.getpid()}")
        await network.setup()
        try:
            with Namespace() as container, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
                server.bind(("", PORT))
                server.settimeout(0.3)
                await network.connect("c1", container.fd, container.netlink_fd)
                container.run(lambda: speak(source, destination))
                try:
                    return str(server.recvfrom(100)[1][0])
                except TimeoutError:
                    return None
        finally:
            await network.teardown()

    return asyncio.run(play())


@own_network
def test_honest_talk_to_the_gateway_is_heard() -> None:
    assert heard("", GATEWAY) == "10.231.0.2"


@pytest.mark.parametrize(("source", "destination"), [("127.0.0.2", GATEWAY), ("", "127.0.0.1")], ids=["as", "to"])
@own_network
def test_loopback_is_not_for_containers(source: str, destination: str) -> None:
    assert heard(source, destination) is None


@pytest.mark.parametrize(
    ("source", "destination", "by"),
    [("127.0.0.2", GATEWAY, "127.0.0.2"), ("", "127.0.0.1", "10.231.0.2")],
    ids=["as", "to"],
)
@own_network
def test_without_the_rules_it_is(monkeypatch: pytest.MonkeyPatch, source: str, destination: str, by: str) -> None:
    whole = RuleSet.rules
    without = lambda self, family: [r for r in whole(self, family) if "loopback from" not in r.comment]  # noqa: E731
    monkeypatch.setattr(RuleSet, "rules", without)
    assert heard(source, destination) == by
