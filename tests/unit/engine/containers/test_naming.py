"""What the resolver is told: names by network, and what each container sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.fakes.containers import container
from tests.fakes.networks import FakeResolver
from tests.unit.engine.containers.test_linking import Store

from carrack.engine.containers import endpoints
from carrack.engine.containers.container_defaults import ContainerDefaults
from carrack.engine.containers.naming import Naming
from carrack.engine.containers.record import Container

FRONT, BRIDGE = "1" * 64, "b" * 64


def on(c: Container, name: str, network: str, address: str, gateway: str = "10.77.0.1", **wanted: Any) -> Container:
    """The same, on one more network."""
    given = {"NetworkID": network, "EndpointID": "e", "IPAddress": address, "Gateway": gateway}
    document = endpoints.wanted(wanted)
    c.networking = {"EndpointsConfig": {**(c.wanted if c.endpoints else {}), name: document}}
    c.endpoints = {**c.endpoints, name: endpoints.connected(endpoints.shown(document), given)}
    return c


def bare(number: int, **changes: Any) -> Container:
    return container(number, endpoints={}, **changes)


def naming(*containers: Container, given: ContainerDefaults | None = None) -> tuple[Naming, FakeResolver]:
    resolver, store = FakeResolver(), Store(*containers)
    parts: Sequence[Any] = (resolver, store)
    return Naming(parts[0], parts[1], "172.17.0.1", given), resolver


def test_names_on_networks() -> None:
    c = on(on(bare(1, name="web"), "front", FRONT, "10.77.0.2", Aliases=["www"]), "bridge", BRIDGE, "172.17.0.2")
    names, resolver = naming(c)
    names.attach(c, [7, 8])
    assert resolver.names == {
        (FRONT, c.id): (("web", "www", c.id[:12]), ("10.77.0.2",), "front"),
        (BRIDGE, c.id): (("web", c.id[:12]), ("172.17.0.2",), "bridge"),
    }
    assert names.knows(c)
    view = resolver.views[c.id]
    assert view.networks == (BRIDGE, FRONT)
    assert (view.servers, view.own_servers, view.outside) == ((), False, True)
    assert view.names["host.docker.internal"] == ("172.17.0.1",)
    del c.endpoints["front"]
    names.left(c, FRONT)
    assert list(resolver.names) == [(BRIDGE, c.id)]
    assert resolver.views[c.id].networks == (BRIDGE,)
    names.detach(c, [BRIDGE])
    assert (resolver.names, resolver.views, names.knows(c)) == ({}, {}, False)


def test_servers_of_the_container_or_of_the_daemon() -> None:
    c = on(bare(1, body={"HostConfig": {"Dns": ["10.0.0.1"]}}), "front", FRONT, "10.77.0.2")
    given = ContainerDefaults(dns=("10.0.0.2",), gateways=("10.0.0.9",))
    names, _ = naming(c, given=given)
    view = names.view(c)
    assert (view.servers, view.own_servers) == (("10.0.0.1",), True)
    other = on(bare(2), "front", FRONT, "10.77.0.3")
    view = names.view(other)
    assert (view.servers, view.own_servers) == (("10.0.0.2",), True)
    assert view.names["host.docker.internal"] == ("10.0.0.9",)


def test_without_a_default_network_the_host_is_the_own_gateway() -> None:
    resolver, c = FakeResolver(), on(bare(1), "front", FRONT, "10.77.0.2", gateway="10.77.0.1")
    parts: Sequence[Any] = (resolver, Store(c))
    view = Naming(parts[0], parts[1], "").view(c)
    assert view.names["host.docker.internal"] == ("10.77.0.1",)


def test_nobody_outside_is_asked_for_who_cannot_go_there() -> None:
    c = on(bare(1), "inner", FRONT, "10.77.0.2", gateway="")
    names, _ = naming(c)
    view = names.view(c)
    assert (view.outside, dict(view.names)) == (False, {})


def test_links_follow_their_targets() -> None:
    db = bare(1, name="db")
    web = on(bare(2, name="web"), "front", FRONT, "10.77.0.2", Links=["db:data"])
    names, resolver = naming(db, web)
    names.attach(web, [7, 8])
    assert "data" not in resolver.views[web.id].names
    on(db, "front", FRONT, "10.77.0.3")
    names.attach(db, [7, 8])
    assert resolver.views[web.id].names["data"] == ("10.77.0.3",)
    assert "data" not in resolver.views[db.id].names
    db.endpoints = {"front": endpoints.ended(db.endpoints["front"])}
    names.detach(db, [FRONT])
    assert "data" not in resolver.views[web.id].names
    names.detach(web, [FRONT])


def test_another_network_later() -> None:
    c = on(bare(1, name="web"), "front", FRONT, "10.77.0.2")
    names, resolver = naming(c)
    names.attach(c, ())
    on(c, "bridge", BRIDGE, "172.17.0.2")
    names.joined(c, "bridge")
    assert (BRIDGE, c.id) in resolver.names
    assert resolver.views[c.id].networks == (BRIDGE, FRONT)
