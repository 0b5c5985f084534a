"""Requests that a web page made a browser send."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.http_peer import ask, run_with

from carrack.api.app import Route
from carrack.api.request import Request
from carrack.api.response import Response, text


async def fine(request: Request) -> Response:
    return text("fine")


def test_an_origin_is_no_matter_on_the_unix_socket(tmp_path: Path) -> None:
    # No browser can reach it; some tools set the header on every request. On TCP see the connections' tests.
    async def client(address: str) -> None:
        assert (await ask(address, "/x", headers="Origin: http://page\r\n"))[0] == 200

    run_with(tmp_path, [Route("GET", "/x", fine)], client)
