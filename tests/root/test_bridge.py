"""The bridge itself and what the kernel holds of it: interfaces, switches, nftables as nft reads them."""

import asyncio
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.root.netns import Namespace, ask, cable, echo, own_network
from tests.root.one_network import OneNetwork
from tests.suites.nftables import check_nftables
from tests.suites.wires import check_wire

from carrack.errors import Conflict, InvalidArgument
from carrack.linux import nft_expressions, nft_messages, rtnetlink
from carrack.linux.netlink import Netlink
from carrack.linux.nftables import Nftables
from carrack.network import bridge, graves
from carrack.network.bridge import BridgeSettings
from carrack.network.cabling import Cabling
from carrack.network.firewall import Firewall
from carrack.network.mappings import PortMapping
from carrack.network.sandbox import Sandbox
from carrack.network.stance import Stance

pytestmark = pytest.mark.root

SETTINGS = BridgeSettings(f"crk{os.getpid() % 100000}", "10.231.0.1/24")
TABLE = f"crk-test-{os.getpid()}"
GOLDEN = Path(__file__).parents[1] / "golden" / "nft"


def switch(name: str) -> str:
    return Path("/proc/sys", name).read_text().strip()


def with_network(scene: Callable[[OneNetwork], Awaitable[None]], settings: BridgeSettings = SETTINGS) -> None:
    async def play() -> None:
        network = OneNetwork(settings, "n" * 64, table=TABLE)
        await network.setup()
        try:
            await scene(network)
        finally:
            await network.teardown()

    asyncio.run(play())


@own_network
def test_kernel_keeps_the_contract() -> None:
    kernel = Nftables()
    check_nftables(kernel)
    kernel.close()


@own_network
def test_a_bridge_is_a_wire() -> None:
    settings = BridgeSettings(SETTINGS.name, "10.236.0.1/24")
    check_wire(lambda: Cabling(settings, "carrack test ab"), SETTINGS.name)


@own_network
def test_bridge_is_made_brought_into_shape_and_removed() -> None:
    with Netlink() as netlink:
        index = bridge.ensure(netlink, SETTINGS)
        link = rtnetlink.find_link(netlink, SETTINGS.name)
        assert link is not None
        assert (link.kind, link.up, link.mtu) == ("bridge", True, 1500)
        assert rtnetlink.addresses(netlink, index) == ["10.231.0.1/24"]
        assert switch(f"net/ipv6/conf/{SETTINGS.name}/disable_ipv6") == "1"
        moved = BridgeSettings(SETTINGS.name, "10.233.0.1/24", 1400)
        assert bridge.ensure(netlink, moved) == index
        assert rtnetlink.addresses(netlink, index) == ["10.233.0.1/24"]
        wire = Cabling(SETTINGS)
        wire.retire(netlink)
        graves.delete(netlink)
        wire.retire(netlink)
        graves.delete(netlink)
        assert rtnetlink.find_link(netlink, SETTINGS.name) is None


@own_network
def test_a_name_taken_by_something_else_is_refused() -> None:
    with Namespace() as other, Netlink() as netlink:
        netlink.batch([rtnetlink.add_veth(SETTINGS.name, "eth0", other.fd, 1500)])
        with pytest.raises(Conflict, match="is not a bridge"):
            bridge.ensure(netlink, SETTINGS)


@own_network
def test_switches_are_set_behind_the_rules_and_set_back() -> None:
    async def scene(network: OneNetwork) -> None:
        assert switch("net/ipv4/ip_forward") == "1"
        assert switch(f"net/ipv4/conf/{SETTINGS.name}/route_localnet") == "1"
        assert switch("net/ipv4/conf/lo/route_localnet") == "0"

    assert switch("net/ipv4/ip_forward") == "0"
    with_network(scene)
    assert switch("net/ipv4/ip_forward") == "0"


@own_network
def test_forwarding_that_was_on_stays_on_and_unguarded() -> None:
    async def scene(network: OneNetwork) -> None:
        kernel = Nftables()
        assert (TABLE, "guard") not in kernel.base_chains()
        kernel.close()

    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    with_network(scene)
    assert switch("net/ipv4/ip_forward") == "1"


