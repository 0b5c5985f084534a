import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.fakes import dns
from tests.unit.network.names.seat import listening

from carrack.errors import NotFound
from carrack.network.names import client
from carrack.network.names.client import Resolver
from carrack.network.names.view import View

VIEW = View(("net",), outside=False)


class Shims:
    """Holds the sockets of containers, as their shims do."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[int, int]] = {}
        self.addresses: dict[str, tuple[str, int]] = {}
        self.silent: set[str] = set()

    def make(self, container: str) -> tuple[int, int]:
        udp, tcp = listening()
        self.addresses[container] = udp.getsockname()
        self.held[container] = udp.detach(), tcp.detach()
        return self.held[container]

    async def __call__(self, container: str) -> Sequence[int]:
        if container not in self.held:
            raise NotFound(f"no such container: {container}")
        if container in self.silent:
            await asyncio.sleep(1000)
        return [os.dup(fd) for fd in self.held[container]]

    async def ask(self, container: str, name: str) -> dns.Answer:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(20)
            sock.connect(self.addresses[container])
            sock.send(dns.query(name))
            return dns.read(await asyncio.to_thread(sock.recv, 4096))

    def close(self) -> None:
        for fds in self.held.values():
            for fd in fds:
                os.close(fd)


def run(test: Callable[[Resolver, Shims], Awaitable[None]]) -> None:
    async def body() -> None:
        shims = Shims()
        resolver = Resolver(shims)
        await resolver.start()
        try:
            await test(resolver, shims)
        finally:
            await resolver.close()
            shims.close()

    asyncio.run(body())


def test_names_of_a_network_are_told_in_it() -> None:
    async def test(resolver: Resolver, shims: Shims) -> None:
        resolver.endpoint("net", "c1", ["web", "c0ffee"], ["10.0.0.2", "fd00::2"], "shop")
        assert resolver.pid == 0  # nobody asks yet
        resolver.attach("c1", shims.make("c1"), VIEW)
        for name in ("web", "C0FFEE", "web.shop"):
            assert (await shims.ask("c1", name)).texts == ["10.0.0.2"]
        resolver.endpoint("net", "c2", ["db", "x" * 64], ["10.0.0.3"])
        assert (await shims.ask("c1", "db")).texts == ["10.0.0.3"]
        resolver.gone("net", "c2")
        resolver.gone("net", "c2")
        assert (await shims.ask("c1", "db")).code == 2
        assert (await resolver.counts())["asked"] == 5
        assert resolver.pid

    run(test)


def test_another_view_and_the_end() -> None:
    async def test(resolver: Resolver, shims: Shims) -> None:
        resolver.change("c1", VIEW)
        resolver.detach("c1")
        resolver.attach("c1", shims.make("c1"), VIEW)
        resolver.change("c1", View(names={"host.docker.internal": ("10.0.0.1",)}, outside=False))
        assert (await shims.ask("c1", "host.docker.internal")).texts == ["10.0.0.1"]
        resolver.detach("c1")
        assert (await resolver.counts())["sandboxes"] == 0

    run(test)


def test_a_process_that_was_killed_is_followed_by_one_that_knows_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_SHORT_LIFE", 0.01)

    async def test(resolver: Resolver, shims: Shims) -> None:
        resolver.endpoint("net", "c1", ["web"], ["10.0.0.2"])
        for name in ("c1", "c2"):
            resolver.attach(name, shims.make(name), VIEW)
        resolver.attach("lost", (), VIEW)
        await shims.ask("c1", "web")
        first = resolver.pid
        os.kill(first, signal.SIGKILL)
        answers = await asyncio.gather(*(shims.ask(name, "web") for name in ("c1", "c2")))
        assert [answer.texts for answer in answers] == [["10.0.0.2"]] * 2
        assert resolver.pid != first

    run(test)


def test_a_holder_that_does_not_answer_keeps_nobody_else_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(client, "_HELD_SECONDS", 0.2)

    async def test(resolver: Resolver, shims: Shims) -> None:
        resolver.endpoint("net", "c1", ["web"], ["10.0.0.2"])
        shims.silent.add("stuck")
        for name in ("stuck", "c1"):
            shims.make(name)
            resolver.attach(name, (), VIEW)
        assert (await shims.ask("c1", "web")).texts == ["10.0.0.2"]
        assert resolver._giving is not None
        await asyncio.wait_for(resolver._giving, 20)
        assert "stuck is without names: its shim does not answer" in caplog.text

    run(test)


def test_sockets_are_asked_of_who_holds_them() -> None:
    async def test(resolver: Resolver, shims: Shims) -> None:
        shims.make("c1")
        resolver.endpoint("net", "c1", ["web"], ["10.0.0.2"])
        resolver.attach("c1", (), VIEW)
        assert (await shims.ask("c1", "web")).texts == ["10.0.0.2"]

    run(test)


def test_more_than_the_socket_takes_at_once_arrives_in_order() -> None:
    async def test(resolver: Resolver, shims: Shims) -> None:
        resolver.attach("c0", shims.make("c0"), VIEW)
        for number in range(3000):
            names = [f"name-{number}-{other}" for other in range(10)]
            resolver.endpoint("net", f"c{number}", names, [f"10.1.{number >> 8}.{number & 255}"], "some-network")
        resolver.attach("c1", shims.make("c1"), VIEW)
        assert (await shims.ask("c1", "name-2999-9")).texts == ["10.1.11.183"]

    run(test)


def test_a_process_ends_with_its_resolver() -> None:
    pids = []

    async def test(resolver: Resolver, shims: Shims) -> None:
        resolver.attach("c1", shims.make("c1"), VIEW)
        await shims.ask("c1", "web")
        pids.append(resolver.pid)

    run(test)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_names_are_many_and_odd() -> None:
    async def test(resolver: Resolver, shims: Shims) -> None:
        names = [f"{number:03}.{'x' * 60}" for number in range(300)]
        resolver.endpoint("net", "c1", [*names, "\ud800", "", "a..b"], ["10.0.0.2"], "y" * 60)
        resolver.attach("c1", shims.make("c1"), VIEW)
        assert (await shims.ask("c1", names[0])).texts == ["10.0.0.2"]
        assert (await shims.ask("c1", names[299])).code == 2

    run(test)


def test_an_address_that_is_none_is_refused() -> None:
    async def test(resolver: Resolver, shims: Shims) -> None:
        with pytest.raises(ValueError, match="nonsense"):
            resolver.endpoint("net", "c1", ["web"], ["nonsense"])

    run(test)
