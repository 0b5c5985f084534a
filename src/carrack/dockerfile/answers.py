"""What is answered about a Dockerfile without building it, as the documents that Docker's tools read. Pure.

Source: BuildKit's subrequests ``frontend.lint``, ``frontend.targets`` and ``frontend.outline``; members that are empty
are left out, places are lines counted from 1.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from carrack.dockerfile import outline
from carrack.dockerfile.checks import Breach
from carrack.dockerfile.file import Dockerfile
from carrack.dockerfile.outline import Taken
from carrack.dockerfile.problem import DockerfileError, Place

Document = dict[str, Any]


def lint(found: Sequence[Breach], name: str, source: bytes | None = None) -> Document:
    """Breaches of rules; ``name`` is the file's, ``source`` its text for who shows lines of it."""
    return {"warnings": [_warning(breach) for breach in found] or None, "sources": [_source(name, source)]}


def unreadable(error: DockerfileError, name: str, source: bytes) -> Document:
    """The answer to checks of a file that is none."""
    problem = {"message": str(error)} | _location(error.place)
    return {"warnings": None, "sources": [_source(name, source)], "buildError": problem}


def targets(file: Dockerfile) -> Document:
    """The stages that can be asked for."""
    return {
        "targets": [
            _without_empty(name=each.name, default=each.default, description=each.description, base=each.base)
            | _location(each.place)
            for each in outline.targets(file)
        ]
    }


def taken(file: Dockerfile, given: Mapping[str, str], target: str) -> Document:
    """The arguments, secrets and ssh keys that a target takes. Raises InvalidArgument for no such target."""
    found = outline.outline(file, given, target)
    return _without_empty(
        name=found.name,
        args=[_taken(each) for each in found.arguments],
        secrets=[_taken(each) for each in found.secrets],
        ssh=[_taken(each) for each in found.keys],
    )


def _taken(each: Taken) -> Document:
    members = _without_empty(name=each.name, description=each.description, value=each.value, required=each.required)
    return members | _location(each.place)


def _warning(breach: Breach) -> Document:
    rule = breach.rule
    told = {"ruleName": rule.name, "description": rule.description, "url": rule.url, "detail": breach.detail}
    return told | _location(breach.place)


def _location(place: Place) -> Document:
    return {"location": {"ranges": [{"start": {"line": place.line}, "end": {"line": place.end}}]}}


def _source(name: str, source: bytes | None) -> Document:
    if source is None:
        return {"filename": name}
    return {"filename": name, "language": "Dockerfile", "data": base64.b64encode(source).decode()}


def _without_empty(**members: Any) -> Document:
    return {name: value for name, value in members.items() if value}
