"""CVE-2026-34040: a body of more than 1 MiB reached the authorization plugin as an empty one, and the handler whole.

Here a body of any size that a handler parses is shown whole; one above the limit of JSON bodies is refused.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.http_peer import exchange, parse
from tests.security.judged import EVIL, Judged, digest

from carrack.api.request import MAX_JSON

MIB = 1024 * 1024


def sized(size: int, evil: bool) -> bytes:
    end = b'", ' + (EVIL if evil else b'"Tty": true') + b"}"
    start = b'{"Image": "'
    return start + b"x" * (size - len(start) - len(end)) + end


def request(body: bytes, framing: str) -> bytes:
    head = b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    if framing == "length":
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    parts = [body[start : start + 100_000] for start in range(0, len(body), 100_000)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks


@pytest.mark.parametrize("framing", ["length", "chunks"])
@pytest.mark.parametrize("size", [MIB - 1, MIB, MIB + 1, 3 * MIB])
def test_a_large_body_is_shown_whole(tmp_path: Path, size: int, framing: str) -> None:
    judged = Judged(tmp_path)
    good, evil = sized(size, evil=False), sized(size, evil=True)

    async def client(address: str) -> None:
        assert parse(await exchange(address, request(evil, framing)))[0] == 403
        assert parse(await exchange(address, request(good, framing)))[0] == 200

    judged.play(client)
    assert judged.shown == [digest(evil), digest(good)]
    assert judged.parsed == [digest(good)]


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_what_is_too_large_to_be_shown_is_refused(tmp_path: Path, framing: str) -> None:
    judged = Judged(tmp_path)
    whole = request(sized(MAX_JSON + 1, evil=True), framing)

    async def client(address: str) -> None:
        status, _, body = parse(await exchange(address, whole))
        assert (status, b"authorization needs the whole body" in body) == (403, True)

    judged.play(client)
    assert judged.shown == judged.parsed == []
