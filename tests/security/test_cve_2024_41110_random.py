"""CVE-2024-41110 as a property: whatever bytes a client sends, no handler parses a body that no plugin has judged."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from tests.fakes.http_peer import exchange
from tests.security.judged import EVIL, Judged

BODIES = [b"", b"{}", b'{"a": ' + EVIL + b"}", EVIL, b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"\r\n\r\n", b"x" * 3000]
FIELDS = [
    b"Content-Length: %d", b"Content-Length: 0", b"content-length: %d", b"Content-Length:  %d ",
    b"Content-Length: %d, %d", b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked",
    b"transfer-encoding:\tchunked", b"Transfer-Encoding: gzip", b"Content-Type: application/json",
    b"Content-Type: application/json;x=y", b"Content-Type: text/plain", b"CONTENT-TYPE: APPLICATION/JSON",
    b"Content-Type: ", b"Content-Encoding: gzip", b"Expect: 100-continue", b"Expect: x", b"Connection: close",
    b"Connection: Upgrade", b"Upgrade: tcp", b"Upgrade: h2c", b"Upgrade: websocket", b"X: y", b"X", b" folded",
    b"Host: other", b"Trailer: X",
]  # fmt: skip
LINES = [
    b"POST /containers/create", b"POST /v1.51/containers/create?x=y", b"POST /exec/e/start", b"GET /_ping",
    b"HEAD /_ping", b"POST //containers/create", b"POST /x/%2e%2e/containers/create",
    b"POST http://h/containers/create", b"PUT /nothing", b"POST /containers/%63reate",
    b"OPTIONS /containers/create",
]  # fmt: skip


def chunked(body: bytes, dice: random.Random) -> bytes:
    cut = dice.randint(0, len(body))
    parts = [part for part in (body[:cut], body[cut:]) if part]
    end = dice.choice([b"0\r\n\r\n", b"0\r\n\r\n", b"0;x\r\nY: z\r\n\r\n", b""])
    return b"".join(b"%x%b\r\n%b\r\n" % (len(p), dice.choice([b"", b";a=b"]), p) for p in parts) + end


def request(dice: random.Random) -> bytes:
    body = dice.choice(BODIES)
    sizes = [len(body)] * 4 + [len(body) + 1, max(0, len(body) - 1)]
    fields = [b"Host: x", *dice.sample(FIELDS, dice.randint(0, 5))]
    fields = [field.replace(b"%d", b"%d" % dice.choice(sizes)) for field in fields]
    content = chunked(body, dice) if any(b"hunked" in field for field in fields) and dice.random() < 0.8 else body
    line = dice.choice(LINES) + b" HTTP/1." + dice.choice([b"1", b"1", b"1", b"0"])
    return b"\r\n".join([line, *fields, b"", b""]) + content


@pytest.mark.parametrize("seed", range(4))
def test_what_is_parsed_was_judged(tmp_path: Path, seed: int) -> None:
    judged, dice = Judged(tmp_path), random.Random(seed)

    async def send(address: str, data: bytes) -> None:
        try:
            async with asyncio.timeout(0.5):
                await exchange(address, data, eof=True)
        except (TimeoutError, OSError):
            pass

    async def client(address: str) -> None:
        for _ in range(100):
            await send(address, b"".join(request(dice) for _ in range(dice.randint(1, 3))))

    judged.play(client)  # it compares what was shown with what was parsed, after each and in all
    assert judged.parsed, "some of them must get through"
    assert len(judged.shown) > len(judged.parsed)
