from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from carrack.http.outgoing import Answer, Malformed, NotReached, Peer, request


def ask(tmp_path: Path, answer: bytes, *, limit: int = 1000, timeout: float = 5, tcp: bool = False) -> Answer:
    """What `request` makes of a server that answers so; an empty answer never ends."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"POST /Plugin.Activate HTTP/1.1\r\n")
        assert await reader.readexactly(2) == b"{}"
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()

    async def play() -> Answer:
        if tcp:
            server = await asyncio.start_server(handle, "127.0.0.1", 0)
            peer = Peer(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
        else:
            peer = Peer(path=str(tmp_path / "s"))
            server = await asyncio.start_unix_server(handle, peer.path)
        async with server:
            headers = {"Accept": "x"}
            return await request(peer, "POST", "/Plugin.Activate", headers, b"{}", limit=limit, timeout=timeout)

    return asyncio.run(play())


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and more",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_answers(tmp_path: Path, answer: bytes, tcp: bool) -> None:
    got = ask(tmp_path, answer, tcp=tcp)
    assert (got.status, got.body) == (200, b"hello")


def test_a_status_without_a_body(tmp_path: Path) -> None:
    assert ask(tmp_path, b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n") == Answer(204, {"x-a": "b"}, b"")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"nonsense\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 two\r\n\r\n", "not an HTTP answer"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "malformed header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "malformed header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "malformed length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001, "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", "more than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "malformed length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "ended in the middle"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000, "too long"),
    ],
)
def test_what_is_no_answer(tmp_path: Path, answer: bytes, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        ask(tmp_path, answer)


def test_silence_has_a_limit(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        ask(tmp_path, b"", timeout=0.05)


def test_nobody_listens(tmp_path: Path) -> None:
    for peer in (Peer(path=str(tmp_path / "none")), Peer(host="127.0.0.1", port=1)):
        with pytest.raises(NotReached):
            asyncio.run(request(peer, "POST", "/", {}, b"", limit=1, timeout=5))


def test_no_line_ends_get_into_a_head(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line end"):
        asyncio.run(request(Peer(path="/s"), "POST", "/a\r\nb", {}, b"", limit=1, timeout=5))
