"""Whole answers: what they may not hold. How they are written is seen by the server's tests."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.fakes.http_peer import ask, run_with

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response
from carrack.http.answers import Unanswered, WholeResponse


def test_the_head_and_the_body_are_written_at_once_and_dated(tmp_path: Path) -> None:
    async def hello(request: Request) -> Response:
        return Response(200, b"hello", headers={"X-A": "b"})

    async def client(address: str) -> None:
        status, headers, body = await ask(address, "/hello")
        assert (status, headers["x-a"], body, headers["content-length"]) == (200, "b", b"hello", "5")
        assert headers["date"].endswith("GMT")

    run_with(tmp_path, [Route("GET", "/hello", hello)], client)


def test_nothing_is_written_where_nobody_is_left() -> None:
    async def main() -> None:
        nobody: Any = None
        await Unanswered().prepare(nobody)
        await Unanswered().write_eof()
        await WholeResponse(status=200, body=b"", headers={}).write_eof()  # never prepared

    asyncio.run(main())
