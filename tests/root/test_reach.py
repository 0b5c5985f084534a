"""Who reaches whom: between networks, out of and into internal ones, the modes of gateways, limits by source."""

import asyncio
import socket
from pathlib import Path

import pytest
from tests.root.netns import ask, echo, own_network
from tests.root.site import HOST, HOST6, OUTSIDE, OUTSIDE6, Site, network, on_site, places

from carrack.errors import Internal, NotFound
from carrack.network.stance import Stance

pytestmark = pytest.mark.root

ONE, TWO = network(1, ipv6=True), network(2, ipv6=True)
INSIDE, INSIDE6 = "10.231.2.0/24", "fd00:231:2::/64"


@own_network
def test_networks_are_closed_to_each_other_but_for_published_ports_and_the_host() -> None:
    async def scene(site: Site) -> None:
        a, b = await site.container("a", ONE), await site.container("b", TWO)
        await b.publish("8080:80")
        assert ask(b.address, 81) is not None, "the host itself"
        for address in (b.address, b.address6):
            assert a.ask(address, 80, timeout=0.3) is None
            assert a.ask(address, 81, timeout=0.3) is None
        for address in (HOST, HOST6, "10.231.1.1", "fd00:231:1::1", "10.231.2.1", "fd00:231:2::1"):
            assert a.ask(address, 8080) is not None, address
            assert a.ask(address, 81, timeout=0.3) is None
        with echo(site.neighbour, 5000, address="::"):
            assert (a.ask(OUTSIDE, 5000), a.ask(OUTSIDE6, 5000)) == (HOST, HOST6)

    on_site([ONE, TWO], scene)


@own_network
def test_a_container_on_two_networks_reaches_both() -> None:
    async def scene(site: Site) -> None:
        a, b = await site.container("a", ONE), await site.container("b", TWO)
        both = await site.container("both", ONE, TWO)
        assert (both.ask(a.address, 80), both.ask(b.address, 80)) == (both.address, both.endpoints[1]["IPAddress"])
        assert a.ask(both.address, 80) == a.address
        assert a.ask(str(both.endpoints[1]["IPAddress"]), 80, timeout=0.3) is None

    on_site([ONE, TWO], scene)


@own_network
@pytest.mark.census("network create --opt")
def test_without_icc_only_published_ports_are_open_to_each_other() -> None:
    apart = network(2, ipv6=True, enable_icc="false")

    async def scene(site: Site) -> None:
        a, b = await site.container("a", apart), await site.container("b", apart)
        await b.publish("8080:80")
        for address in (b.address, b.address6):
            assert a.ask(address, 80, timeout=0.3) is None
        assert (a.ask(HOST, 8080), a.ask(HOST6, 8080)) == ("10.231.2.1", "fd00:231:2::1")
        with echo(site.neighbour, 5000):
            assert a.ask(OUTSIDE, 5000) == HOST

    on_site([apart], scene)


@own_network
@pytest.mark.census("network create --internal")
def test_nothing_leaves_or_enters_an_internal_network() -> None:
    internal = network(2, ipv6=True, internal=True)

    async def scene(site: Site) -> None:
        a, b, web = [await site.container(name, on) for name, on in (("a", internal), ("b", internal), ("web", ONE))]
        done = await b.publish("8080:80")
        assert done.ports == {}, "there is no way in for it"
        await web.publish("8081:80")
        assert (a.ask(b.address, 80), a.ask(b.address6, 80)) == (a.address, a.address6)
        assert ask(b.address, 80) is not None, "the host is on the bridge itself"
        site.route_by_us(INSIDE, INSIDE6)
        for address in (b.address, b.address6):
            assert site.from_outside(address, 80, timeout=0.3) is None
            assert web.ask(address, 80, timeout=0.3) is None
        a.inside.run(lambda: lead_out("10.231.2.1", "fd00:231:2::1"))  # what a container with NET_ADMIN may do
        with echo(site.neighbour, 5000, address="::"):
            for address in (OUTSIDE, OUTSIDE6):
                assert a.ask(address, 5000, timeout=0.3) is None
        with echo_here(5001):
            assert a.ask("10.231.2.1", 5001) == a.address
            for address in (HOST, HOST6, "10.231.1.1", "fd00:231:1::1"):
                assert a.ask(address, 5001, timeout=0.3) is None, address
        for address in (HOST, "10.231.2.1", web.address, HOST6):
            assert a.ask(address, 8081 if address != web.address else 80, timeout=0.3) is None, address

    on_site([ONE, internal], scene)


