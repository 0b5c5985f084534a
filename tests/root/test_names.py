"""The resolver's sockets in real sandboxes: what a program there sees on 127.0.0.11, and what it may do itself."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest
from tests.fakes import dns
from tests.root import netns
from tests.root.netns import Namespace, cable, own_network

from carrack.network.names import sockets
from carrack.network.names.client import Resolver
from carrack.network.names.view import View

pytestmark = pytest.mark.root

RESOLVER = ("127.0.0.11", 53)
#: as they are when nobody is to be asked
VIEW = View(("net",), outside=False)


def ask(data: bytes) -> dns.Answer:
    """By UDP, as a program does it: answers from elsewhere than it asked are not seen."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.connect(RESOLVER)
        sock.send(data)
        return dns.read(sock.recv(4096))


def ask_tcp(data: bytes) -> dns.Answer:
    return dns.read(dns.ask_stream(RESOLVER, data)[0])


class Room:
    """A sandbox with the resolver in it, and one name: web."""

    def __init__(self, view: View = VIEW) -> None:
        self.inside = Namespace()
        self.resolver = Resolver()
        self.fds = self.resolver.sockets(self.inside.fd)
        self._view = view

    async def open(self) -> None:
        await self.resolver.start()
        self.resolver.endpoint("net", "c1", ["web"], ["10.0.0.2"], "shop")
        self.resolver.attach("c1", self.fds, self._view)

    async def run(self, work: Callable[[], dns.Answer]) -> dns.Answer:
        return await asyncio.to_thread(self.inside.run, work)

    async def close(self) -> None:
        await self.resolver.close()
        for fd in self.fds:
            os.close(fd)
        self.inside.close()


async def until(come: Callable[[], bool]) -> None:
    """Wait for it."""
    for _ in range(1000):
        if come():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it has not come")


def within(test: Callable[[Room], Awaitable[None]], view: View = VIEW) -> None:
    async def body() -> None:
        room = Room(view)
        try:
            await room.open()
            await test(room)
        finally:
            await room.close()

    asyncio.run(body())


@own_network
def test_udp_and_tcp_answer_on_port_53() -> None:
    async def test(room: Room) -> None:
        for kind in (ask, ask_tcp):
            assert (await room.run(lambda kind=kind: kind(dns.query("web")))).texts == ["10.0.0.2"]  # type: ignore[misc]

    within(test)


@own_network
def test_a_program_may_listen_on_port_53_itself() -> None:
    async def test(room: Room) -> None:
        for udp in (True, False):
            with netns.echo(room.inside, 53, udp=udp):
                assert (await room.run(lambda: ask(dns.query("web")))).texts == ["10.0.0.2"]
                assert (await room.run(lambda: ask_tcp(dns.query("web")))).texts == ["10.0.0.2"]
                assert room.inside.run(lambda udp=udp: netns.ask("127.0.0.1", 53, udp=udp)) == "127.0.0.1"  # type: ignore[misc]

    within(test)


@own_network
def test_names_are_told_though_the_program_tracks_connections() -> None:
    """A firewall inside that lets only known conversations in, as images with a VPN have it."""
    rules = """table ip theirs {
        chain in {
            type filter hook input priority 0; policy drop;
            ct state established,related accept
            ip daddr 127.0.0.11 ct state new accept
        }
        chain nat { type nat hook output priority -100; }
    }"""

    async def test(room: Room) -> None:
        room.inside.run(lambda: subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True))
        for kind in (ask, ask_tcp):
            assert (await room.run(lambda kind=kind: kind(dns.query("web")))).texts == ["10.0.0.2"]  # type: ignore[misc]

    within(test)


@own_network
def test_made_again_the_latest_sockets_answer() -> None:
    async def test(room: Room) -> None:
        latest = room.resolver.sockets(room.inside.fd)
        room.resolver.attach("c1", latest, VIEW)
        for fd in latest:
            os.close(fd)
        for kind in (ask, ask_tcp):
            assert (await room.run(lambda kind=kind: kind(dns.query("web")))).texts == ["10.0.0.2"]  # type: ignore[misc]

    within(test)


@own_network
def test_a_kernel_that_cannot_redirect_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(udp: int, tcp: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "no nf_tables")

    monkeypatch.setattr(sockets, "redirect", refuse)

    async def test(room: Room) -> None:
        for kind in (ask, ask_tcp):
            assert (await room.run(lambda kind=kind: kind(dns.query("web")))).texts == ["10.0.0.2"]  # type: ignore[misc]

    within(test)


@own_network
def test_servers_of_its_own_are_asked_from_inside() -> None:
    """One on the loopback of the sandbox, and one that only the sandbox reaches; the host has none of them."""
    far = Namespace()

    async def test(room: Room) -> None:
        server = room.inside.run(lambda: dns.Server(lambda data: dns.respond(data, ["192.0.2.1"]), "127.0.0.53", 53))
        try:
            assert (await room.run(lambda: ask(dns.query("far.example")))).texts == ["192.0.2.1"]
            assert (await room.run(lambda: ask_tcp(dns.query("far.example")))).texts == ["192.0.2.1"]
        finally:
            room.inside.run(server.close)
        room.inside.run(lambda: cable(far, "up0", "10.7.0.1/24", "10.7.0.2/24"))
        server = far.run(lambda: dns.Server(lambda data: dns.respond(data, ["192.0.2.2"]), "10.7.0.2", 53))
        try:
            assert (await room.run(lambda: ask(dns.query("far.example")))).texts == ["192.0.2.2"]
        finally:
            far.run(server.close)

    with far:
        within(test, View(("net",), ("127.0.0.53", "10.7.0.2"), own_servers=True, outside=False))


@own_network
def test_the_namespace_dies_when_its_container_is_let_go() -> None:
    """Even while a question of it is under way, and a connection is open."""

    async def test(room: Room) -> None:
        room.inside.run(lambda: cable(far, "up0", "10.7.0.1/24", "10.7.0.2/24"))
        silent = far.run(lambda: dns.Server(lambda data: None, "10.7.0.2", 53))
        client = room.inside.run(lambda: socket.create_connection(RESOLVER))
        asker = room.inside.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        asker.sendto(dns.query("far.example"), RESOLVER)
        await until(lambda: bool(silent.seen))
        for sock in (client, asker):
            sock.close()
        for fd in room.fds:
            os.close(fd)
        room.fds.clear()
        room.resolver.detach("c1")
        room.inside.close()
        room.inside = Namespace()
        await until(lambda: not _has_eth0(far))
        far.run(silent.close)

    with Namespace() as far:
        within(test, View(("net",), ("10.7.0.2",), own_servers=True))


def _has_eth0(namespace: Namespace) -> bool:
    with suppress(OSError):
        return bool(namespace.run(lambda: socket.if_nametoindex("eth0")))
    return False
