"""Golden Dockerfiles: what one becomes, as a document that lists only what was said."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from carrack.dockerfile import file
from carrack.dockerfile.file import Dockerfile
from carrack.engine.build import stages, state
from carrack.engine.build.scope import global_scope
from carrack.oci.platform import Platform

GOLDEN = Path(__file__).parents[1] / "golden" / "dockerfile"
AMD64 = Platform("linux", "amd64")
_UNTOLD = ("place", "text", "comments")


def cases(kind: str) -> list[str]:
    """The names of the cases that are ``good`` or ``bad``."""
    return sorted(path.name for path in (GOLDEN / kind).iterdir())


def arguments(case: Path) -> dict[str, str]:
    """The build arguments of a case."""
    path = case / "args.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def told(value: Any) -> Any:
    """A typed value as JSON: its type, its lines, and those members that are not as they are by themselves."""
    if dataclasses.is_dataclass(value):
        result: dict[str, Any] = {"type": type(value).__name__}
        if hasattr(value, "place"):
            result["lines"] = [value.place.line, value.place.end]
        for member in dataclasses.fields(value):
            content = getattr(value, member.name)
            if member.name not in _UNTOLD and content != member.default:
                result["kind" if member.name == "type" else member.name] = told(content)
        return result
    if isinstance(value, tuple | list):
        return [told(each) for each in value]
    if isinstance(value, frozenset):
        return sorted(value)
    return value


def commands(data: bytes) -> dict[str, Any]:
    """The directives, arguments and stages of a Dockerfile."""
    parsed = file.parse(data)
    result: dict[str, Any] = {
        "globals": told(parsed.globals),
        "stages": [{"from": told(stage.base), "commands": told(stage.commands)} for stage in parsed.stages],
    }
    found = parsed.directives
    said = {"syntax": found.syntax, "escape": found.escape, "skip": sorted(found.checks.skip)}
    if found.places:
        result["directives"] = {**said, "error": found.checks.error}
    if parsed.empty_continuations:
        result["empty continuations"] = list(parsed.empty_continuations)
    return result


def states(parsed: Dockerfile, given: dict[str, str]) -> list[dict[str, Any]]:
    """What each stage becomes on an image without a config: steps, history and the config at its end."""
    escape = parsed.directives.escape
    scope = global_scope(parsed.globals, given, AMD64, AMD64, "", escape)
    plan = stages.plan(parsed, scope)
    ended: list[state.State] = []
    result = []
    for planned in plan.stages:
        at = state.begin({}, None if planned.parent is None else ended[planned.parent])
        history, steps = [], []
        for command in planned.stage.commands:
            after = state.advance(at, command, scope, escape)
            at = after.state
            history.append(after.created_by)
            steps += [told(after.step)] if after.step else []
        ended.append(at)
        base = {"base": planned.base, "platform": planned.platform, "needs": sorted(planned.needs)}
        result.append({**base, "config": dict(at.config), "author": at.author, "history": history, "steps": steps})
    return result