def lead_out(*gateways: str) -> None:
    from carrack.linux import rtnetlink
    from carrack.linux.netlink import Netlink

    with Netlink() as netlink:
        netlink.batch([rtnetlink.default_route(gateway) for gateway in gateways])


class echo_here:
    """A server of the host's own."""

    def __init__(self, port: int) -> None:
        from tests.root.netns import EchoServer

        class Here:
            def run(self, work):  # type: ignore[no-untyped-def]
                return work()

        self._server = EchoServer(Here(), port, address="::")  # type: ignore[arg-type]

    def __enter__(self) -> None:
        return

    def __exit__(self, *_: object) -> None:
        self._server.close()


@own_network
def test_without_masquerade_the_outside_sees_the_container() -> None:
    plain = network(2, ipv6=True, enable_ip_masquerade="false")

    async def scene(site: Site) -> None:
        a = await site.container("a", plain)
        site.route_by_us(INSIDE, INSIDE6)
        with echo(site.neighbour, 5000, address="::"):
            assert (a.ask(OUTSIDE, 5000), a.ask(OUTSIDE6, 5000)) == (a.address, a.address6)
        assert site.from_outside(a.address, 80, timeout=0.3) is None, "its ports are closed all the same"
        await a.publish("8080:80")
        assert site.from_outside(HOST, 8080) == OUTSIDE
        assert site.from_outside(a.address, 80, timeout=0.3) is None

    on_site([plain], scene)


@own_network
def test_gateway_mode_routed_opens_published_ports_where_they_are() -> None:
    routed = network(2, ipv6=True, gateway_mode_ipv4="routed", gateway_mode_ipv6="routed")

    async def scene(site: Site) -> None:
        a, other = await site.container("a", routed), await site.container("other", ONE)
        site.route_by_us(INSIDE, "10.231.1.0/24", INSIDE6)
        assert site.from_outside(a.address, 80, timeout=0.3) is None
        done = await a.publish("8080:80", "9000:81,allow=198.51.100.0/24")
        assert done.ports["80/tcp"] == places("")
        for address, us, theirs in ((a.address, OUTSIDE, "10.231.2.1"), (a.address6, OUTSIDE6, "fd00:231:2::1")):
            assert site.from_outside(address, 80) == us
            assert site.from_outside(address, 81, timeout=0.3) is None
            assert other.ask(address, 80) == theirs, "other networks, too"
        assert (site.from_outside(HOST, 8080), site.from_outside(HOST6, 8080)) == (None, None)
        assert (await asyncio.to_thread(ping, site, a.address), await asyncio.to_thread(ping, site, other.address)) == (
            True,
            False,
        )
        with echo(site.neighbour, 5000, address="::"):
            assert (a.ask(OUTSIDE, 5000), a.ask(OUTSIDE6, 5000)) == (a.address, a.address6)

    on_site([ONE, routed], scene)


def ping(site: Site, address: str) -> bool:
    """Whether the neighbour gets an echo."""

    def once() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
            raw.settimeout(0.5)
            raw.sendto(b"\x08\0\xf7\xfd\0\1\0\1", (address, 0))
            try:
                return raw.recv(100)[20] == 0
            except TimeoutError:
                return False

    return site.neighbour.run(once)


@own_network
def test_gateway_mode_nat_unprotected_opens_all_ports() -> None:
    open_ = network(2, ipv6=True, gateway_mode_ipv4="nat-unprotected", gateway_mode_ipv6="nat-unprotected")

    async def scene(site: Site) -> None:
        a, other = await site.container("a", open_), await site.container("other", ONE)
        site.route_by_us(INSIDE, INSIDE6)
        await a.publish("8080:80")
        for address, us in ((a.address, OUTSIDE), (a.address6, OUTSIDE6)):
            assert site.from_outside(address, 81) == us
            assert other.ask(address, 81, timeout=0.3) is None
        assert site.from_outside(HOST, 8080) == OUTSIDE
        with echo(site.neighbour, 5000):
            assert a.ask(OUTSIDE, 5000) == HOST

    on_site([ONE, open_], scene)


