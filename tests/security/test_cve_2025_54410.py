"""CVE-2025-54410: networks stay closed to each other, and ports of 127.0.0.1 to the neighbourhood, when another program
removes the rules (``firewall-cmd --reload``, ``nft flush ruleset``).

Until the kernel has told of the loss the way is open, which is shown first: it is the rules that close it.
"""

import asyncio
import logging
import shutil
import subprocess

import pytest
from tests.root.netns import own_network
from tests.root.site import TABLE, Container, Site, network, on_site, until

from carrack.linux.nft_expressions import IPV4, IPV6
from carrack.linux.nft_messages import delete_table
from carrack.linux.nftables import Nftables

pytestmark = pytest.mark.root

ONE, TWO = network(1, ipv6=True), network(2, ipv6=True)


def reaches(a: Container, b: Container) -> list[bool]:
    """Whether ``a`` gets to ports of ``b`` that are not published, by each family."""
    return [a.ask(address, 81, timeout=0.3) is not None for address in (b.address, b.address6)]


@own_network
def test_without_the_rules_networks_are_open_to_each_other() -> None:
    async def scene(site: Site) -> None:
        a, b = await site.container("a", ONE), await site.container("b", TWO)
        assert reaches(a, b) == [False, False]
        await site.fabric.close()  # nobody watches any more
        thief = Nftables()
        thief.commit([delete_table(TABLE, family) for family in (IPV4, IPV6)])
        thief.close()
        assert reaches(a, b) == [True, True]

    on_site([ONE, TWO], scene)


@own_network
@pytest.mark.skipif(not shutil.which("nft"), reason="the nft program is not installed")
@pytest.mark.parametrize(
    "theft",
    ["flush ruleset", f"flush table ip6 {TABLE}", f"delete table ip {TABLE}"],
    ids=["ruleset", "content", "table"],
)
def test_they_are_closed_again_at_once(theft: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scene(site: Site) -> None:
        a, b = await site.container("a", ONE), await site.container("b", TWO)
        await b.publish("127.0.0.1:8080:80")
        await asyncio.to_thread(subprocess.run, ["nft", *theft.split()], check=True)
        await until(lambda: "restored" in caplog.text)
        assert f"nftables table {TABLE} was changed by another program: restored" in caplog.text
        assert reaches(a, b) == [False, False]
        for address in ("192.0.2.1", "2001:db8::1"):
            assert site.from_outside(address, 8080, timeout=0.3) is None

    with caplog.at_level(logging.WARNING):
        on_site([ONE, TWO], scene)


@own_network
def test_nothing_is_connected_or_published_behind_a_firewall_with_holes() -> None:
    """What starts in the moment between the loss and its notice finds the rules back, or does not start."""

    async def scene(site: Site) -> None:
        a, b = await site.container("a", ONE), await site.container("b", TWO)
        thief = Nftables()
        for _ in range(5):
            thief.commit([delete_table(TABLE, family) for family in (IPV4, IPV6)])
            await asyncio.sleep(0)  # the notice has come, but nobody has acted upon it
            await b.publish("8080:80")
            assert reaches(a, b) == [False, False]
            await b.republish(remove=["8080:80"])
        thief.close()

    on_site([ONE, TWO], scene)
