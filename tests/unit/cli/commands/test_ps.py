"""The column PORTS, in docker's order."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.cli.commands.ps import ports


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