@own_network
def test_gateway_mode_isolated_has_no_address_of_the_host() -> None:
    isolated = network(2, ipv6=True, internal=True, gateway_mode_ipv4="isolated", gateway_mode_ipv6="isolated")

    async def scene(site: Site) -> None:
        a, b = await site.container("a", isolated), await site.container("b", isolated)
        assert (a.ask(b.address, 80), a.ask(b.address6, 80)) == (a.address, a.address6)
        for address in (b.address, b.address6):
            assert ask(address, 80, timeout=0.3) is None
        with echo_here(5001):
            assert a.ask("10.231.2.1", 5001, timeout=0.3) is None

    on_site([isolated], scene)


@own_network
def test_who_comes_by_a_trusted_interface_reaches_published_ports_directly() -> None:
    trusting = network(2, trusted_host_interfaces="uplink")

    async def scene(site: Site) -> None:
        a, other = await site.container("a", trusting), await site.container("other", ONE)
        await a.publish("8080:80")
        await other.publish("8081:80")
        site.route_by_us("10.231.0.0/16")
        assert site.from_outside(a.address, 80) == OUTSIDE
        assert site.from_outside(a.address, 81, timeout=0.3) is None
        assert site.from_outside(other.address, 80, timeout=0.3) is None
        assert other.ask(a.address, 80, timeout=0.3) is None

    on_site([ONE, trusting], scene)


@own_network
@pytest.mark.census("network allow-direct-routing")
def test_direct_routing_of_the_daemon() -> None:
    async def scene(site: Site) -> None:
        a, b = await site.container("a", ONE), await site.container("b", TWO)
        await a.publish("8080:80")
        site.route_by_us("10.231.0.0/16", "fd00:231::/32")
        for address, us in ((a.address, OUTSIDE), (a.address6, OUTSIDE6)):
            assert site.from_outside(address, 80) == us
            assert site.from_outside(address, 81, timeout=0.3) is None
            assert b.ask(address, 80, timeout=0.3) is None

    on_site([ONE, TWO], scene, stance=Stance(direct_routing=True))


@own_network
def test_the_address_of_ports_that_name_none() -> None:
    bound = network(2, host_binding_ipv4="127.0.0.1")

    async def scene(site: Site) -> None:
        a = await site.container("a", bound)
        done = await a.publish("8080:80", "0.0.0.0:8081:81")
        assert done.ports == {"80/tcp": places("8080", "127.0.0.1"), "81/tcp": places("8081", "0.0.0.0")}
        assert (site.from_outside(HOST, 8080), site.from_outside(HOST, 8081)) == (None, OUTSIDE)
        assert ask("127.0.0.1", 8080) is not None

    on_site([bound], scene)


@own_network
def test_a_chosen_source_address() -> None:
    chosen = network(2)
    chosen.options["com.docker.network.host_ipv4"] = "192.0.2.7"  # type: ignore[index]

    async def scene(site: Site) -> None:
        a = await site.container("a", chosen)
        from carrack.linux import rtnetlink
        from carrack.linux.netlink import Netlink

        with Netlink() as netlink, echo(site.neighbour, 5000):
            link = rtnetlink.find_link(netlink, "uplink")
            assert link is not None
            netlink.batch([rtnetlink.add_address(link.index, "192.0.2.7/24")])
            assert a.ask(OUTSIDE, 5000) == "192.0.2.7"

    on_site([chosen], scene)


@own_network
@pytest.mark.parametrize("ports", ["8080:80", "8079-8080:79-80"], ids=["one", "range"])
def test_limits_by_source_are_kept_by_the_kernel(ports: str) -> None:
    async def scene(site: Site) -> None:
        a, other = await site.container("a", ONE), await site.container("other", TWO)
        await a.publish(f"{ports},allow=10.231.2.0/24,fd00:231:2::/64")
        assert (other.ask(HOST, 8080), other.ask(HOST6, 8080)) == ("10.231.1.1", "fd00:231:1::1")
        for address in (HOST, HOST6):
            assert site.from_outside(address, 8080, timeout=0.3) is None
        for address in ("127.0.0.1", HOST, "::1", HOST6):
            assert await asyncio.to_thread(ask, address, 8080) is not None, f"the host itself, by {address}"

    on_site([ONE, TWO], scene)


