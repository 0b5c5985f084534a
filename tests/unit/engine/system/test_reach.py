"""Who can reach what."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.engine.containers.record import Container, State
from carrack.engine.system.reach import allowed_by, bridge_of, obstacle, reach
from carrack.model import container as model
from carrack.model import schema
from carrack.network.facts import Facts, Wall

FRONT = {
    "Name": "front",
    "Id": "f" * 64,
    "Driver": "bridge",
    "IPAM": {"Config": [{"Subnet": "10.9.0.0/24", "Gateway": "10.9.0.1"}]},
    "Options": {},
}
BACK = {"Name": "back", "Id": "b" * 64, "Driver": "bridge", "Internal": True}
OPEN = Facts(forwarding={4: True, 6: True})


def container(ports: dict[str, Any], *, mode: str = "front", bindings: Any = None, **endpoints: int) -> Container:
    host = schema.check({"NetworkMode": mode, "PortBindings": bindings}, model.HOST_CONFIG)
    found = {name: {"GwPriority": priority} for name, priority in (endpoints or {"front": 0}).items()}
    return Container(
        id="a" * 64, name="web", created=0, image="", image_id="", layers=(), path="", args=[], config={},
        host_config=host, networking={}, endpoints=found, ports=ports, state=State(status="running"),
    )  # fmt: skip


def place(address: str = "0.0.0.0", port: str = "8080", **more: Any) -> dict[str, Any]:
    return {"HostIp": address, "HostPort": port, **more}


@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("0.0.0.0", "anywhere"),
        ("::", "anywhere"),
        ("127.0.0.1", "host"),
        ("::1", "host"),
        ("192.168.3.4", "local"),
        ("fd00::4", "local"),
        ("8.8.8.8", "anywhere"),
        ("10.9.0.1", "containers"),
    ],
)
def test_from_where(address: str, where: str) -> None:
    (row,) = reach([container({"80/tcp": [place(address)]})], [FRONT], OPEN)
    assert row["Reach"] == where
    assert (row["Name"], row["Network"], row["Protocol"]) == ("web", "front", "tcp")
    assert (row["HostIp"], row["HostPort"], row["ContainerPort"]) == (address, "8080", "80")
    assert row["Warnings"] == row["From"] == []


def test_for_whom() -> None:
    limited = {"80/tcp": [{"HostIp": "", "HostPort": "8000-8100", "Allow": ["10.0.0.0/8"]}]}
    (row,) = reach([container({"80/tcp": [place(port="8042")]}, bindings=limited)], [FRONT], OPEN)
    assert (row["Reach"], row["From"]) == ("allowed", ["10.0.0.0/8"])
    (row,) = reach([container({"80/tcp": [place("127.0.0.1", Allow=["10.0.0.0/8"])]})], [FRONT], OPEN)
    assert (row["Reach"], row["From"]) == ("host", [])


def test_for_none_of_a_family() -> None:
    limited = {"80/tcp": [{"HostIp": "", "HostPort": "80", "Allow": ["10.0.0.0/8"]}]}
    ports = {"80/tcp": [place("0.0.0.0", "80"), place("::", "80")]}
    rows = reach([container(ports, bindings=limited)], [FRONT], OPEN)
    assert [(row["Reach"], row["From"]) for row in rows] == [("allowed", ["10.0.0.0/8"]), ("host", [])]


def test_by_its_own_address() -> None:
    c = container({"80/tcp": [place("0.0.0.0", "")], "81/tcp": [place("0.0.0.0", "", Allow=["10.0.0.0/8"])]})
    c.endpoints["front"]["IPAddress"] = "10.9.0.2"
    rows = reach([c], [FRONT], OPEN)
    assert [(row["HostIp"], row["HostPort"], row["Reach"]) for row in rows] == [
        ("10.9.0.2", "80", "routed"), ("10.9.0.2", "81", "allowed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "found", "limited"),
    [
        (place("", ""), place("0.0.0.0", "32768"), True),
        (place("", "0"), place("::", "32768"), True),
        (place("0.0.0.0", "80"), place("::", "80"), True),
        (place("127.0.0.1", "80"), place("0.0.0.0", "80"), False),
        (place("", "80"), place("0.0.0.0", "81"), False),
        (place("", "x"), place("0.0.0.0", "81"), False),
    ],
)
def test_which_binding_a_port_is_of(wanted: dict[str, Any], found: dict[str, Any], limited: bool) -> None:
    c = container({}, bindings={"80/tcp": [{**wanted, "Allow": ["::/0"]}]})
    assert bool(allowed_by(c, "80/tcp", found)) == limited


def test_neighbours_are_told_together() -> None:
    ports = {f"{number}/tcp": [place(port=str(number + 8000))] for number in (80, 81, 82, 90)}
    rows = reach([container({**ports, "83/tcp": None})], [FRONT], OPEN)
    assert [(row["HostPort"], row["ContainerPort"]) for row in rows] == [("8080-8082", "80-82"), ("8090", "90")]


def test_only_what_runs_and_has_ports() -> None:
    stopped = container({"80/tcp": [place()]})
    stopped.state.status = "exited"
    assert reach([stopped, container({"80/tcp": None})], [FRONT], OPEN) == []


def test_the_hosts_own_network() -> None:
    (row,) = reach([container({}, mode="host", host=0)], [FRONT], OPEN)
    assert (row["Network"], row["HostPort"], row["Reach"]) == ("host", "", "anywhere")
    assert "whatever it listens on" in row["Warnings"][0]


def test_the_network_it_is_published_by() -> None:
    other = {**FRONT, "Name": "other", "Id": "c" * 64}
    ports = {"80/tcp": [place()]}
    rows = reach([container(ports, back=9, other=0, front=0)], [FRONT, BACK, other], OPEN)
    assert rows[0]["Network"] == "front"
    rows = reach([container(ports, back=9, other=1, front=0)], [FRONT, BACK, other], OPEN)
    assert rows[0]["Network"] == "other"


def test_what_stands_in_the_way() -> None:
    wall = Wall("ip", "filter", "FORWARD", "ufw")
    assert obstacle(OPEN, 4, "br-x") == ""
    assert obstacle(Facts(forwarding={4: False}), 4, "br-x") == "IPv4 forwarding is off on this host"
    told = obstacle(Facts(forwarding={4: True}, walls=(wall,)), 4, "br-x")
    assert told == "ufw drops it, unless a rule of its allows it (ip filter FORWARD)"
    assert obstacle(Facts(walls=(wall,)), 6, "br-x") == ""
    assert obstacle(Facts(walls=(Wall("ip", "filter", "FORWARD", into=frozenset({"br-x"})),)), 4, "br-x") == ""
    closed = Facts(forwarding={4: True}, walls=(wall,))
    ports = {"80/tcp": [place(), place("127.0.0.1", "81"), place("::", "82")]}
    rows = reach([container(ports)], [FRONT], closed)
    assert [bool(row["Warnings"]) for row in rows] == [True, False, False]


def test_a_relay_comes_by_another_door() -> None:
    ports = {"80/tcp": [place("::", "82"), place("::1", "83"), place("0.0.0.0", "84")]}
    rows = reach([container(ports)], [FRONT], Facts({4: True}, doors=(Wall("inet", "mine", "in"),)))
    assert [row["Warnings"] for row in rows if row["HostIp"] == "::"] == [
        ["another program drops it, unless a rule of its allows it (inet mine in)"]
    ]
    assert not any(row["Warnings"] for row in rows if row["HostIp"] != "::")
    opened = Facts({4: True}, doors=(Wall("inet", "mine", "in", into=frozenset({"*"})),))
    assert not any(row["Warnings"] for row in reach([container(ports)], [FRONT], opened))


def test_bridges() -> None:
    assert bridge_of(FRONT) == "br-ffffffffffff"
    assert bridge_of({**FRONT, "Options": {"com.docker.network.bridge.name": "mine"}}) == "mine"
    assert bridge_of({**FRONT, "Driver": "macvlan"}) == ""
