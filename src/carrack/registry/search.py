"""Searching for images by the registry's first protocol: `GET /v1/search?q=`, which Docker Hub still serves.

Source: Docker Engine API, `ImageSearch`.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from carrack.errors import InvalidArgument, Unavailable
from carrack.registry.session import Session

_LIMIT = 4 * 1024 * 1024
_MOST = 100
_WORDS_MOST = 4096
INDEX = "index.docker.io"


def split(term: str) -> tuple[str, str]:
    """The index's host and what is searched for there: `localhost:5000/foo` is two, `foo/bar` is Docker Hub's."""
    if "://" in term:
        raise InvalidArgument(f"invalid repository name ({term}): leave the scheme out")
    head, slash, rest = term.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        return (INDEX if head == "docker.io" else head), rest
    return INDEX, term.removeprefix("library/")


async def search(session: Session, term: str, limit: int) -> list[dict[str, Any]]:
    """At most `limit` results (1 to 100, 0 for 25), each with the members of Docker's API."""
    if limit and not 1 <= limit <= _MOST:
        raise InvalidArgument(f"limit {limit} is outside the range of [1, {_MOST}]")
    host = session.host.name
    path = f"/v1/search?{urlencode({'q': term, 'n': limit or 25})}"
    answer = await session.ask("GET", path, f"search for {term}", limit=_LIMIT)
    try:
        document: Any = json.loads(answer.data)
    except (ValueError, RecursionError):
        document = None
    results = document.get("results") if isinstance(document, dict) else None
    if not isinstance(results, list):
        raise Unavailable(f"search for {term} from {host}: this registry cannot be searched")
    return [_result(entry) for entry in results[:_MOST] if isinstance(entry, dict)]


def _result(entry: dict[str, Any]) -> dict[str, Any]:
    stars = entry.get("star_count")
    return {
        "star_count": stars if isinstance(stars, int) else 0,
        "is_official": entry.get("is_official") is True,
        "name": _words(entry.get("name")),
        "is_automated": entry.get("is_automated") is True,
        "description": _words(entry.get("description")),
    }


def _words(value: object) -> str:
    """A stranger's text, fit for a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(value or "")[:_WORDS_MOST])
