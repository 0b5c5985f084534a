"""What is served at `metrics-addr`, apart from the API: one page for Prometheus."""

from __future__ import annotations

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response
from carrack.engine.system.metrics import Metrics
from carrack.model.exposition import CONTENT_TYPE


def routes(metrics: Metrics) -> list[Route]:
    """The route table."""

    async def page(request: Request) -> Response:
        return Response(200, (await metrics.text()).encode(), CONTENT_TYPE)

    return [Route("GET", "/metrics", page), Route("HEAD", "/metrics", page)]
