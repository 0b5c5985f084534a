"""Clients beside each other, to a limit, and the end of it."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

from carrack.registry_server.message import Answer, Request
from carrack.registry_server.server import Server

_ASK = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def _connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.settimeout(10)
    return sock


def _start(server: Server) -> int:
    listener = socket.create_server(("127.0.0.1", 0))
    server.listen(listener)
    return int(listener.getsockname()[1])


def _taken(port: int, begun: threading.Event) -> socket.socket:
    """A client that keeps a handler busy. The server may not know yet that who has its answer is idle."""
    for _ in range(50):
        client = _connect(port)
        client.sendall(_ASK.replace(b"/", b"/busy", 1))
        if begun.wait(0.2):
            return client
        client.close()
    raise AssertionError("nobody was ended for one more")


def test_clients_are_served_beside_each_other_to_a_limit() -> None:
    both = threading.Barrier(2, timeout=10)

    def handler(request: Request) -> Answer:
        both.wait()
        return Answer(200)

    server = Server(handler, most=2)
    port = _start(server)
    clients = [_connect(port) for _ in range(2)]
    clients[0].sendall(_ASK)
    while both.n_waiting == 0:
        time.sleep(0.001)
    clients[1].sendall(_ASK)
    assert all(client.recv(1000).startswith(b"HTTP/1.1 200") for client in clients)
    assert server.connections == 2
    server.close(grace=5)
    for client in clients:
        assert client.recv(10) == b""
        client.close()
    assert server.connections == 0


def test_for_one_more_an_idle_one_is_ended_and_no_busy_one() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def handler(request: Request) -> Answer:
        if request.path == "/busy":
            begun.set()
            assert go_on.wait(10)
        return Answer(200)

    server = Server(handler, most=2)
    port = _start(server)
    busy, idle = _connect(port), _connect(port)
    busy.sendall(_ASK.replace(b"/", b"/busy", 1))
    assert begun.wait(10)
    idle.sendall(_ASK)
    assert idle.recv(1000).startswith(b"HTTP/1.1 200")
    begun.clear()
    second = _taken(port, begun)
    assert idle.recv(10) == b""
    with _connect(port) as third:
        assert b"503" in third.recv(1000)
    go_on.set()
    for client in (busy, second):
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
        client.close()
    idle.close()
    server.close(grace=5)


def test_close_lets_a_request_end() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def handler(request: Request) -> Answer:
        begun.set()
        assert go_on.wait(10)
        return Answer(200, body=b"done")

    server = Server(handler)
    client = _connect(_start(server))
    client.sendall(_ASK)
    assert begun.wait(10)
    closing = threading.Thread(target=server.close)
    closing.start()
    go_on.set()
    received = b""
    while more := client.recv(1000):
        received += more
    closing.join(10)
    client.close()
    assert received.endswith(b"done")
    assert server.connections == 0


def test_close_does_not_wait_for_ever() -> None:
    stuck = threading.Event()

    def handler(request: Request) -> Answer:
        b"".join(request.body.pieces())
        stuck.set()
        return Answer(200)

    server = Server(handler)
    client = _connect(_start(server))
    client.sendall(b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc")
    server.close(grace=0.1)
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(10) == b""
    assert not stuck.is_set()
