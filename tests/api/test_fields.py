"""The table of the API's fields against what is recorded and answered: every one is counted, none is forgotten.

Response fields: one that dockerd showed somewhere in the recordings must be in our table of answers, too (the replay
compares them step by step; here they are counted by the specification). Request fields: each is sent once with a value
of its kind; it is taken, or refused with words that name it or what is wrong with it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.compare import unpacked
from tests.api.play import Player
from tests.api.record import GOLDEN
from tests.api.requests import SCENARIOS
from tests.api.requests.positions import POSITIONS, rows
from tests.api.requests.types import placed
from tests.api.steps import Scenario, Step

pytestmark = pytest.mark.root

SAMPLES: dict[str, Any] = {
    "string": "x",
    "integer": 1,
    "boolean": True,
    "object": {},
    "array<string>": ["x"],
    "array<integer>": [1, 1],
    "array<object>": [{}],
    "array<array<string>>": [["x"]],
    "array<map<string>>": [{"x": "y"}],
    "map<string>": {"x": "y"},
    "map<object>": {"x": {}},
    "map<array<object>>": {"80/tcp": [{}]},
}

# What a body needs besides the field that is looked at.
_BESIDE: dict[str, dict[str, Any]] = {
    "/containers/create": {"Image": "golden/run:1", "Cmd": ["true"]},
    "/containers/cake/exec": {"Cmd": ["true"]},
    "/networks/create": {"Name": "fields"},
    "/networks/cake/connect": {"Container": "cake"},
    "/networks/cake/disconnect": {"Container": "cake"},
}


def test_every_request_field_is_taken_or_refused_clearly(player: Player, capsys: pytest.CaptureFixture[str]) -> None:
    """Never a wrong type where the kind is right, never a defect, never silence."""
    outcomes: Counter[str] = Counter()
    try:
        for target, fields in POSITIONS.items():
            for field, kind in fields.items():
                body = {**_BESIDE.get(target, {}), **placed(field, SAMPLES[kind])}
                answer = player.request(Step(field, "POST", target, json=body))
                message = json.loads(answer.body).get("message", "") if answer.body else ""
                assert answer.status != 500, (target, field, message)
                assert "cannot unmarshal" not in message, (target, field, message)
                assert answer.status < 400 or len(message) > 8, (target, field, message)
                unbuilt = "not supported" in message or "not built" in message
                outcomes["unbuilt" if unbuilt else "taken" if answer.status in (200, 201, 404) else "refused"] += 1
    finally:
        player.clean()
    with capsys.disabled():
        told = (
            f"{outcomes['taken']} taken, {outcomes['refused']} ask for another value, {outcomes['unbuilt']} not built"
        )
        print(f"\napi: {sum(outcomes.values())} request fields: {told}")


def test_every_response_field_that_docker_shows_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """By the specification's names; the replay has compared the values."""
    recorded = _shown_by_endpoint()
    known = [row for row in rows() if row.part == "response" and (row.method, row.path) in recorded]
    seen = [row for row in known if _flat(row.field) in recorded[row.method, row.path]]
    with capsys.disabled():
        print(f"\napi: {len(known)} response fields specified where recorded, {len(seen)} of them shown by dockerd")
    assert len(seen) > 500


def _shown_by_endpoint() -> dict[tuple[str, str], set[str]]:
    """The fields that the recordings hold, by the specification's endpoints."""
    patterns = {
        (row.method, row.path): re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(row.path))) for row in rows()
    }
    found: dict[tuple[str, str], set[str]] = {}
    for name, scenario in SCENARIOS.items():
        answers = json.loads((GOLDEN / f"{name}.json").read_text())["answers"]
        for step in _requests(scenario()):
            target = step.target.partition("?")[0]
            for endpoint, pattern in patterns.items():
                if endpoint[0] == step.method and pattern.fullmatch(target):
                    for answer in unpacked(answers.get(step.name, {})).values():
                        if answer.get("status", 400) < 300:
                            found.setdefault(endpoint, set()).update(_fields(answer.get("json")))
    return found


def _requests(scenario: Scenario) -> Iterator[Step]:
    return (step for step in scenario if isinstance(step, Step) and not step.hidden)


def _fields(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (f"{path}.{key}".strip("."), f"{path}.*".strip("."))
            yield from _fields(item, f"{path}.{key}".strip("."))
            yield from _fields(item, f"{path}.*".strip("."))
    elif isinstance(value, list):
        for item in value:
            yield from _fields(item, path)


def _flat(field: str) -> str:
    """`[].Mounts[].Type` is `Mounts.Type`, `Networks{}.Gateway` is `Networks.*.Gateway`."""
    return field.replace("{}", ".*").replace("[]", "").strip(".")
