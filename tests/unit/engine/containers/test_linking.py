"""Who is linked to whom, and what a link gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes.containers import container

from carrack.engine.containers import endpoints
from carrack.engine.containers.linking import Links
from carrack.engine.containers.record import Container
from carrack.errors import Internal, InvalidArgument, NotFound


class Store:
    """Containers by name or id."""

    def __init__(self, *containers: Container) -> None:
        self.all = list(containers)

    def __iter__(self) -> Iterator[Container]:
        return iter(self.all)

    def find(self, word: str) -> Container:
        for c in self.all:
            if word.removeprefix("/") in (c.name, c.id):
                return c
        raise NotFound(f"No such container: {word}")


def placed(c: Container, address: str) -> Container:
    """The same, running on the default bridge with this address."""
    given = {"IPAddress": address, "GlobalIPv6Address": "fd00::2" if address == "172.17.0.2" else ""}
    c.endpoints = {"bridge": endpoints.connected(endpoints.shown(endpoints.wanted()), given)}
    c.state.status = "running"
    return c


def world() -> tuple[Links, Container, Container]:
    """``web``, which is linked to the running ``db`` as ``data`` and as ``db``."""
    body = {"Hostname": "dbhost", "Env": ["PW=x"], "ExposedPorts": {"5432/tcp": {}}}
    db = placed(container(1, body, name="db"), "172.17.0.2")
    web = container(2, name="web")
    store: Any = Store(db, web)
    links = Links(store)
    web.host_config["Links"] = links.resolved(["db:data", "/db"])
    links.refresh()
    return links, web, db


def test_links_are_kept_by_the_targets_id() -> None:
    links, web, db = world()
    assert web.host_config["Links"] == [f"{db.id}:data", f"{db.id}:db"]
    assert db.link_names == ("web/data", "web/db")
    assert links.told(web) == ["/db:/web/data", "/db:/web/db"]
    assert links.told(db) is None
    assert links.sources(db) == [web]
    assert links.sources(web) == []
    db.name = "database"
    assert links.told(web) == ["/database:/web/data", "/database:/web/db"]


@pytest.mark.parametrize(
    ("given", "kind", "told"),
    [
        (["nope:x"], InvalidArgument, "could not get container for nope: No such container: nope"),
        (["a:b:c"], Internal, "bad format for links: a:b:c"),
        (["idle:a b"], InvalidArgument, "invalid alias 'a b' of link idle:a b"),
        (["hosty:x"], InvalidArgument, "conflicting options: host type networking can't be used with links"),
    ],
)
def test_links_that_cannot_be(given: list[str], kind: type[Exception], told: str) -> None:
    store: Any = Store(container(3, {"HostConfig": {"NetworkMode": "host"}}, name="hosty"), container(4, name="idle"))
    with pytest.raises(kind, match=told):
        Links(store).resolved(given)


def test_what_a_link_gives() -> None:
    links, web, db = world()
    links.check(web)
    words = links.environment(web)
    assert {"DATA_PORT_5432_TCP_ADDR=172.17.0.2", "DB_ENV_PW=x", "DATA_NAME=/web/data"} <= set(words)
    assert links.entries(web) == [
        ("172.17.0.2", "data dbhost db"), ("fd00::2", "data dbhost db"),
        ("172.17.0.2", "db dbhost"), ("fd00::2", "db dbhost"),
    ]  # fmt: skip
    assert links.aliases(web) == {"data", "db"}
    assert (links.entries(db), links.environment(db)) == ([], [])
    db.endpoints = {"bridge": endpoints.ended(db.endpoints["bridge"])}
    assert (links.entries(web), links.environment(web)) == ([], [])
    assert links.aliases(web, ["x:y"]) == {"y"}


def test_a_start_needs_the_targets() -> None:
    links, web, db = world()
    db.state.status = "exited"
    with pytest.raises(Internal, match=r"^Cannot link to a non running container: /db AS /web/data$"):
        links.check(web)
    db.state.status, db.endpoints = "running", {}
    with pytest.raises(Internal, match=rf"^container {db.id} not attached to default bridge network$"):
        links.check(web)
    web.networking = {"EndpointsConfig": {"front": endpoints.wanted()}}
    links.check(web)
    assert (links.entries(web), links.environment(web)) == ([], [])


def test_a_target_that_was_removed() -> None:
    links, web, db = world()
    store: Any = links._store
    store.all.remove(db)
    links.refresh()
    assert links.told(web) is None
    with pytest.raises(Internal, match="Cannot link to a non running container: /web/data: its target"):
        links.check(web)


def test_a_link_is_found_by_its_name() -> None:
    links, web, db = world()
    assert links.find("/web/data") == (web, "data")
    assert links.without(web, "data") == [f"{db.id}:db"]
    for path, kind, told in (
        ("web/nope", NotFound, "No such container: web/nope"),
        ("nope/data", NotFound, "No such container: nope/data"),
        ("web", Internal, "cannot remove the default link name"),
        ("nope", NotFound, "No such container: nope"),
    ):
        with pytest.raises(kind, match=told):
            links.find(path)