@own_network
def test_another_firewall_keeps_its_word_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(network: OneNetwork) -> None:
        assert "chain ip crk-other FORWARD drops what it does not accept" in caplog.text
        with Namespace() as inside, Namespace() as outside:
            cable(outside, "uplink", "192.0.2.1/24", "192.0.2.2/24")
            await network.connect("c1", inside.fd, inside.netlink_fd)
            with echo(outside, 80):
                assert inside.run(lambda: ask("192.0.2.2", 80, timeout=0.3)) is None
                kernel.commit([nft_messages.delete_table("crk-other")])
                assert inside.run(lambda: ask("192.0.2.2", 80)) == "192.0.2.1"

    kernel = Nftables()
    hook = (nft_messages.FORWARD, nft_messages.PRIORITY_FILTER)
    other = nft_messages.add_chain("crk-other", "FORWARD", "filter", *hook, policy=nft_expressions.DROP)
    kernel.commit([nft_messages.add_table("crk-other"), other])
    with_network(scene)
    kernel.close()


@own_network
@pytest.mark.parametrize("mac", ["nonsense", "03:42:ac:11:00:02"])
def test_bad_mac_addresses_are_refused_and_leave_nothing(mac: str) -> None:
    async def scene(network: OneNetwork) -> None:
        with Namespace() as one:
            with pytest.raises(InvalidArgument, match="invalid MAC address"):
                await network.connect("c1", one.fd, one.netlink_fd, mac=mac)
            endpoint = await network.connect("c1", one.fd, one.netlink_fd, mac="02:42:00:00:00:99")
            assert (endpoint["IPAddress"], endpoint["MacAddress"]) == ("10.231.0.2", "02:42:00:00:00:99")
            with one.netlink() as inside:
                link = rtnetlink.find_link(inside, "eth0")
                assert link is not None
                assert link.address == "02:42:00:00:00:99"

    with_network(scene)


@own_network
def test_the_last_daemon_switches_forwarding_off() -> None:
    async def play() -> None:
        first = OneNetwork(SETTINGS, "n" * 64, table=TABLE)
        second = OneNetwork(BridgeSettings("crkother", "10.232.0.1/24"), "m" * 64, table=f"{TABLE}-other")
        await first.setup()
        await second.setup()
        await first.teardown()
        assert switch("net/ipv4/ip_forward") == "1"
        kernel = Nftables()
        assert (f"{TABLE}-other", "guard") in kernel.base_chains()
        kernel.close()
        await second.teardown()
        assert switch("net/ipv4/ip_forward") == "0"

    asyncio.run(play())


@own_network
def test_host_does_not_become_a_router_of_its_other_links() -> None:
    forwarding = Path("/proc/sys/net/ipv4/ip_forward")
    with Namespace() as left, Namespace() as right:
        cable(left, "left", "192.0.2.1/24", "192.0.2.2/24", gateway="192.0.2.1")
        cable(right, "right", "198.51.100.1/24", "198.51.100.2/24", gateway="198.51.100.1")

        async def scene(network: OneNetwork) -> None:
            assert left.run(lambda: ask("198.51.100.2", 80, timeout=0.3)) is None

        with echo(right, 80):
            forwarding.write_text("1")
            assert left.run(lambda: ask("198.51.100.2", 80)) == "192.0.2.2"
            forwarding.write_text("0")
            with_network(scene)


@own_network
def test_isolated_containers_reach_the_outside_but_not_each_other() -> None:
    async def scene(network: OneNetwork) -> None:
        with Namespace() as one, Namespace() as two, Namespace() as outside:
            cable(outside, "uplink", "192.0.2.1/24", "192.0.2.2/24")
            await network.connect("c1", one.fd, one.netlink_fd)
            await network.connect("c2", two.fd, two.netlink_fd)
            with echo(two, 80), echo(outside, 80):
                assert one.run(lambda: ask("10.231.0.3", 80, timeout=0.3)) is None
                assert one.run(lambda: ask("192.0.2.2", 80)) == "192.0.2.1"

    with_network(scene, BridgeSettings(SETTINGS.name, SETTINGS.address, isolated=True))


@own_network
def test_bridges_are_closed_to_each_other() -> None:
    async def scene(network: OneNetwork) -> None:
        other = OneNetwork(BridgeSettings("crkother", "10.232.0.1/24"), "m" * 64, table=f"{TABLE}-other")
        await other.setup()
        with Namespace() as one, Namespace() as two:
            await network.connect("c1", one.fd, one.netlink_fd)
            await other.connect("c2", two.fd, two.netlink_fd)
            with echo(two, 80):
                assert one.run(lambda: ask("10.232.0.2", 80, timeout=0.3)) is None
                assert ask("10.232.0.2", 80) is not None
        await other.teardown()

    with_network(scene)


