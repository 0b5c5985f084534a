"""Every recorded answer of a real dockerd, field by field, against ours."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from tests.api.compare import Difference, count, differences, unpacked
from tests.api.differences import DELIBERATE, reason
from tests.api.play import Player
from tests.api.record import GOLDEN
from tests.api.requests import SCENARIOS

pytestmark = pytest.mark.root

_used: Counter[str] = Counter()
_played: dict[str, int] = {}


def golden(name: str) -> dict[str, dict[str, Any]]:
    """The recorded answers of a scenario by step and version."""
    answers = json.loads((GOLDEN / f"{name}.json").read_text())["answers"]
    return {step: unpacked(found) for step, found in answers.items()}


@pytest.mark.parametrize("name", SCENARIOS)
def test_answers_are_dockers(player: Player, name: str) -> None:
    recorded, answered = golden(name), player.play(SCENARIOS[name]())
    assert list(recorded) == list(answered), "the recording is older than the scenario: record it again"
    unexpected: list[Difference] = []
    for step, versions in recorded.items():
        for version, answer in versions.items():
            where = f"{name}/{step}" + (f"[{version}]" if version else "")
            _played[where] = count(answer)
            for difference in differences(answer, answered[step][version], where):
                allowed = reason(difference.where)
                if allowed is None:
                    unexpected.append(difference)
                else:
                    _used[allowed] += 1
    assert not unexpected, f"{len(unexpected)} differences\n" + "\n".join(map(str, unexpected))


def test_no_deliberate_difference_is_forgotten(capsys: pytest.CaptureFixture[str]) -> None:
    """What became equal must leave the table; only a whole run can tell."""
    if len({where.partition("/")[0] for where in _played}) < len(SCENARIOS):
        pytest.skip("needs a run of all scenarios")
    with capsys.disabled():
        fields, apart = sum(_played.values()), sum(_used.values())
        print(f"\napi: {len(_played)} answers, {fields} fields compared, {apart} differ on purpose")
    assert not [pattern for pattern, _ in DELIBERATE if not _used[pattern]]
