"""Our own reports on images: what is waste in one, and how two differ."""

from __future__ import annotations

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, json_response
from carrack.engine.images.looking import Looker
from carrack.errors import InvalidArgument

_MOST = 1000
_LIMIT = 100_000


def routes(looker: Looker) -> list[Route]:
    """The route table."""
    face = _Face(looker)
    return [
        Route("GET", "/carrack/images/diff", face.diff),
        Route("GET", "/carrack/images/{name:.*}/explain", face.explain),
    ]


class _Face:
    def __init__(self, looker: Looker) -> None:
        self._looker = looker

    async def explain(self, request: Request) -> Response:
        return json_response(await self._looker.explain(request.path["name"], _limit(request)))

    async def diff(self, request: Request) -> Response:
        query = request.query
        old, new = query.text("from"), query.text("to")
        if not old or not new:
            raise InvalidArgument("the parameters from and to are required: the two images to compare")
        return json_response(await self._looker.diff(old, new, _limit(request), full=query.flag("full")))


def _limit(request: Request) -> int:
    """How many findings of each kind."""
    limit = request.query.integer("limit", _MOST)
    if limit is None or not 0 <= limit <= _LIMIT:
        raise InvalidArgument(f"limit must be between 0 and {_LIMIT}")
    return limit