@own_network
def test_cable_is_cut_when_the_sandbox_lives_on() -> None:
    async def scene(network: OneNetwork) -> None:
        with Namespace() as one:
            await network.connect("c1", one.fd, one.netlink_fd)
            with one.netlink() as inside:
                assert [link.name for link in rtnetlink.links(inside) if link.kind == "veth"] == ["eth0"]
                await network.fabric.disconnect("c1", sandbox=Sandbox(one.fd, one.netlink_fd))
                assert [link.name for link in rtnetlink.links(inside) if link.kind == "veth"] == []

    with_network(scene)


_PLAIN = BridgeSettings("carrack0", "172.17.0.1/16")
_CASES = {
    "plain": ((_PLAIN,), False, False),
    "guarded-isolated": (
        (
            BridgeSettings("carrack0", "172.17.0.1/16", isolated=True),
            BridgeSettings("inner", "10.9.0.1/24", masquerade=False),
        ),
        True,
        False,
    ),
    "many": (
        (
            BridgeSettings("both", "172.18.0.1/16", address6="fd00:18::1/64"),
            BridgeSettings("closed", "172.19.0.1/16", address6="fd00:19::1/64", internal=True),
            BridgeSettings("known", "172.20.0.1/16", gateway_mode4="routed", trusted_interfaces=("uplink",)),
            BridgeSettings("open", "172.21.0.1/16", gateway_mode4="nat-unprotected", source4="192.0.2.9"),
            BridgeSettings("six", "", address6="fd00:22::1/64", masquerade6=False),
        ),
        False,
        True,
    ),
}


@pytest.mark.skipif(not shutil.which("nft"), reason="the nft program is not installed")
@pytest.mark.parametrize("case", _CASES)
@own_network
@pytest.mark.census("network nftables backend (29 experimental)")
def test_nft_reads_what_we_mean(case: str) -> None:
    bridges, guard, direct = _CASES[case]
    kernel = Nftables()
    firewall = Firewall(kernel, stance=Stance(direct_routing=direct, mark=(16, 240) if direct else None), relay=40000)
    firewall.install(bridges, guard=guard, guard6=guard)
    firewall.publish(
        "c1",
        [
            PortMapping("tcp", "0.0.0.0", 8080, "172.17.0.2", 80, direct=direct),
            PortMapping("udp", "192.0.2.1", 53, "172.17.0.2", 5353),
            PortMapping("udp", "0.0.0.0", 10000, "172.17.0.2", 10000, 10001),
            PortMapping("tcp", "127.0.0.1", 7000, "172.17.0.2", 7000, 2),
            PortMapping("tcp", "::", 8080, "172.17.0.2", 80),
            PortMapping("tcp", "0.0.0.0", 443, "172.17.0.2", 443, allow=("10.0.0.0/8", "fd00::/8")),
            PortMapping("tcp", "::", 443, "fd00:18::2", 443, allow=("10.0.0.0/8", "fd00::/8")),
        ],
    )
    kernel.close()
    for family in ("ip", "ip6"):
        golden = GOLDEN / case / f"{family}.nft"
        listed = _ordered(nft("list", "table", family, "carrack"))
        if os.environ.get("UPDATE_GOLDEN"):
            golden.parent.mkdir(exist_ok=True)
            golden.write_text(listed)
        told, unreadable = _parted(golden.read_text())
        with Namespace() as other:
            assert _parted(listed) == (other.run(functools.partial(_read_back, family, told)), unreadable)


def _parted(listing: str) -> tuple[str, list[str]]:
    """What nft can read again, and its lines about bytes for which it has no name, which it cannot."""
    lines = listing.splitlines(keepends=True)
    return "".join(line for line in lines if "@th," not in line), [line for line in lines if "@th," in line]


def _read_back(family: str, listing: str) -> str:
    nft("-f", "-", stdin=listing)
    return _ordered(nft("list", "table", family, "carrack"))


def _ordered(listing: str) -> str:
    """With the entries of each set in order: a hash has none."""

    def lines(found: re.Match[str]) -> str:
        return "elements = {\n\t\t\t" + ",\n\t\t\t".join(sorted(re.split(r",\s+", found[1]))) + "\n\t\t}"

    return re.sub(r"elements = \{ (.*?) \}", lines, listing, flags=re.S)


def nft(*arguments: str, stdin: str = "") -> str:
    """What the nft program prints; its words differ by version, so both sides of a comparison are its own."""
    return subprocess.run(["nft", *arguments], check=True, capture_output=True, text=True, input=stdin).stdout
