"""Wrong types, in each position of each body."""

from __future__ import annotations

from typing import Any

from tests.api.requests.positions import POSITIONS, WRONG
from tests.api.steps import Scenario, Step


def steps() -> Scenario:
    """For every field of the bodies: each kind of value that it is not."""
    result: list[Step] = []
    for target, fields in POSITIONS.items():
        for field, kind in fields.items():
            for wrong in WRONG[kind]:
                body = placed(field, wrong)
                result.append(Step(f"{target}: {field} = {wrong!r}", "POST", target, json=body))
    return result


def placed(field: str, value: Any) -> Any:
    """A document with `value` at a path like `HostConfig.Devices[].PathOnHost` or `Labels{}`."""
    for part in reversed(field.split(".")):
        name, depth = part, ""
        while name.endswith(("[]", "{}")):
            name, depth = name[:-2], name[-2:] + depth
        for wrapper in reversed([depth[i : i + 2] for i in range(0, len(depth), 2)]):
            value = [value] if wrapper == "[]" else {"key": value}
        value = {name: value}
    return value
