"""Requests that a web page made a browser send."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.fakes.http_peer import ask, parse, run, run_with, serving_tcp

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


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ("Host: 127.0.0.1:2376", 200),
        ("Host: [::1]:2376", 200),
        ("Host: ", 200),
        ("Host: docker:2375", 200),
        ("Host: localhost", 200),
        ("Host: engine.localhost", 200),
        ("Host: host.docker.internal:9323", 200),
        ("Host: Build.Example.org.:2376", 200),
        ("Host: a.wild.example.org", 200),
        ("Host: b.a.wild.example.org", 403),
        ("Host: example.org", 403),
        ("Host: attacker.example.com:2375", 403),
        ("Host: 127.0.0.1.example.com", 403),
        ("Host: x\r\nOrigin: null", 403),
        ("Host: x\r\nOrigin: http://x", 403),
        ("Host: x\r\nSec-Fetch-Site: cross-site", 403),
        ("Host: x\r\nSec-Fetch-Site: none", 200),
        ("Host: x\r\nUpgrade: websocket\r\nOrigin: http://x", 200),
        ("Host: x\r\nUpgrade: websocket\r\nOrigin: http://y", 403),
        ("Host: evil.example.com\r\nUpgrade: websocket\r\nOrigin: http://evil.example.com", 403),
    ],
)
def test_on_tcp_pages_and_foreign_names_are_refused(fields: str, status: int) -> None:
    async def main() -> None:
        names = ["build.example.org", "*.wild.example.org"]
        async with serving_tcp([Route("GET", "/x", fine)], names=names) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET /x HTTP/1.1\r\nConnection: close\r\n{fields}\r\n\r\n".encode())
            got, _, body = parse(await reader.read())
            assert (got, b"refused" in body) == (status, status == 403)
            writer.close()

    run(main)
