"""Published ports of SCTP from every side. Few kernels have it: the guest's does (`python -m tests.guest`)."""

import functools
from collections.abc import Callable

import pytest
from tests.root.netns import Namespace, own_network
from tests.root.site import HOST, HOST6, OUTSIDE, OUTSIDE6, Container, Site, network, on_site, places
from tests.suites.sctp import ask, has_sctp, served

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not has_sctp(), reason="this kernel has no sctp (scripts/test v2)"),
]

GATEWAY, GATEWAY6 = "10.231.1.1", "fd00:231:1::1"


def by(place: Namespace) -> Callable[..., str | None]:
    """`ask` from that place."""
    return lambda *words, **options: place.run(functools.partial(ask, *words, **options))


@own_network
@pytest.mark.census("port /tcp /udp /sctp")
@pytest.mark.parametrize("six", [False, True], ids=["4", "6"])
def test_a_port_is_reached_from_every_side(six: bool) -> None:
    host, gateway, outside = (HOST6, GATEWAY6, OUTSIDE6) if six else (HOST, GATEWAY, OUTSIDE)
    net = network(1, ipv6=six)

    async def scene(site: Site) -> None:
        web, other = Container(site, "web"), Container(site, "other")
        await web.join(net)
        await other.join(net)
        done = await web.publish("8080:80/sctp")
        assert done.ports == {"80/sctp": places("8080") if six else places("8080", "0.0.0.0")}
        own, theirs = (web.address6, other.address6) if six else (web.address, other.address)
        with served(web.inside.fd, 80):
            assert by(other.inside)(own, 80) == theirs
            assert by(site.neighbour)(host, 8080) == outside
            assert by(site.neighbour)(host, 8080, "x" * 5000) == outside, "in more than one packet"
            assert ask(host, 8080) is not None
            assert ask(gateway, 8080) is not None
            if not six:
                assert ask("127.0.0.1", 8080) == gateway
            assert by(web.inside)(host, 8080) == gateway, "hairpin to itself"
            assert by(other.inside)(host, 8080) == gateway
            assert by(other.inside)(gateway, 8080) == gateway
            await web.republish(remove=["8080:80/sctp"])
            assert by(site.neighbour)(host, 8080, timeout=0.5) is None

    on_site([net], scene)


@own_network
def test_ranges_and_limits() -> None:
    net = network(1)

    async def scene(site: Site) -> None:
        web = Container(site, "web")
        await web.join(net)
        limited = f"7000:80/sctp,allow={OUTSIDE}", "7001:80/sctp,allow=198.51.100.0/24"
        await web.publish("9000-9100:9000-9100/sctp", "8000-8003:80-83/sctp", *limited)
        inside, from_outside = web.inside.fd, by(site.neighbour)
        with served(inside, 9050), served(inside, 83), served(inside, 80):
            assert from_outside(HOST, 9050) == OUTSIDE
            assert ask("127.0.0.1", 9050) == GATEWAY
            assert from_outside(HOST, 8003) == OUTSIDE
            assert from_outside(HOST, 7000) == OUTSIDE
            assert from_outside(HOST, 7001, timeout=0.5) is None
            assert ask("127.0.0.1", 7001) == GATEWAY, "limits are for others"

    on_site([net], scene)
