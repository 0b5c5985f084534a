"""Compares answers field by field, and keeps golden answers small: versions that are answered alike share one entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MISSING = "(absent)"


@dataclass(frozen=True)
class Difference:
    """One field that is not as recorded. `where` is like `container/inspect[1.51].json.Config.Tty`."""

    where: str
    recorded: Any
    answered: Any

    def __str__(self) -> str:
        return f"{self.where}: recorded {_short(self.recorded)}, answered {_short(self.answered)}"


def differences(recorded: Any, answered: Any, where: str) -> list[Difference]:
    """Every leaf, absent or extra field, and order of fields in which two answers differ."""
    if isinstance(recorded, dict) and isinstance(answered, dict):
        return _objects(recorded, answered, where)
    if isinstance(recorded, list) and isinstance(answered, list):
        found = []
        for i, (one, other) in enumerate(zip(recorded, answered, strict=False)):
            found += differences(one, other, f"{where}[{i}]")
        if len(recorded) != len(answered):
            found.append(Difference(f"{where}.#length", _rest(recorded, answered), _rest(answered, recorded)))
        return found
    same = recorded == answered and type(recorded) is type(answered)
    return [] if same else [Difference(where, recorded, answered)]


def _objects(recorded: dict[str, Any], answered: dict[str, Any], where: str) -> list[Difference]:
    found = []
    for name in [*recorded, *(name for name in answered if name not in recorded)]:
        one, other = recorded.get(name, MISSING), answered.get(name, MISSING)
        found += differences(one, other, f"{where}.{name}")
    if not found and list(recorded) != list(answered):
        found.append(Difference(f"{where}.#order", list(recorded), list(answered)))
    return found


def _rest(long: list[Any], short: list[Any]) -> list[Any]:
    return long[len(short) :]


def count(value: Any) -> int:
    """How many fields an answer has: its leaves."""
    if isinstance(value, dict):
        return sum(map(count, value.values())) or 1
    if isinstance(value, list):
        return sum(map(count, value)) or 1
    return 1


def packed(answers: dict[str, Any]) -> dict[str, Any]:
    """`{version: answer}` with one entry, named by all its versions, for equal answers."""
    groups: list[tuple[list[str], Any]] = []
    for version, answer in answers.items():
        for versions, other in groups:
            if answer == other and _ordered(answer) == _ordered(other):
                versions.append(version)
                break
        else:
            groups.append(([version], answer))
    return {" ".join(versions): answer for versions, answer in groups}


def unpacked(answers: dict[str, Any]) -> dict[str, Any]:
    """The reverse of `packed`."""
    return {version: answer for versions, answer in answers.items() for version in versions.split(" ")}


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return [(key, _ordered(item)) for key, item in value.items()]
    return [_ordered(item) for item in value] if isinstance(value, list) else value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 240 else text[:237] + "..."
