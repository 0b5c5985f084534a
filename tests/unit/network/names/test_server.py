import _socket
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from tests.fakes import dns
from tests.unit.network.names.seat import FixedServers, listening

from carrack.network.names import packet, wire
from carrack.network.names.server import Server

VIEW: Any = (("net",), (), False, True, {})


class Desk:
    """A server in a thread, and the daemon's end of its socket."""

    def __init__(self) -> None:
        self.daemon, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        self._control = _socket.socket(fileno=theirs.detach())
        self.server = Server(self._control, FixedServers())
        self._thread = threading.Thread(target=self.server.serve)
        self._thread.start()

    def tell(self, *message: Any, fds: tuple[int, ...] = ()) -> None:
        wire.send(self.daemon, wire.encode(*message), fds)

    def attach(self, container: str, view: Any = VIEW) -> tuple[str, int]:
        udp, tcp = listening()
        address: tuple[str, int] = udp.getsockname()
        self.tell("attach", container, view, fds=(udp.fileno(), tcp.fileno()))
        udp.close()
        tcp.close()
        return address

    def endpoint(self, network: str, owner: str, name: str, last: int) -> None:
        full = dns.name_bytes(f"{name}.{network}")
        self.tell("endpoint", network, owner, [dns.name_bytes(name)], [bytes([10, 0, 0, last])], full)

    def counts(self) -> dict[str, int]:
        self.tell("count", 7)
        message, _ = wire.receive(self.daemon)
        assert message is not None
        assert message[:2] == ("counts", 7)
        counts: dict[str, int] = message[2]
        return counts

    def close(self) -> None:
        self.daemon.close()
        self._thread.join()
        for container in list(self.server._sandboxes):
            self.server._detach(container)
        self._control.close()
        os.close(self.server.upstream._home)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


def ask(address: tuple[str, int], name: str) -> dns.Answer:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(address)
        sock.send(dns.query(name))
        return dns.read(sock.recv(4096))


def test_names_come_and_go(desk: Desk) -> None:
    address = desk.attach("c1")
    desk.endpoint("net", "c2", "db", 3)
    assert ask(address, "db").texts == ["10.0.0.3"]
    desk.endpoint("net", "c2", "db", 4)
    assert ask(address, "db").texts == ["10.0.0.4"]
    desk.tell("gone", "net", "c2")
    desk.tell("change", "c1", (("net",), (), False, False, {}))
    assert ask(address, "db").code == packet.SERVER_FAILURE


def test_each_sees_its_own_networks(desk: Desk) -> None:
    desk.endpoint("net", "c1", "one", 1)
    desk.endpoint("far", "c2", "one", 2)
    addresses = [desk.attach(name, ((net,), (), False, False, {})) for name, net in (("c1", "net"), ("c2", "far"))]
    assert [ask(address, "one").texts for address in addresses] == [["10.0.0.1"], ["10.0.0.2"]]


def test_tcp_is_served_too(desk: Desk) -> None:
    desk.endpoint("net", "c1", "one", 1)
    (answer,) = dns.ask_stream(desk.attach("c1"), dns.query("one"))
    assert dns.read(answer).texts == ["10.0.0.1"]


def test_sockets_are_let_go(desk: Desk) -> None:
    address = desk.attach("c1")
    desk.tell("detach", "c1")
    desk.tell("detach", "unknown")
    assert desk.counts()["sandboxes"] == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(address)


def test_attached_again_the_latest_sockets_count(desk: Desk) -> None:
    desk.endpoint("net", "c1", "one", 1)
    desk.attach("c1")
    assert ask(desk.attach("c1"), "one").texts == ["10.0.0.1"]
    assert desk.counts()["sandboxes"] == 1


def test_a_defect_spoils_one_packet_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asking = packet.question

    def faulty(data: bytes) -> packet.Question:
        if b"evil" in data:
            raise ZeroDivisionError("a defect")
        return asking(data)

    monkeypatch.setattr(packet, "question", faulty)
    desk.endpoint("net", "c1", "one", 1)
    address = desk.attach("c1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(dns.query("evil"), address)
    assert ask(address, "one").texts == ["10.0.0.1"]
    assert desk.counts()["defects"] == 1
    assert "a defect" in capfd.readouterr().err


def test_what_was_counted_outlives_the_container(desk: Desk) -> None:
    desk.endpoint("net", "c1", "one", 1)
    address = desk.attach("c1")
    ask(address, "one")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"nonsense", address)
    ask(address, "one")
    desk.tell("detach", "c1")
    counts = desk.counts()
    assert (counts["asked"], counts["malformed"]) == (2, 1)
