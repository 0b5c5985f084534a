from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from socket import AF_UNIX, SHUT_WR, socket, socketpair

import pytest

from carrack.errors import Unavailable
from carrack.http.client import HEAD_LIMIT, Connection, connect_tcp, connect_unix


@pytest.fixture
def pair() -> Iterator[tuple[Connection, socket]]:
    ours, theirs = socketpair()
    yield Connection(ours), theirs
    ours.close()
    theirs.close()


def test_a_request_and_its_answer(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello")
    response = connection.request("POST", "/x", [("Content-Type", "text/plain")], b"body")
    assert (response.status, response.headers["x-a"], response.read()) == (200, "1, 2", b"hello")
    sent = server.recv(4096)
    assert sent.startswith(b"POST /x HTTP/1.1\r\nHost: carrack\r\n")
    assert sent.endswith(b"Content-Length: 4\r\n\r\nbody")
    assert connection.reusable


def test_chunks_in_both_directions(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    server.sendall(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n"
    )
    response = connection.request("PUT", "/x", body=iter([b"one", b"", b"three"]))
    assert b"".join(response.chunks()) == b"abc0123456789"
    assert server.recv(4096).endswith(b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n")
    assert connection.reusable


def test_a_body_that_ends_with_the_connection(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 200 OK\r\n\r\nall the rest")
    server.shutdown(SHUT_WR)
    assert connection.request("GET", "/x").read() == b"all the rest"
    assert not connection.reusable


@pytest.mark.parametrize("head", [b"HTTP/1.1 204 None\r\n\r\n", b"HTTP/1.1 304 Same\r\nContent-Length: 7\r\n\r\n"])
def test_answers_without_a_body(pair: tuple[Connection, socket], head: bytes) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" + head)
    assert connection.request("POST", "/x").read() == b""
    assert connection.reusable


def test_head_has_no_body(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")
    assert connection.request("HEAD", "/x").read() == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 xyz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * (HEAD_LIMIT + 1),
        b"HTTP/1.1 200 OK\r\n" + b"A: x\r\n" * HEAD_LIMIT,
    ],
)
def test_a_mad_server_is_refused(pair: tuple[Connection, socket], answer: bytes) -> None:
    connection, server = pair

    def serve() -> None:
        server.recv(4096)
        try:
            server.sendall(answer)
            server.shutdown(SHUT_WR)
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    with pytest.raises(Unavailable):
        connection.request("GET", "/x").read()
    server.close()
    thread.join()
    assert not connection.reusable


def test_a_body_may_be_limited(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    with pytest.raises(Unavailable, match="longer than 3"):
        connection.request("GET", "/x").read(3)


def test_hijack_keeps_what_came_early_and_half_closes(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\n\r\nearly")
    stream = connection.request("POST", "/attach").hijack()
    server.recv(4096)
    stream.write(b"input")
    stream.end()
    assert server.recv(100) == b"input"
    assert server.recv(100) == b""
    server.sendall(b" late")
    assert stream.read(5) == b"early"
    assert stream.read() == b" late"
    stream.close()


def test_abort_wakes_a_reader(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 101 UPGRADED\r\n\r\n")
    stream = connection.request("POST", "/attach").hijack()
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(stream.read()))
    thread.start()
    stream.abort()
    thread.join(5)
    assert got == [b""]


def test_an_early_refusal_of_an_upload_is_read(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    server.sendall(b"HTTP/1.1 400 Bad\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
    server.shutdown(2)
    response = connection.request("PUT", "/x", body=(bytes(65536) for _ in range(10)))
    assert (response.status, response.read()) == (400, b"no")


def test_a_line_end_in_a_head_is_refused(pair: tuple[Connection, socket]) -> None:
    with pytest.raises(ValueError, match="line end"):
        pair[0].request("GET", "/x\r\nEvil: 1")


def test_a_connection_that_the_server_closed_is_not_reused(pair: tuple[Connection, socket]) -> None:
    connection, server = pair
    assert connection.reusable
    server.close()
    assert not connection.reusable


def test_connecting(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as failure:
        connect_unix(str(tmp_path / "none"))
    assert failure.value.filename == str(tmp_path / "none")
    listener = socket(AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    connect_unix(str(tmp_path / "s")).close()
    listener.close()
    tcp = socket()
    tcp.bind(("127.0.0.1", 0))
    port = tcp.getsockname()[1]
    with pytest.raises(ConnectionRefusedError, match=f"127.0.0.1:{port}"):
        connect_tcp("127.0.0.1", port)
    tcp.listen()
    connect_tcp("127.0.0.1", port).close()
    tcp.close()


def test_importing_it_is_cheap() -> None:
    """The client may not draw in what makes an interpreter's start slow."""
    code = (
        "import sys; before = set(sys.modules); import carrack.http.client; print(*sorted(set(sys.modules) - before))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(found) <= {"_socket", "errno", "carrack", "carrack.errors", "carrack.http", "carrack.http.client"}
