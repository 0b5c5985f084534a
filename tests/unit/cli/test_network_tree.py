"""Networks drawn with their containers."""

from __future__ import annotations

from typing import Any

from carrack.cli.network_tree import tree

ID = "a" * 64


def container(name: str, networks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"Id": ID, "Names": [f"/other/{name}", f"/{name}"], "NetworkSettings": {"Networks": networks}, **more}


def test_what_is_drawn() -> None:
    networks: list[dict[str, Any]] = [
        {"Name": "back", "Driver": "bridge", "Internal": True, "IPAM": {"Config": [{"Subnet": "10.2.0.0/24"}]}},
        {"Name": "front", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "10.1.0.0/24"}, {"Subnet": "fd00::/64"}]}},
        {"Name": "host", "Driver": "host", "IPAM": {"Config": None}},
    ]
    published = [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]
    containers = [
        container("web10", {"front": {"IPAddress": "10.1.0.3", "GlobalIPv6Address": "fd00::3"}}, State="running"),
        container("web2", {"front": {"IPAddress": "10.1.0.2"}, "back": {"IPAddress": "10.2.0.2"}}, State="running",
                  Ports=published),
        container("db", {"back": None}, State="exited"),
    ]  # fmt: skip
    assert tree(networks, containers) == [
        "back  bridge  10.2.0.0/24  internal",
        "├── db    (exited)",
        "└── web2  10.2.0.2  0.0.0.0:8080->80/tcp",
        "front  bridge  10.1.0.0/24, fd00::/64",
        "├── web2   10.1.0.2  0.0.0.0:8080->80/tcp",
        "└── web10  10.1.0.3  fd00::3",
        "host  host",
    ]


def test_one_without_a_name() -> None:
    nameless = {"Id": ID, "Names": None, "NetworkSettings": {"Networks": {"n": {"IPAddress": "10.1.0.2"}}}}
    assert tree([{"Name": "n"}], [{**nameless, "State": "running"}]) == ["n  ", f"└── {ID[:12]}  10.1.0.2"]
