"""What a daemon that starts can answer first: that it is there, and what runs.

For the list there is no need of anything but the records and the shims' word, so it does not wait for the network, the
images and all the code behind the other routes. Lists with filters or sizes, or of the older forms, do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from carrack.api.app import Handler, Route
from carrack.api.request import Request
from carrack.api.response import Response, encoded_json, text
from carrack.api.summaries import Summaries
from carrack.engine.containers.store import ContainerStore

_LIST = "/containers/json"
_PING = {
    "Cache-Control": "no-cache, no-store, must-revalidate",
    "Pragma": "no-cache",
    "Swarm": "inactive",
}


def routes(store: ContainerStore, later: Callable[[str, str], Awaitable[Handler]]) -> list[Route]:
    """The route table; ``later`` gives a route's handler once all of them are there."""
    summaries = Summaries(store)

    async def listed(request: Request) -> Response:
        answer = plain(summaries, request)
        return answer if answer is not None else await (await later("GET", _LIST))(request)

    return [*pings(), Route("GET", _LIST, listed)]


def pings() -> list[Route]:
    """The routes that only tell that somebody is there."""
    return [Route("GET", "/_ping", _ping), Route("HEAD", "/_ping", _ping)]


def plain(summaries: Summaries, request: Request) -> Response | None:
    """The list of all containers or of those that run, as it is now; None when something else is asked for."""
    query = request.query
    if request.version < (1, 46) or "filters" in query or "limit" in query or "size" in query:
        return None
    return encoded_json(summaries.unfiltered(query.flag("all")))


async def _ping(request: Request) -> Response:
    return text("" if request.method == "HEAD" else "OK", headers=_PING)
