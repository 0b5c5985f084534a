"""The rows of Docker's surface: endpoints, their fields, commands and flags, and what has a name besides.

A row's name is what a test puts into its ``census`` marker: ``GET /containers/json`` (an endpoint), ``GET
/containers/json?all`` (a parameter), ``HostConfig.Memory`` and ``Config.Env`` (fields of a create request), ``POST
/containers/{id}/update Memory`` (of another), ``GET /containers/json → [].Names`` (of an answer), ``run --memory``,
``event container oom``, ``daemon.json live-restore``, ``log-driver json-file max-size``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DATA = Path(__file__).parent / "data"
FIELDS = Path(__file__).parents[1] / "golden" / "api" / "fields.tsv"
#: the groups of which every row has to be accounted for
COMPLETE = ("container", "exec", "volume", "system", "image", "network", "registry", "build")
#: the groups that have their own time
LATER = ("plugin", "checkpoint", "swarm")
_SAME = {"session": "build", "distribution": "registry", "service": "swarm", "node": "swarm", "task": "swarm"}
_SAME |= {"secret": "swarm", "config": "swarm"}
_CREATE = "POST /containers/create"


class Row(NamedTuple):
    """One thing that Docker has. ``kind`` is endpoint, parameter, request, answer, command, flag or surface."""

    group: str
    kind: str
    name: str


def rows() -> list[Row]:
    """All of them, in the order of the page; what another group's time brings stands with that group."""
    moves = [(line["pattern"], line["group"]) for line in table(DATA / "regroup.tsv")]
    found = []
    for row in (*_endpoints(), *_fields(), *_commands(), *_surface()):
        group = next((group for pattern, group in moves if matches(row.name, pattern)), row.group)
        found.append(row._replace(group=group))
    return found


def matches(name: str, pattern: str) -> bool:
    """Whether a name is of a pattern, in which only ``*`` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None


def table(path: Path) -> Iterator[dict[str, str]]:
    """The lines of a file of data by the names in its first line."""
    with path.open(encoding="utf-8") as file:
        yield from csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)


def answer(endpoint: str, field: str) -> str:
    """The name of a field of an answer."""
    return f"{endpoint} → {field}"


def _endpoints() -> Iterator[Row]:
    for line in table(DATA / "endpoints.tsv"):
        yield Row(_SAME.get(line["group"], line["group"]), "endpoint", line["endpoint"])


def _fields() -> Iterator[Row]:
    for line in table(FIELDS):
        group, endpoint, field = line["group"], f"{line['method']} {line['path']}", line["field"]
        if line["in"] == "response":
            yield Row(group, "answer", answer(endpoint, field))
        elif line["in"] == "query":
            yield Row(group, "parameter", f"{endpoint}?{field}")
        elif line["in"] == "header":
            yield Row("registry", "parameter", f"{endpoint} {field}")
        elif line["in"] == "request":
            yield _request(group, endpoint, field)


def _request(group: str, endpoint: str, field: str) -> Row:
    if endpoint != _CREATE:
        return Row(group, "request", f"{endpoint} {field}")
    if field.startswith("NetworkingConfig"):
        return Row("network", "request", field)
    return Row(group, "request", field if field.startswith("HostConfig") else f"Config.{field}")


def _commands() -> Iterator[Row]:
    for line in table(DATA / "commands.tsv"):
        yield Row(_SAME.get(line["group"], line["group"]), line["kind"], line["name"])


def _surface() -> Iterator[Row]:
    for line in table(DATA / "surface.tsv"):
        yield Row(line["group"], "surface", line["name"])
