"""The page for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.http_peer import ask, run_with

from carrack.api.routes.metrics import routes


class Page:
    async def text(self) -> str:
        return "up 1\n"


def test_the_page_and_nothing_else(tmp_path: Path) -> None:
    metrics: Any = Page()

    async def client(address: str) -> None:
        status, headers, body = await ask(address, "/metrics")
        assert (status, body) == (200, b"up 1\n")
        assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert (await ask(address, "/metrics", "HEAD"))[0] == 200
        assert (await ask(address, "/containers/json"))[0] == 404

    run_with(tmp_path, routes(metrics), client)
