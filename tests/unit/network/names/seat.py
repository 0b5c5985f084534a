"""A sandbox of the resolver on the loopback of the test itself, and the server that others would be asked at."""

from __future__ import annotations

import _socket
import os
import socket

from tests.fakes import dns

from carrack.network.names.host_servers import HostServers
from carrack.network.names.loop import Loop
from carrack.network.names.sandbox import Sandbox
from carrack.network.names.upstream import Upstream
from carrack.network.names.zones import Zones


class FixedServers(HostServers):
    """The host names these servers."""

    def __init__(self, *servers: str) -> None:
        super().__init__()
        self.given = servers

    def current(self) -> tuple[str, ...]:
        return self.given


def listening() -> tuple[_socket.socket, _socket.socket]:
    """UDP and TCP on a port of 127.0.0.11."""
    while True:
        udp = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
        tcp = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        udp.bind(("127.0.0.11", 0))
        try:
            tcp.bind(udp.getsockname())
            tcp.listen(8)
        except OSError:  # that number is another's on TCP
            udp.close()
            tcp.close()
            continue
        udp.setblocking(False)
        tcp.setblocking(False)
        return udp, tcp


class Seat:
    """A loop with one sandbox in the network ``net``, in which ``web`` is 10.0.0.2."""

    def __init__(self, *servers: str, port: int = 53) -> None:
        self.loop = Loop()
        self.zones = Zones()
        self.zones.put("net", "c1", [dns.name_bytes("web")], [bytes([10, 0, 0, 2])], dns.name_bytes("web.net"))
        self.counts = dict.fromkeys(("forwarded", "failed", "full", "kept", "strange"), 0)
        self.upstream = Upstream(self.loop, FixedServers(*servers), self.counts, port)
        self.sandbox = Sandbox(*listening(), self.zones, self.upstream.forward)
        self.sandbox.see(["net"], [], False, True, {})
        self.address: tuple[str, int] = self.sandbox.udp.getsockname()
        self.loop.watch(self.sandbox.udp.fileno(), self.sandbox.question)
        self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.client.connect(self.address)
        self.client.setblocking(False)

    def ask(self, data: bytes, turns: int = 200) -> dns.Answer:
        """Ask by UDP, and let the loop turn until there is an answer."""
        self.client.send(data)
        return dns.read(self.answer(turns))

    def answer(self, turns: int = 200) -> bytes:
        for _ in range(turns):
            self.loop.later(0.05, lambda: None)
            self.loop.turn()
            try:
                return self.client.recv(65535)
            except BlockingIOError:
                continue
        raise AssertionError("no answer")

    def close(self) -> None:
        self.upstream.drop(self.sandbox)
        self.sandbox.close()
        self.client.close()
        os.close(self.upstream._home)
