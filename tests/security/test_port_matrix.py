"""Who reaches a published port: this host, a container, a neighbour; over both families; by each kind of address.

``host``: a program of this host. ``itself``: the container that publishes. ``next``: another on its network. ``other``:
one on another network. ``outside``: a neighbour on the host's link. Under each: as whom the container sees them, or
``-`` where they are not let in; a clear ``the gateway`` is its own network's.
"""

import asyncio
import functools
from collections.abc import Callable

import pytest
from tests.root.netns import PATIENCE, ask, own_network
from tests.root.site import HOST, HOST6, OUTSIDE, OUTSIDE6, Container, Site, network, on_site

pytestmark = pytest.mark.root

FOUR, BOTH, OTHER = network(1), network(2, ipv6=True), network(3, ipv6=True)
GATEWAY, GATEWAY6, RELAY = "10.231.2.1", "fd00:231:2::1", "10.231.1.1"

#: published on → called at → who is seen, by caller
WITH_IPV6 = {
    "0.0.0.0": {
        "127.0.0.1": {"host": GATEWAY},
        HOST: {"host": HOST, "itself": GATEWAY, "next": GATEWAY, "other": GATEWAY, "outside": OUTSIDE},
        "::1": {},
        HOST6: {},
    },
    "127.0.0.1": {"127.0.0.1": {"host": GATEWAY}, HOST: {}, "::1": {}, HOST6: {}},
    HOST: {
        "127.0.0.1": {},
        HOST: {"host": HOST, "itself": GATEWAY, "next": GATEWAY, "other": GATEWAY, "outside": OUTSIDE},
        HOST6: {},
    },
    "::": {
        "127.0.0.1": {},
        HOST: {},
        "::1": {"host": GATEWAY6},
        HOST6: {"host": HOST6, "itself": GATEWAY6, "next": GATEWAY6, "other": GATEWAY6, "outside": OUTSIDE6},
    },
    "::1": {"127.0.0.1": {}, "::1": {"host": GATEWAY6}, HOST6: {}},
    HOST6: {
        "::1": {},
        HOST6: {"host": HOST6, "itself": GATEWAY6, "next": GATEWAY6, "other": GATEWAY6, "outside": OUTSIDE6},
    },
}
#: The container has no IPv6: what comes by it is relayed, and its neighbours have none to call by.
WITHOUT = {
    "127.0.0.1": {"127.0.0.1": {"host": RELAY}, HOST: {}, "::1": {}, HOST6: {}},
    "::": {"127.0.0.1": {}, "::1": {"host": RELAY}, HOST6: {"host": RELAY, "other": RELAY, "outside": RELAY}},
    "::1": {"127.0.0.1": {}, "::1": {"host": RELAY}, HOST6: {}},
    HOST6: {"::1": {}, HOST6: {"host": RELAY, "other": RELAY, "outside": RELAY}},
}


async def seen(site: Site, callers: dict[str, Container], address: str, wanted: dict[str, str]) -> dict[str, str]:
    """By whom port 8080 at an address is reached, and as whom; long is only waited for who is to reach it."""
    asked = {"host": ask, "outside": site.from_outside, **{name: c.ask for name, c in callers.items()}}
    calls: dict[str, Callable[[], str | None]] = {
        name: functools.partial(call, address, 8080, timeout=PATIENCE if name in wanted else 0.5)
        for name, call in asked.items()
    }
    answers = await asyncio.gather(*(asyncio.to_thread(call) for call in calls.values()))
    return {name: answer for name, answer in zip(calls, answers, strict=True) if answer is not None}


@own_network
@pytest.mark.parametrize("where", WITH_IPV6)
def test_a_container_with_ipv6(where: str) -> None:
    check(where, BOTH, WITH_IPV6[where])


@own_network
@pytest.mark.parametrize("where", WITHOUT)
def test_a_container_without_ipv6(where: str) -> None:
    check(where, FOUR, WITHOUT[where])


def check(where: str, on: object, wanted: dict[str, dict[str, str]]) -> None:
    async def scene(site: Site) -> None:
        plan = BOTH if on is BOTH else FOUR
        web = await site.container("web", plan)
        callers = {"itself": web, "next": await site.container("next", plan), "other": await site.container("o", OTHER)}
        await web.publish(f"[{where}]:8080:80" if ":" in where else f"{where}:8080:80")
        assert {address: await seen(site, callers, address, to) for address, to in wanted.items()} == wanted

    on_site([FOUR, BOTH, OTHER], scene)
