"""`ps`: status words, rows, ports, filters with Docker's meaning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.containers import container, point

from carrack.engine.containers import listing
from carrack.engine.containers.record import Container
from carrack.errors import InvalidArgument, NotFound

NOW = 1_000_000 * 10**9
HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"status": "created"}, "Created"),
        ({"status": "running", "started_at": NOW - 2 * HOUR}, "Up 2 hours"),
        ({"status": "running", "started_at": NOW}, "Up Less than a second"),
        ({"status": "paused", "started_at": NOW - 5 * HOUR}, "Up 5 hours (Paused)"),
        (
            {"status": "restarting", "exit_code": 3, "started_at": 1, "finished_at": NOW - 4 * 10**9},
            "Restarting (3) 4 seconds ago",
        ),
        (
            {"status": "exited", "exit_code": 137, "started_at": 1, "finished_at": NOW - 60 * 10**9},
            "Exited (137) About a minute ago",
        ),
        ({"status": "removing"}, "Removal In Progress"),
        ({"status": "dead"}, "Dead"),
    ],
)
def test_status_words(state: dict[str, Any], words: str) -> None:
    assert listing.status(container(1, **state), NOW) == words


def test_a_row_has_dockers_fields_in_dockers_order() -> None:
    row = listing.row(container(1, {"Cmd": ["sleep", "9 x"], "Labels": {"a": "b"}}), NOW)
    assert list(row) == (
        "Id Names Image ImageID Command Created Ports Labels State Status HostConfig NetworkSettings Mounts".split()
    )
    assert row["Command"] == "sleep '9 x'"
    assert row["Names"] == ["/name1"]
    assert row["HostConfig"] == {"NetworkMode": "bridge"}
    assert row["NetworkSettings"]["Networks"]["bridge"]["IPAddress"] == ""
    assert row["Ports"] == []


OUT = {"bridge": {"Gateway": "172.17.0.1", "IPAddress": "172.17.0.2", "NetworkID": "b" * 64}}


def test_ports_of_a_running_container() -> None:
    ports = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}], "90/udp": None}
    c = container(1, status="running", ports=ports, endpoints=OUT)
    assert listing.ports(c) == [
        {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        {"PrivatePort": 90, "Type": "udp"},
    ]
    c.ports = {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": ""}]}  # routed
    assert listing.ports(c) == [{"IP": "0.0.0.0", "PrivatePort": 80, "Type": "tcp"}]
    c.endpoints = {"inner": {"Gateway": "", "IPAddress": "10.0.0.2"}}
    assert listing.ports(c) == []
    c.endpoints = OUT
    c.state.status = "exited"
    assert listing.ports(c) == []


ALL = [
    container(1, {"Labels": {"a": "b"}}, status="running", name="web", mounts=[point("/data", Name="vol")]),
    container(2, {"ExposedPorts": {"80/tcp": {}, "7000/udp": {}}}, status="exited", started_at=1, exit_code=137),
    container(3, status="created", image="other", image_id="sha256:other"),
    container(
        4, {"HostConfig": {"NetworkMode": "host"}}, status="paused", name="web2",
        ports={"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}, endpoints={"other": OUT["bridge"]},
    ),
]  # fmt: skip


def find(word: str) -> Container:
    for c in ALL:
        if word in (c.name, c.id):
            return c
    raise NotFound(f"No such container: {word}")


def chosen(filters: dict[str, list[str]] | None = None, *, everything: bool = True, limit: int = 0) -> list[int]:
    known = {"busybox": {ALL[0].image_id}}
    found = listing.select(
        ALL, find, lambda w: known.get(w, set()), everything=everything, limit=limit,
        filters={key.replace("_", "-"): value for key, value in (filters or {}).items()},
    )  # fmt: skip
    return [int(c.id[:2], 16) for c in found]


def test_newest_first_running_only_unless_asked() -> None:
    assert chosen() == [4, 3, 2, 1]
    assert chosen(everything=False) == [4, 1]
    assert chosen(everything=False, limit=3) == [4, 3, 2]
    assert chosen(everything=False, filters={"status": ["exited"]}) == [2]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"id": ["01"]}, [1]),
        ({"id": ["1"]}, []),
        ({"name": ["web"]}, [4, 1]),
        ({"name": ["^web$"]}, [1]),
        ({"name": ["^/web$"]}, [1]),
        ({"name": ["^/?web$", "name3"]}, [3, 1]),
        ({"name": ["WEB"]}, []),
        ({"status": ["created", "paused"]}, [4, 3]),
        ({"exited": ["137"]}, [2]),
        ({"exited": ["0"]}, []),
        ({"health": ["none"]}, [4, 3, 2, 1]),
        ({"health": ["healthy"]}, []),
        ({"label": ["a"]}, [1]),
        ({"label": ["a=b"]}, [1]),
        ({"label": ["a=c"]}, []),
        ({"label": ["a", "x"]}, []),
        ({"volume": ["vol"]}, [1]),
        ({"volume": ["/data"]}, [1]),
        ({"network": ["bridge"]}, [3, 2, 1]),
        ({"network": ["brid"]}, []),
        ({"is_task": ["false"]}, [4, 3, 2, 1]),
        ({"is_task": ["true"]}, []),
        ({"isolation": ["x"]}, [4, 3, 2, 1]),
        ({"publish": ["8080"]}, [4]),
        ({"publish": ["8000-9000/tcp"]}, [4]),
        ({"publish": ["8080/udp"]}, []),
        ({"expose": ["80"]}, [2]),
        ({"expose": ["6000-7000/udp"]}, [2]),
        ({"before": ["web2"]}, [3, 2, 1]),
        ({"since": ["web"]}, [4, 3, 2]),
        ({"since": ["web"], "before": ["web2"]}, [3, 2]),
        ({"ancestor": ["busybox"]}, [4, 2, 1]),
        ({"ancestor": ["other"]}, [3]),
        ({"ancestor": ["nope"]}, []),
        ({"name": []}, [4, 3, 2, 1]),
    ],
)
def test_filters(filters: dict[str, list[str]], expected: list[int]) -> None:
    assert chosen(filters) == expected


@pytest.mark.parametrize(
    ("filters", "text"),
    [
        ({"foo": ["x"]}, "invalid filter 'foo'"),
        ({"status": ["bad"]}, "invalid filter 'status=bad'"),
        ({"exited": ["x"]}, "invalid filter 'exited=x'"),
        ({"health": ["x"]}, "invalid filter 'health=x'"),
        ({"is_task": ["x"]}, "invalid filter 'is-task=[x]'"),
        ({"publish": ["x"]}, 'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax'),
        ({"expose": ["1-"]}, "error while looking up for expose 1-: strconv.ParseUint"),
    ],
)
def test_bad_filters(filters: dict[str, list[str]], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        chosen(filters)
    assert str(failure.value).startswith(text)


@pytest.mark.parametrize("name", ["before", "since"])
def test_neighbours_must_exist(name: str) -> None:
    with pytest.raises(NotFound, match=r"^No such container: nope$"):
        chosen({name: ["nope"]})


NAMES = st.sampled_from(["id", "name", "status", "exited", "label", "network", "publish", "expose", "volume", "nope"])


@given(st.dictionaries(NAMES, st.lists(st.text(max_size=4), max_size=2), max_size=3), st.integers(-1, 5))
def test_any_filter_narrows_or_is_refused(filters: dict[str, list[str]], limit: int) -> None:
    pick: Callable[..., list[Container]] = listing.select
    try:
        found = pick(ALL, find, lambda w: set(), everything=True, limit=limit, filters=filters)
    except (InvalidArgument, NotFound):
        return
    assert len(found) <= (limit if limit > 0 else 4)
    assert [c.created for c in found] == sorted((c.created for c in found), reverse=True)
