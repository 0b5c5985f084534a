"""The fields of the bodies that are decoded, from the table of the API's fields (`tests/golden/api/fields.tsv`)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_TABLE = Path(__file__).parents[2] / "golden" / "api" / "fields.tsv"
# What cannot be told from what is not there: these endpoints look at the body first.
_TARGETS = {
    "/containers/create": "/containers/create",
    "/containers/{id}/update": "/containers/cake/update",
    "/containers/{id}/exec": "/containers/cake/exec",
    "/volumes/create": "/volumes/create",
    "/networks/create": "/networks/create",
    "/networks/{id}/connect": "/networks/cake/connect",
    "/networks/{id}/disconnect": "/networks/cake/disconnect",
}

WRONG: Mapping[str, Sequence[Any]] = {
    "string": (1, True, {}),
    "integer": ("a", 1.5, 10**20, False, []),
    "boolean": ("a", 1),
    "object": ("a", []),
    "array<string>": ("a", [1], {}),
    "array<integer>": ("a", ["a"]),
    "array<object>": ("a", [1], {}),
    "array<array<string>>": ("a", ["a"], [[1]]),
    "array<map<string>>": ("a", ["a"], [{"key": 1}]),
    "map<string>": ("a", [], {"key": 1}),
    "map<object>": ("a", [], {"key": 1}),
    "map<array<object>>": ("a", {"80/tcp": 1}, {"80/tcp": [1]}),
}
"""Values that are not of a kind."""


class Row(NamedTuple):
    """One field of the API, as its specification tells it. `part` is path, query, header, request or response."""

    group: str
    method: str
    path: str
    part: str
    field: str
    kind: str


def rows() -> Iterator[Row]:
    """The whole table: API 1.51, the groups container, exec, image, network, volume, system."""
    with _TABLE.open() as table:
        for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
            yield Row(row["group"], row["method"], row["path"], row["in"], row["field"], row["type"])


def _kind(text: str) -> str:
    """The kind without its list of words: `string{none,host}` is a string, `map<object{{}}>` a map of objects."""
    return (
        text
        if "<" in text and "{" not in text
        else "map<object>"
        if text.startswith("map<object")
        else text.partition("{")[0]
    )


def _positions() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {target: {} for target in _TARGETS.values()}
    for row in rows():
        # Cluster volumes are a swarm's.
        if row.part == "request" and row.method == "POST" and row.path in _TARGETS and "Cluster" not in row.field:
            found[_TARGETS[row.path]][row.field] = _kind(row.kind)
    return found


POSITIONS = _positions()
"""Target, field, kind."""
