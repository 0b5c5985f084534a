import os
import select
import socket
import threading
from collections.abc import Iterator

import pytest

from carrack.network.relay import Connection, Table, Talk


def test_a_table_finds_by_address_and_port() -> None:
    table = Table([("tcp", "::", 8000, "172.30.0.2", 80, 10), ("tcp", "::1", 443, "fd00::2", 443, 1)])
    assert table.find("tcp", "2001:db8::1", 8009) == ("172.30.0.2", 89)
    assert table.find("tcp", "::1", 443) == ("fd00::2", 443)
    assert table.find("tcp", "2001:db8::1", 443) is None
    assert table.find("udp", "::1", 8000) is None
    assert table.find("tcp", "::1", 8010) is None
    assert table.leads_to("172.30.0.2")
    assert not Table().leads_to("172.30.0.2")


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that answers with all it was sent, once the client has said that there is no more."""

    def serve() -> None:
        while True:
            try:
                peer, _ = server.accept()
            except OSError:
                return
            with peer:
                while data := peer.recv(1 << 16):
                    peer.sendall(data)

    server = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    server.close()


def drive(connection: Connection, ended: list[Connection]) -> None:
    """What the relay's loop does."""
    poll = select.epoll()
    for end in (connection.client, connection.server):
        poll.register(end, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)
    more = False
    while not ended:
        for fd, _ in poll.poll(0 if more else 2):
            more = not ended and connection.ready(fd)
        if more:
            more = connection.ready(connection.client.fileno())
    poll.close()


def through(port: int, payload: bytes) -> bytes:
    near, far = _pair()
    ended: list[Connection] = []
    connection = Connection(far, ("127.0.0.1", port), ended.append)
    worker = threading.Thread(target=drive, args=(connection, ended))
    sender = threading.Thread(target=_send, args=(near, payload))
    got = b""
    with near:
        worker.start()
        sender.start()
        try:
            while data := near.recv(1 << 16):
                got += data
        finally:
            sender.join()
            worker.join()
    return got


def _send(near: socket.socket, payload: bytes) -> None:
    if payload:
        near.sendall(payload)
        near.shutdown(socket.SHUT_WR)


def _pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    return near, far


@pytest.mark.parametrize("size", [1, 3_000_000])
def test_bytes_go_through_both_ways_whole(echo: int, size: int) -> None:
    payload = os.urandom(size)
    before = len(os.listdir("/proc/self/fd"))
    assert through(echo, payload) == payload
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_container_that_refuses_resets_the_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(ConnectionResetError):
        through(port, b"")


def test_talk_goes_to_the_container_and_back() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        answers: list[bytes] = []
        talk = Talk(server.getsockname(), answers.append)
        talk.say(b"question")
        data, peer = server.recvfrom(100)
        server.sendto(data + b"!", peer)
        select.select([talk.server], [], [], 2)
        assert not talk.ready(talk.server.fileno())
        assert answers == [b"question!"]
        talk.server.close()