@own_network
def test_limits_by_source_and_what_they_leave_open() -> None:
    async def scene(site: Site) -> None:
        a, four = await site.container("a", ONE), await site.container("four", network(3))
        await a.publish(f"8080:80,allow={OUTSIDE}/32", f"8081:81,allow={OUTSIDE6}/128")
        await four.publish(f"8082:80,allow={OUTSIDE6}/128", "8083:81,allow=2001:db9::/32")
        assert site.from_outside(HOST, 8080) == OUTSIDE
        assert site.from_outside(HOST6, 8080, timeout=0.3) is None
        assert site.from_outside(HOST, 8081, timeout=0.3) is None
        assert site.from_outside(HOST6, 8081) == OUTSIDE6
        assert await asyncio.to_thread(site.from_outside, HOST6, 8082) == "10.231.3.1", "by the relay"
        assert await asyncio.to_thread(site.from_outside, HOST6, 8083, timeout=0.3) is None
        assert site.from_outside(HOST, 8082, timeout=0.3) is None

    on_site([ONE, network(3)], scene)


@own_network
def test_ports_of_a_running_container_change_at_once_or_not_at_all() -> None:
    async def scene(site: Site) -> None:
        a, b = await site.container("a", ONE), await site.container("b", ONE)
        await a.publish("8080:80")
        await b.publish("9090:80")
        done = await a.republish(["8081:81"], ["8080:80/tcp"])
        assert done.ports == {"81/tcp": places("8081")}
        assert (site.from_outside(HOST, 8080), site.from_outside(HOST, 8081)) == (None, OUTSIDE)
        with pytest.raises(Internal, match="port is already allocated to container b"):
            await a.republish(["8082:80", "9090:81"], ["81/tcp"])
        assert (site.from_outside(HOST, 8082), site.from_outside(HOST, 8081)) == (None, OUTSIDE)
        with pytest.raises(NotFound, match="port 99/tcp is not published"):
            await a.republish(["8082:80"], ["99/tcp"])
        again = await a.republish(["8080:80"], [])
        assert again.ports == {"80/tcp": places("8080"), "81/tcp": places("8081")}
        assert site.from_outside(HOST6, 8080) == OUTSIDE6

    on_site([ONE], scene)


@own_network
def test_ports_follow_a_container_to_another_network() -> None:
    async def scene(site: Site) -> None:
        a = await site.container("a", ONE, TWO)
        await a.publish("8080:80")
        assert site.from_outside(HOST, 8080) == OUTSIDE
        from carrack.network.sandbox import Sandbox

        inside = Sandbox(a.inside.fd, a.inside.netlink_fd)
        await site.fabric.disconnect("a", ONE.id, sandbox=inside)
        assert (site.from_outside(HOST, 8080), site.from_outside(HOST6, 8080)) == (OUTSIDE, OUTSIDE6)

    on_site([ONE, TWO], scene)


def filter_bridges(switch: str) -> None:
    """Whether the IP firewall sees what stays within bridges, as the host has it."""
    for name in ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables"):
        path = Path("/proc/sys/net/bridge", name)
        if not path.exists():
            pytest.skip("this kernel has no br_netfilter")
        path.write_text(switch)


@own_network
@pytest.mark.parametrize("switch", ["0", "1"])
@pytest.mark.parametrize("icc", ["true", "false"])
def test_ports_of_neighbours_on_one_bridge_whether_bridges_are_filtered_or_not(switch: str, icc: str) -> None:
    plan = network(2, ipv6=True, enable_icc=icc)

    async def scene(site: Site) -> None:
        a, b = await site.container("a", plan), await site.container("b", plan)
        await b.publish("8080:80")
        for c in (a, b):
            assert (c.ask(HOST, 8080), c.ask(HOST6, 8080)) == ("10.231.2.1", "fd00:231:2::1")
        direct = [a.ask(address, 81, timeout=3 if icc == "true" else 0.3) for address in (b.address, b.address6)]
        assert direct == ([a.address, a.address6] if icc == "true" else [None, None])
        assert (site.from_outside(HOST, 8080), site.from_outside(HOST6, 8080)) == (OUTSIDE, OUTSIDE6)

    on_site([plan], scene, prepare=lambda: filter_bridges(switch))
