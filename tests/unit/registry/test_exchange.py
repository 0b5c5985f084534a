from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from carrack.registry.exchange import Body, Broken, Connection
from carrack.registry.head import Malformed

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Script:
    """A channel that says its parts one by one, and keeps what it is told."""

    def __init__(self, *parts: bytes, waits: bool = False, broken_after: int | None = None) -> None:
        self.parts, self.waits, self.left = list(parts), waits, broken_after
        self.sent = b""
        self.closed = False

    async def receive(self, patience: float, want: int = 1) -> bytes:
        if not self.parts and self.waits:
            raise TimeoutError
        return self.parts.pop(0) if self.parts else b""

    def ready(self) -> bytes | None:
        return None

    async def send(self, data: bytes | memoryview, patience: float) -> None:
        if self.left is not None and len(self.sent) + len(data) > self.left:
            raise ConnectionResetError(104, "Connection reset by peer")
        self.sent += bytes(data)

    def close(self) -> None:
        self.closed = True


def _ask(script: Script, method: str = "GET", body: Body = b"", limit: int = 1000) -> tuple[int, bytes, bool]:
    async def run() -> tuple[int, bytes, bool]:
        kept: list[bool] = []
        answer = await Connection(script, 1.0).ask(method, "/x", {"Host": "a"}, body)
        answer.done = lambda connection, reusable: kept.append(reusable)
        async with answer:
            read = await answer.read(limit)
        return answer.status, read, kept[0]

    return asyncio.run(run())


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("data", "status", "body", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
        (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", 200, b"hello", True),
        (b"\r\nHTTP/1.1 204 No\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", False),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made\r\nContent-Length: 0\r\n\r\n", 201, b"", True),
        (CHUNKED + b"3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: v\r\n\r\n", 200, b"hello", True),
    ],
)
def test_answers_in_any_pieces(data: bytes, status: int, body: bytes, kept: bool, size: int) -> None:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert _ask(Script(*parts)) == (status, body, kept)


def test_a_request_as_it_is_sent() -> None:
    script = Script(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    _ask(script, "PUT", b"body")
    assert script.sent == b"PUT /x HTTP/1.1\r\nHost: a\r\n\r\nbody"


def test_a_body_that_comes_in_parts() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    script = Script(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    _ask(script, "PUT", parts())
    assert script.sent.endswith(b"\r\n\r\nonetwo")


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffff\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000,
        b"garbage\r\n\r\n",
    ],
)
def test_malformed_answers(data: bytes) -> None:
    with pytest.raises((Malformed, Broken)):
        _ask(Script(data))


@pytest.mark.parametrize(
    ("data", "begun"),
    [(b"", False), (b"HTTP/1.1 200 OK\r\nConte", True), (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", True),
     (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhe", True)],
)  # fmt: skip
@pytest.mark.parametrize("waits", [False, True])
def test_a_connection_that_ends_or_stalls(data: bytes, begun: bool, waits: bool) -> None:
    with pytest.raises(Broken) as caught:
        _ask(Script(*([data] if data else []), waits=waits))
    assert caught.value.begun is begun or waits
    assert ("nothing came" in str(caught.value.strerror)) is waits


def test_a_broken_request_is_not_begun() -> None:
    with pytest.raises(Broken, match="reset") as caught:
        _ask(Script(broken_after=10))
    assert not caught.value.begun


def test_a_head_cannot_be_smuggled_in() -> None:
    async def run() -> None:
        await Connection(Script(), 1.0).ask("GET", "/x\r\nEvil: 1", {}, b"")

    with pytest.raises(ValueError, match="line end"):
        asyncio.run(run())


def test_a_body_left_unread_costs_the_connection() -> None:
    async def run() -> bool:
        kept: list[bool] = []
        script = Script(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        answer = await Connection(script, 1.0).ask("GET", "/x", {}, b"")
        answer.done = lambda connection, reusable: kept.append(reusable)
        await answer.close()
        await answer.close()
        return kept[0]

    assert asyncio.run(run()) is False


def test_a_broken_request_on_a_connection_that_has_answered_before() -> None:
    """What is left of the last answer's bytes is none to this request."""
    script = Script(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", waits=True)

    async def run() -> None:
        connection = Connection(script, 1.0)
        async with await connection.ask("POST", "/x", {}, b""):
            pass
        script.left = len(script.sent)
        with pytest.raises(Broken) as failure:
            await connection.ask("PUT", "/x", {}, b"data")
        assert "reset by peer" in str(failure.value)

    asyncio.run(run())


def test_a_source_that_fails_is_not_taken_for_the_server() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"some"
        raise FileNotFoundError(2, "No such file or directory", "layer")

    with pytest.raises(FileNotFoundError):
        _ask(Script(waits=True), "PUT", body())
