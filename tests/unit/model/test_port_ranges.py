"""Ranges in documents of ports: what is folded is unfolded to the same, in the same order."""

from typing import Any

import pytest

from carrack.model import port_ranges


def bound(first: int, count: int, shift: int = 0, **more: Any) -> dict[str, Any]:
    places = {p: {"HostIp": "", "HostPort": str(p + shift), **more} for p in range(first, first + count)}
    return {f"{p}/tcp": [place] for p, place in places.items()}


def test_a_long_run_is_one_entry() -> None:
    assert port_ranges.folded(bound(9000, 1000, 7)) == {
        "9000-9999/tcp": [{"HostIp": "", "HostPort": "9007-10006"}],
    }
    assert port_ranges.folded({f"{p}/udp": {} for p in range(80, 180)}) == {"80-179/udp": {}}
    assert port_ranges.folded({f"{p}/udp": None for p in range(80, 180)}) == {"80-179/udp": None}


@pytest.mark.parametrize(
    ("ports", "entries"),
    [
        ({}, 0),
        (bound(80, 63), 63),
        ({**bound(80, 64), **bound(200, 64)}, 2),
        ({**bound(80, 64), "53/udp": None, **bound(200, 3), **bound(300, 70, 5)}, 6),
        ({**bound(80, 64, Allow=["10.0.0.0/8"]), **bound(144, 64)}, 2),
        ({f"{p}/tcp": [{"HostIp": "", "HostPort": ""}] for p in range(80, 150)}, 1),
        ({f"{p}/tcp": [{"HostIp": "", "HostPort": "0"}] for p in range(80, 150)}, 70),
        ({f"{p}/tcp": [{"HostIp": "", "HostPort": "8000-8100"}] for p in range(80, 150)}, 70),
        ({f"{p}/tcp": [{"HostIp": a, "HostPort": str(p)} for a in ("0.0.0.0", "::")] for p in range(80, 150)}, 1),
        ({**bound(80, 64), "144/tcp": [], **bound(145, 64)}, 3),
        (dict(reversed(bound(80, 64).items())), 64),
    ],
)
def test_what_is_folded_comes_back(ports: dict[str, Any], entries: int) -> None:
    folded = port_ranges.folded(ports)
    assert len(folded) == entries
    again = port_ranges.unfolded(folded)
    assert list(again.items()) == list(ports.items())


def test_keys() -> None:
    assert port_ranges.span("80/tcp") == (80, 80, "tcp")
    assert port_ranges.span("80-90/udp") == (80, 90, "udp")
    assert (port_ranges.numbers(80, 1), port_ranges.numbers(80, 11)) == ("80", "80-90")
