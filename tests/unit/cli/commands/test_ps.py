"""The column PORTS, in docker's order."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.cli.commands.ps import column, ports, row


def port(private: int, public: int = 0, address: str = "", kind: str = "tcp") -> dict[str, Any]:
    there = {"IP": address, "PublicPort": public} if address else {}
    return {"PrivatePort": private, "Type": kind, **there}


@pytest.mark.parametrize(
    ("listed", "shown"),
    [
        ([], ""),
        ([port(90), port(91), port(80, kind="udp")], "80/udp, 90-91/tcp"),
        (
            [port(80, 8080, "0.0.0.0"), port(80, 8080, "::"), port(443)],
            "443/tcp, 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp",
        ),
        (
            [port(number, number, address) for number in (80, 81, 90) for address in ("::", "0.0.0.0")],
            "0.0.0.0:80-81->80-81/tcp, [::]:80-81->80-81/tcp, 0.0.0.0:90->90/tcp, [::]:90->90/tcp",
        ),
        ([port(80, 80, "::1"), port(80, 80, "::1", "udp")], "[::1]:80->80/tcp, [::1]:80->80/udp"),
    ],
)
def test_ports(listed: list[dict[str, Any]], shown: str) -> None:
    assert ports(listed) == shown


@pytest.mark.parametrize("full", [False, True])
def test_columns_have_the_cells_of_rows(full: bool) -> None:
    found: list[dict[str, Any]] = [
        {"Id": "a" * 64, "Names": ["/web"], "Image": "busybox", "Command": "ls", "Created": 5, "Status": "Created"},
        {"Id": "b" * 64, "Names": ["/web2", "/web/db"], "Image": "busybox", "ImageID": "sha256:" + "c" * 64},
        {"Id": "d" * 64, "Names": ["/x"], "Image": "c" * 64, "ImageID": "sha256:" + "c" * 64, "Created": 5},
        {"Id": "e" * 64, "Image": "busybox", "Command": "sleep " + "1" * 40, "Ports": [port(80)], "Created": 1 << 31},
    ]
    for name in ("ID", "Image", "Command", "Status", "Ports", "Names"):
        assert column(name, found, full) == [row({"Created": 1, **item}, full)[name] for item in found]
    assert column("Names", found, False) == ["web", "web2", "x", ""]
    assert column("Image", found, False) == ["busybox", "busybox", "c" * 12, "busybox"]
    del found[1]
    assert column("RunningFor", found, full) == [row(item, full)["RunningFor"] for item in found]
