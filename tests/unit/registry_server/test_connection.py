"""HTTP/1.1 as the registry speaks it: bodies of every framing, many requests on a connection, and refusals."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from carrack.registry_server import connection as module
from carrack.registry_server.connection import Connection
from carrack.registry_server.message import Answer, Problem, Request
from carrack.registry_server.wire import Wire


def _echo(request: Request) -> Answer:
    if request.path == "/broken":
        raise ZeroDivisionError
    if request.path == "/refused":
        raise Problem("DENIED", "no")
    if request.path == "/unread":
        return Answer(400, body=b"unread")
    body = b"".join(bytes(piece) for piece in request.body.pieces())
    document = {
        "path": request.path, "query": dict(request.query), "length": request.body.length,
        "body": body.decode(), "accept": request.headers.get("accept"),
    }  # fmt: skip
    return Answer(200, {"X-Method": request.method}, json.dumps(document).encode())


class _Peer:
    def __init__(self) -> None:
        here, self.socket = socket.socketpair()
        self.socket.settimeout(10)
        self.connection = Connection(Wire(here), _echo, "peer")
        self.thread = threading.Thread(target=self.connection.serve)
        self.thread.start()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> tuple[str, dict[str, str], bytes]:
        """Status line, headers and body of the next answer."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.socket.recv(1)
            if not more:
                return data.decode(), {}, b""
            data += more
        line, *lines = data.decode().split("\r\n")[:-2]
        headers = dict(each.split(": ", 1) for each in lines)
        size = int(headers.get("Content-Length", "0"))
        body = b""
        while len(body) < size and headers.get("X-Method") != "HEAD":
            body += self.socket.recv(size - len(body))
        return line, headers, body

    def ended(self) -> bool:
        return self.socket.recv(1) == b""


@pytest.fixture
def peer() -> Iterator[_Peer]:
    made = _Peer()
    yield made
    made.socket.close()
    made.thread.join(5)
    assert not made.thread.is_alive()


def test_requests_one_after_another_in_one_piece(peer: _Peer) -> None:
    peer.send(
        b"GET /a%2Fb?x=1&x=2 HTTP/1.1\r\nHost: h\r\nAccept: a\r\nAccept: b\r\n\r\n"
        b"POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
        b"POST /d HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        b"GET /e HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    first, second, third, fourth = (json.loads(peer.answer()[2]) for _ in range(4))
    assert (first["path"], first["query"], first["accept"]) == ("/a/b", {"x": "2"}, "a, b")
    assert (second["body"], second["length"]) == ("hello", 5)
    assert (third["body"], third["length"]) == ("abcde", None)
    assert fourth["path"] == "/e"


def test_a_body_in_small_pieces(peer: _Peer) -> None:
    for byte in b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
        peer.send(bytes([byte]))
    assert json.loads(peer.answer()[2])["body"] == "abc"


def test_head_has_no_body(peer: _Peer) -> None:
    peer.send(b"HEAD /x HTTP/1.1\r\nHost: h\r\n\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n")
    _, headers, _ = peer.answer()
    assert int(headers["Content-Length"]) > 10
    assert json.loads(peer.answer()[2])["path"] == "/y"


def test_who_waits_to_be_told_is_told(peer: _Peer) -> None:
    peer.send(b"PUT /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert peer.answer()[0] == "HTTP/1.1 100 Continue"
    peer.send(b"ok")
    assert json.loads(peer.answer()[2])["body"] == "ok"


def test_an_unread_body_ends_the_connection_after_the_answer(peer: _Peer) -> None:
    peer.send(b"PUT /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + bytes(1000))
    line, headers, body = peer.answer()
    assert (line, headers["Connection"], body) == ("HTTP/1.1 400 Bad Request", "close", b"unread")
    assert peer.ended()


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_connections_end_when_asked_to(peer: _Peer, version: str) -> None:
    said = b"" if version == "1.0" else b"Connection: close\r\n"
    peer.send(b"GET /x HTTP/" + version.encode() + b"\r\nHost: h\r\n" + said + b"\r\n")
    assert json.loads(peer.answer()[2])["path"] == "/x"
    assert peer.ended()


def test_refusals_and_failures_are_answers(peer: _Peer, caplog: pytest.LogCaptureFixture) -> None:
    peer.send(b"GET /refused HTTP/1.1\r\nHost: h\r\n\r\nGET /broken HTTP/1.1\r\nHost: h\r\n\r\n")
    assert peer.answer()[0] == "HTTP/1.1 403 Forbidden"
    line, _, body = peer.answer()
    assert line == "HTTP/1.1 500 Internal Server Error"
    assert b"ZeroDivision" not in body
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /x HTTP/1.1\n\n", 400),
        (b"\x16\x03\x01\x02\x00\x01", 400),
        (b"GET /x HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\r\n", 400),
        (b"PUT /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnope\r\n", 400),
        (b"GET /x HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 70_000, 431),
    ],
)
def test_what_is_no_plain_request_is_refused(peer: _Peer, data: bytes, status: int) -> None:
    peer.send(data)
    assert peer.answer()[0].startswith(f"HTTP/1.1 {status} ")


def test_a_slow_head_is_given_up(peer: _Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEAD_TIME", 0.0)
    peer.send(b"GET /x")
    peer.send(b" HTTP/1.1\r\n")
    assert peer.answer()[0] == "HTTP/1.1 408 Request Timeout"


def test_a_body_over_the_limit_is_not_read() -> None:
    here, there = socket.socketpair()
    answers: list[int] = []

    def handler(request: Request) -> Answer:
        try:
            request.body.read(10)
        except Problem as problem:
            answers.append(problem.status)
        return Answer(200)

    thread = threading.Thread(target=Connection(Wire(here), handler, "peer").serve)
    thread.start()
    there.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n")
    assert there.recv(1000).startswith(b"HTTP/1.1 200")
    there.close()
    thread.join(5)
    assert answers == [413]


def test_stop_ends_an_idle_connection(peer: _Peer) -> None:
    peer.send(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
    peer.answer()
    peer.connection.stop()
    assert peer.ended()


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked"])
def test_a_body_by_drops_is_given_up(peer: _Peer, monkeypatch: pytest.MonkeyPatch, framing: bytes) -> None:
    monkeypatch.setattr(module, "STALL", 0.05)
    peer.send(b"PUT /x HTTP/1.1\r\nHost: h\r\n" + framing + b"\r\n\r\n" + b"1\r\n")
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.01):
            try:
                peer.send(b"a\r\n1\r\n")
            except OSError:
                return

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        assert peer.answer()[0] == ""
    finally:
        ended.set()
        thread.join(5)
