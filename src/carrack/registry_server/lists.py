"""Lists in pages: tags, the catalogue, and the referrers of a manifest."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from carrack.oci import media_types as types
from carrack.registry_server.blobs import checked
from carrack.registry_server.message import Answer, Problem, Request, json_answer
from carrack.registry_server.repositories import Referrers, Repositories, Repository, Tags

PAGE = 1000
"""Entries of a page of the catalogue when none are asked for; of tags all are given."""

_MOST = 10_000


class Lists:
    """The handlers. `visible` decides whether the asker may know of a repository."""

    def __init__(self, repositories: Repositories, visible: Callable[[Request, str], bool]) -> None:
        self._repositories = repositories
        self._visible = visible

    def tags(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET of a repository's tags."""
        repository = self._repositories.get(parts["name"])
        if not repository.exists():
            raise Problem("NAME_UNKNOWN", f"there is no repository {repository.name}")
        return self.page(request, repository, Tags(repository).names())

    def page(self, request: Request, repository: Repository, names: list[str]) -> Answer:
        """The page that is asked for of a repository's tags, of which all are given."""
        last = request.query.get("last", "")
        page, more = _page(names[bisect.bisect_right(names, last) :] if last else names, _count(request, None))
        return _linked(request, {"name": repository.name, "tags": page}, page, more)

    def catalog(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET of the repositories that the asker may pull from."""
        last = request.query.get("last", "")
        names = (name for name in self._repositories.names() if name > last and self._visible(request, name))
        page, more = _page(names, _count(request, PAGE))
        return _linked(request, {"repositories": page}, page, more)

    def referrers(self, request: Request, parts: Mapping[str, str]) -> Answer:
        """GET of an index of the manifests whose subject has this digest, here or not."""
        repository, digest = self._repositories.get(parts["name"]), checked(parts["digest"])
        return self.index(request, Referrers(repository).of(digest))

    def index(self, request: Request, found: list[dict[str, Any]]) -> Answer:
        """Descriptors as an index, of the artifact type that is asked for."""
        headers = {"Content-Type": types.OCI_INDEX}
        wanted = request.query.get("artifactType", "")
        if wanted:
            found = [each for each in found if each.get("artifactType") == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        document = {"schemaVersion": 2, "mediaType": types.OCI_INDEX, "manifests": found}
        return json_answer(document, headers=headers)


def _count(request: Request, usual: int | None) -> int | None:
    text = request.query.get("n")
    if text is None:
        return usual
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise Problem("PAGINATION_NUMBER_INVALID", f"n is to be a number, not {text[:40]!r}")
    return min(int(text), _MOST)


def _page(names: Iterable[str], count: int | None) -> tuple[list[str], bool]:
    """The first `count` names (None: all), and whether there are more."""
    if count is None:
        return list(names), False
    found = list(itertools.islice(names, count + 1))
    return found[:count], len(found) > count


def _linked(request: Request, document: dict[str, object], page: list[str], more: bool) -> Answer:
    headers = {}
    if more and page:
        query = urlencode({"last": page[-1], "n": len(page)})
        headers["Link"] = f'<{quote(request.path)}?{query}>; rel="next"'
    return json_answer(document, headers=headers)
