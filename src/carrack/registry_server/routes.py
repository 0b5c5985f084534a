"""Which handler answers which method and path: the table of the distribution specification's end points."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from carrack.registry_server.message import Answer, Problem, Request

Handle = Callable[[Request, Mapping[str, str]], Answer]

_NAME = "/v2/(?P<name>.+)"
_PLACES = (
    ("check", "/v2/?"),
    ("catalog", "/v2/_catalog"),
    ("token", "/token"),
    ("tags", f"{_NAME}/tags/list"),
    ("manifest", f"{_NAME}/manifests/(?P<reference>[^/]+)"),
    ("uploads", f"{_NAME}/blobs/uploads/?"),
    ("upload", f"{_NAME}/blobs/uploads/(?P<upload>[^/]+)"),
    ("blob", f"{_NAME}/blobs/(?P<digest>[^/]+)"),
    ("referrers", f"{_NAME}/referrers/(?P<digest>[^/]+)"),
)
_EXPRESSIONS = tuple((place, re.compile(text)) for place, text in _PLACES)
_NEEDS = {"GET": "pull", "HEAD": "pull", "PUT": "push", "POST": "push", "PATCH": "push", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request leads: the place, and the parts of its path. `action` is the right it needs."""

    place: str
    parts: Mapping[str, str]
    action: str


def find(method: str, path: str) -> Route:
    """The route of a request; Problem (404) when there is none."""
    for place, expression in _EXPRESSIONS:
        match = expression.fullmatch(path)
        if match:
            return Route(place, match.groupdict(), _action(place, method))
    raise Problem("UNSUPPORTED", f"there is nothing at {path[:255]!r}", status=404)


def _action(place: str, method: str) -> str:
    """An upload is looked at and given up by who may push."""
    return "push" if place in ("upload", "uploads") else _NEEDS.get(method, "pull")
