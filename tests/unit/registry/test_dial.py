from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.fakes.registry import FakeRegistry

from carrack.registry import dial
from carrack.registry.channel import TlsFailed
from carrack.registry.dial import NotReached
from carrack.registry.origin import Origin
from carrack.registry.proxies import Proxy
from carrack.registry.trust import context


def _ask(origin: Origin, proxy: Proxy | None = None, *, tls: bool = False) -> int:
    async def run() -> int:
        from pathlib import Path

        made = context(Path("/nonexistent"), (), verify=False) if tls else None
        connection = await dial.connect(origin, made, proxy, None)
        answer = await connection.ask("GET", "/v2/", {"Host": origin.authority}, b"")
        async with answer:
            await answer.read(1000)
        connection.close()
        return answer.status

    return asyncio.run(run())


def _origin(registry: FakeRegistry, host: str = "127.0.0.1") -> Origin:
    return Origin("http", host, int(registry.host.partition(":")[2]))


def test_straight() -> None:
    with FakeRegistry() as registry:
        assert _ask(_origin(registry)) == 200


def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeRegistry() as registry:
        origin = _origin(registry, "two.example.com")

        async def addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
            return [(socket.AF_INET, ("127.0.0.2", port)), (socket.AF_INET, ("127.0.0.1", port))]

        monkeypatch.setattr(dial, "addresses", addresses)
        assert _ask(origin) == 200
    with pytest.raises(NotReached, match="refused") as caught:
        _ask(origin)
    assert caught.value.refused


def test_a_name_that_is_none() -> None:
    with pytest.raises(NotReached, match=r"lookup of nohost\.invalid"):
        _ask(Origin("http", "nohost.invalid", 80))
    with pytest.raises(NotReached, match="lookup of"):
        _ask(Origin("http", "a" * 70 + ".invalid", 80))


def test_plain_where_tls_should_be() -> None:
    with FakeRegistry() as registry, pytest.raises(TlsFailed) as caught:
        _ask(_origin(registry), tls=True)
    assert caught.value.plain


@contextmanager
def _proxy(answer: bytes, target: int) -> Iterator[tuple[Proxy, list[bytes]]]:
    """A proxy for one connection: answers CONNECT with `answer`, and relays to the port `target` when that is a 200."""
    heads: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            heads.append(client.recv(65536))
            client.sendall(answer)
            if b" 200 " not in answer:
                return
            with socket.create_connection(("127.0.0.1", target)) as server:
                server.sendall(client.recv(65536))
                client.sendall(server.recv(65536))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield Proxy("http", "127.0.0.1", listener.getsockname()[1], "Basic amFuZTpwdw=="), heads
    finally:
        listener.close()
        thread.join(5)


def test_a_proxy_is_asked_for_a_tunnel_to_what_speaks_tls() -> None:
    with FakeRegistry() as registry:
        port = _origin(registry).port
        with _proxy(b"HTTP/1.1 200 Connected\r\n\r\n", port) as (proxy, heads), pytest.raises(TlsFailed):
            _ask(Origin("https", "r.example.com", 443), proxy, tls=True)
        lines = heads[0].decode().split("\r\n")
        assert lines[:2] == ["CONNECT r.example.com:443 HTTP/1.1", "Host: r.example.com:443"]
        assert "Proxy-Authorization: Basic amFuZTpwdw==" in lines


@pytest.mark.parametrize(
    ("answer", "told"),
    [(b"HTTP/1.1 407 No\r\n\r\n", "status 407"), (b"", "closed"), (b"nonsense\r\n\r\n", "no HTTP answer")],
)
def test_a_proxy_that_refuses(answer: bytes, told: str) -> None:
    with _proxy(answer, 1) as (proxy, _), pytest.raises(NotReached, match=told) as caught:
        _ask(Origin("https", "r.example.com", 443), proxy, tls=True)
    assert "amFuZ" not in str(caught.value)
