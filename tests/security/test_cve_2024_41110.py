"""CVE-2024-41110: a request whose body the authorization plugin did not see, and the handler did.

Each way to frame a body, and to name a path, on a raw socket: the plugin judges the very bytes that the handler parses,
or nobody parses anything.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.http_peer import exchange, parse
from tests.security.judged import EVIL, Judged, digest

pytestmark = pytest.mark.census("daemon authz plugins", "plugin type authz (AuthZReq/AuthZRes)")

BODY = b'{"Image": "x", "HostConfig": {' + EVIL + b"}}"
GOOD = b'{"Image": "x"}'
HEAD = b"POST /v1.51/containers/create?name=a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
CHUNKS = (
    b"".join(b"%x;a=b\r\n%b\r\n" % (len(part), part) for part in (BODY[:7], BODY[7:])) + b"0\r\nX-Trailer: 1\r\n\r\n"
)


def framed(fields: bytes, body: bytes) -> bytes:
    return HEAD + b"Connection: close\r\n" + fields + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(framed(b"Content-Length: %d" % len(BODY), BODY), 403, id="length"),
        pytest.param(framed(b"Transfer-Encoding: chunked", CHUNKS), 403, id="chunks with extensions and a trailer"),
        pytest.param(framed(b"Content-Length: 0", BODY), 200, id="length of zero"),
        pytest.param(framed(b"X: y", BODY), 200, id="no length"),
        pytest.param(framed(b"Content-Length: 0\r\nTransfer-Encoding: chunked", CHUNKS), 400, id="CL.TE"),
        pytest.param(framed(b"Transfer-Encoding: chunked\r\nContent-Length: 0", CHUNKS), 400, id="TE.CL"),
        pytest.param(framed(b"Content-Length: 0\r\nContent-Length: %d" % len(BODY), BODY), 400, id="two lengths"),
        pytest.param(framed(b"Content-Length: 0, %d" % len(BODY), BODY), 400, id="a list of lengths"),
        pytest.param(framed(b"Content-Length: +%d" % len(BODY), BODY), 400, id="length with a sign"),
        pytest.param(framed(b"Transfer-Encoding: identity", BODY), 501, id="identity"),
        pytest.param(framed(b"Transfer-Encoding: chunked, chunked", CHUNKS), 501, id="chunked twice"),
        pytest.param(framed(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked", CHUNKS), 501, id="two encodings"),
        pytest.param(framed(b"Transfer-Encoding : chunked", CHUNKS), 400, id="space before the colon"),
        pytest.param(framed(b"Transfer-Encoding: chunked", b"-1\r\n\r\n" + CHUNKS), 400, id="negative chunk"),
        pytest.param(
            framed(b"Content-Length: %d\r\nContent-Encoding: gzip" % len(BODY), BODY), 403, id="said to be gzip"
        ),
        pytest.param(
            framed(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nContent-Length: %d" % len(BODY), BODY),
            403,
            id="h2c",
        ),
        pytest.param(
            framed(b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: %d" % len(BODY), BODY),
            403,
            id="websocket",
        ),
    ],
)
def test_every_framing_is_judged_as_it_is_parsed(tmp_path: Path, request_: bytes, status: int) -> None:
    judged = Judged(tmp_path)

    async def client(address: str) -> None:
        assert parse(await exchange(address, request_))[0] == status

    judged.play(client)
    assert judged.parsed == ([digest(b"")] if status == 200 else [])


@pytest.mark.parametrize(
    "kind", [b"application/json; charset=utf-8", b"APPLICATION/JSON", b" application/json ;x=y", b"application/json;"]
)
def test_json_by_any_spelling_is_shown(tmp_path: Path, kind: bytes) -> None:
    judged = Judged(tmp_path)
    fields = b"Connection: close\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(BODY))

    async def client(address: str) -> None:
        head = b"POST /containers/create HTTP/1.1\r\nHost: x\r\n"
        assert parse(await exchange(address, head + fields + BODY))[0] == 403

    judged.play(client)
    assert judged.shown == [digest(BODY)]


@pytest.mark.parametrize("kind", [b"", b"Content-Type: text/plain\r\n", b"Content-Type: application/x-tar\r\n"])
def test_what_was_not_shown_is_not_parsed(tmp_path: Path, kind: bytes) -> None:
    judged = Judged(tmp_path)
    fields = b"%bConnection: close\r\nContent-Length: %d\r\n\r\n" % (kind, len(BODY))

    async def client(address: str) -> None:
        head = b"POST /containers/create HTTP/1.1\r\nHost: x\r\n"
        status, _, body = parse(await exchange(address, head + fields + BODY))
        assert (status, b"was not shown to the authorization plugins" in body) == (403, True)

    judged.play(client)
    assert judged.parsed == []


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/containers/create", 403),
        (b"http://elsewhere/v1.51/containers/create", 403),
        (b"/%63ontainers/create", 403),
        (b"/containers%2Fcreate", 403),
        (b"/v1.51/containers/%2e%2e/containers/create", 301),
        (b"/x/../containers/create", 301),
        (b"//containers/create", 301),
        (b"/containers//create", 301),
        (b"/containers/./create", 301),
        (b"/Containers/Create", 404),
        (b"/containers/create/", 404),
        (b"/containers/create;x=y", 404),
        (b"/containers/create%00", 400),
        (b"/containers/create%", 400),
    ],
)
def test_a_path_is_judged_as_it_is_routed(tmp_path: Path, target: bytes, status: int) -> None:
    judged = Judged(tmp_path)
    request = framed(b"Content-Length: %d" % len(BODY), BODY).replace(b"/v1.51/containers/create?name=a", target)

    async def client(address: str) -> None:
        assert parse(await exchange(address, request))[0] == status

    judged.play(client)
    assert judged.parsed == []
    assert {target.removeprefix("/v1.51") for target in judged.targets} <= {"/containers/create"}
    assert bool(judged.targets) == (status == 403)


def test_requests_behind_each_other_are_judged_apart(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    good = HEAD + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD
    hidden = HEAD + b"Content-Length: 0\r\n\r\n" + framed(b"Content-Length: %d" % len(BODY), BODY)

    async def client(address: str) -> None:
        data = await exchange(address, good + hidden)
        assert [int(part[:3]) for part in data.split(b"HTTP/1.1 ")[1:]] == [200, 200, 403]

    judged.play(client)
    assert judged.shown == [digest(GOOD), digest(b""), digest(BODY)]
    assert judged.parsed == [digest(GOOD), digest(b"")]


def test_a_stream_that_is_taken_over_is_judged_before(tmp_path: Path) -> None:
    judged = Judged(tmp_path)
    head = b"POST /exec/e/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"

    def start(body: bytes) -> bytes:
        return head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def client(address: str) -> None:
        assert parse(await exchange(address, start(BODY) + b"input", eof=True))[0] == 403
        answer = await exchange(address, start(GOOD) + b"input", eof=True)
        assert answer.startswith(b"HTTP/1.1 101")
        assert answer.endswith(b"taken over; input")

    judged.play(client)
    assert judged.shown == [digest(BODY), digest(GOOD)]
