"""Documents of ports in which long ranges are one entry, as records keep them: a thousand ports are written at a start.

    {"20000-20999/tcp": [{"HostIp": "", "HostPort": "30000-30999"}]}

stands for a thousand ports, each with one place one number higher than the port before. No document of the API has such
keys, so that those of older records, which have none, are read as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

#: As many neighbours become a range
SHORTEST = 64

Ports = Mapping[str, Any]


def folded(ports: Ports) -> dict[str, Any]:
    """The same with long runs of neighbours as ranges. The values are lists of places, None, or empty (exposed)."""
    if len(ports) < SHORTEST:
        return dict(ports)
    found: dict[str, Any] = {}
    for run in _runs(ports):
        if len(run) < SHORTEST:
            found.update(run)
            continue
        (first, value), (last, end) = run[0], run[-1]
        found[f"{first.partition('/')[0]}-{last}"] = _spread(value, end) if value else value
    return found


def unfolded(ports: Ports) -> dict[str, Any]:
    """Every port by itself."""
    found: dict[str, Any] = {}
    for key, value in ports.items():
        if "-" not in key:
            found[key] = value
            continue
        first, last, protocol = span(key)
        for n in range(last - first + 1):
            found[f"{first + n}/{protocol}"] = [_nth(place, n) for place in value] if value else value
    return found


def span(key: str) -> tuple[int, int, str]:
    """First, last and protocol of ``20000-20999/tcp``, or of ``80/tcp``."""
    both, _, protocol = key.partition("/")
    first, _, last = both.partition("-")
    return int(first), int(last or first), protocol


def numbers(first: int, count: int) -> str:
    """``20000-20999``, or ``80``."""
    return f"{first}-{first + count - 1}" if count > 1 else str(first)


def _runs(ports: Ports) -> Iterator[list[tuple[str, Any]]]:
    run: list[tuple[str, Any]] = []
    number, protocol = 0, ""
    for item in ports.items():
        if run and item[0] == f"{number + len(run)}/{protocol}" and _follows(item[1], run[0][1], len(run)):
            run.append(item)
            continue
        if run:
            yield run
        run = [item]
        number, _, protocol = span(item[0])
    if run:
        yield run


def _follows(value: Any, first: Any, n: int) -> bool:
    """Whether this is the n-th value after the first of a range."""
    if not value or not first:
        return bool(value == first)
    return len(value) == len(first) and all(map(_is_nth, value, first, [n] * len(first)))


def _is_nth(place: dict[str, Any], first: dict[str, Any], n: int) -> bool:
    begin, port = first["HostPort"], place["HostPort"]
    if begin and (begin[0] == "0" or not begin.isdecimal()):
        return False  # any port, or any of a range
    same = place["HostIp"] == first["HostIp"] and place.get("Allow") == first.get("Allow")
    return same and bool(port == (str(int(begin) + n) if begin else ""))


def _spread(first: list[dict[str, Any]], last: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**begin, "HostPort": f"{begin['HostPort']}-{end['HostPort']}" if begin["HostPort"] else ""}
        for begin, end in zip(first, last, strict=True)
    ]


def _nth(place: dict[str, Any], n: int) -> dict[str, Any]:
    first = place["HostPort"].partition("-")[0]
    return {**place, "HostPort": str(int(first) + n) if first else ""}
