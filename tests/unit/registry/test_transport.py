from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from tests.fakes import certificates
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault

from carrack.errors import Unavailable
from carrack.registry import dial
from carrack.registry.channel import TlsFailed
from carrack.registry.settings import RegistrySettings
from carrack.registry.transport import Transport

_Result = TypeVar("_Result")
AUTHORIZED = {"Authorization": "Basic canary", "Accept": "*/*"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


def _context(made: certificates.Certificates, *, mutual: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.server, made.server_key)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(made.authority)
    return context


def _with_transport(
    work: Callable[[Transport], Awaitable[_Result]], settings: RegistrySettings | None = None
) -> _Result:
    async def run() -> _Result:
        transport = Transport(settings or RegistrySettings())
        try:
            return await work(transport)
        finally:
            transport.close()

    return asyncio.run(run())


async def _body(transport: Transport, url: str, **more: object) -> bytes:
    async with await transport.ask("GET", url, AUTHORIZED, **more) as answer:  # type: ignore[arg-type]
        return await answer.read(1 << 20)


def _served(registry: FakeRegistry, where: str, *faults: Fault) -> None:
    registry.faults += [*faults, Fault(where, status=200, body=b"here", times=None)]


def test_a_connection_serves_many_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    from carrack.registry import transport as module

    real = dial.connect

    async def counted(*arguments: object) -> object:
        made.append(arguments)
        return await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "connect", counted)

    async def work(transport: Transport) -> None:
        for _ in range(5):
            await _body(transport, f"{registry.url}/x")
        assert len(made) == 1
        held = [await transport.ask("GET", f"{registry.url}/x", {}) for _ in range(3)]
        assert len(made) == 3
        for answer in held:
            await answer.close()  # not read: the connection is of no more use
        await _body(transport, f"{registry.url}/x")
        assert len(made) == 4

    with FakeRegistry() as registry:
        _served(registry, "/x")
        _with_transport(work)


def test_a_kept_connection_that_the_server_closed_is_not_used() -> None:
    async def work(transport: Transport) -> None:
        await _body(transport, f"{registry.url}/x")
        registry.stop()
        registry.start()
        assert await _body(transport, f"{registry.url}/x") == b"here"

    with FakeRegistry() as registry:
        _served(registry, "/x")
        _with_transport(work)


def test_idle_connections_are_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carrack.registry.transport.IDLE_SECONDS", 0.05)

    async def work(transport: Transport) -> None:
        for _ in range(3):
            await _body(transport, f"{registry.url}/x")
        async with asyncio.timeout(20):
            while transport._idle or transport._watched:  # noqa: ASYNC110 - of something that tells nobody
                await asyncio.sleep(0.01)

    with FakeRegistry() as registry:
        _served(registry, "/x")
        _with_transport(work)


def test_cve_2020_15157_credentials_do_not_follow_a_redirect() -> None:
    with FakeRegistry() as registry, FakeRegistry() as other:
        _served(registry, "/x", Fault("/x", redirect=f"{other.url}/y"))
        _served(other, "/y")
        assert _with_transport(lambda transport: _body(transport, f"{registry.url}/x")) == b"here"
        assert registry.requests[0].authorization == "Basic canary"
        (asked,) = other.requests
        assert "authorization" not in asked.headers
        assert asked.headers["accept"] == "*/*"


def test_credentials_do_not_come_back_by_a_second_redirect() -> None:
    with FakeRegistry() as registry, FakeRegistry() as other:
        _served(registry, "/x", Fault("/x", redirect=f"{other.url}/y"))
        other.faults.append(Fault("/y", redirect=f"{registry.url}/x"))
        assert _with_transport(lambda transport: _body(transport, f"{registry.url}/x")) == b"here"
        assert [r.authorization for r in registry.requests] == ["Basic canary", ""]


def test_a_redirect_on_the_same_server_keeps_them() -> None:
    with FakeRegistry() as registry:
        _served(registry, "/y", Fault("/x", redirect="/y"))
        assert _with_transport(lambda transport: _body(transport, f"{registry.url}/x")) == b"here"
        assert [r.authorization for r in registry.requests] == ["Basic canary"] * 2


def test_a_body_that_can_be_sent_again_follows_a_redirect() -> None:
    async def send(transport: Transport) -> int:
        async with await transport.ask("PUT", f"{registry.url}/x", AUTHORIZED, b"body") as answer:
            return answer.status

    with FakeRegistry() as registry, FakeRegistry() as other:
        registry.faults += [Fault("/x", redirect="/y"), Fault("/y", status=201, body=b"")]
        assert _with_transport(send) == 201
        _, asked = registry.requests
        assert (asked.method, asked.body, asked.authorization) == ("PUT", b"body", "Basic canary")
        registry.faults.append(Fault("/x", status=302, redirect="/y"))
        assert _with_transport(send) == 302  # which browsers make a GET of
        registry.faults.append(Fault("/x", redirect=f"{other.url}/y"))
        with pytest.raises(Unavailable, match="with its content"):  # which may be a password
            _with_transport(send)
        assert other.requests == []


def test_a_circle_of_redirects_ends() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/x", redirect="/x", times=None))
        with pytest.raises(Unavailable, match="more than 5"):
            _with_transport(lambda transport: _body(transport, f"{registry.url}/x"))


@pytest.mark.parametrize("where", ["file:///etc/passwd", "gopher://a/", "http://user:pw@127.0.0.1/", "http://a b/"])
def test_a_redirect_to_no_server_is_refused(where: str) -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/x", redirect=where))
        with pytest.raises(Unavailable, match="redirect"):
            _with_transport(lambda transport: _body(transport, f"{registry.url}/x"))


def test_tls_is_verified_and_not_left(made: certificates.Certificates, tmp_path: Path) -> None:
    with FakeRegistry(tls=_context(made)) as registry, FakeRegistry() as plain:
        _served(registry, "/x", Fault("/x", redirect=f"{plain.url}/y"))
        settings = RegistrySettings(certs_dir=tmp_path)
        with pytest.raises(TlsFailed, match="not trusted"):
            _with_transport(lambda transport: _body(transport, f"{registry.url}/x"), settings)
        (tmp_path / registry.host).mkdir()
        shutil.copy(made.authority, tmp_path / registry.host / "ca.crt")
        with pytest.raises(Unavailable, match="leads from https to http"):
            _with_transport(lambda transport: _body(transport, f"{registry.url}/x"), settings)
        assert _with_transport(lambda transport: _body(transport, f"{registry.url}/x"), settings) == b"here"
        assert plain.requests == []


def test_certs_d_counts_from_the_next_request_on(made: certificates.Certificates, tmp_path: Path) -> None:
    async def work(transport: Transport) -> None:
        with pytest.raises(TlsFailed):
            await _body(transport, f"{registry.url}/x")
        (tmp_path / registry.host).mkdir()
        shutil.copy(made.authority, tmp_path / registry.host / "ca.crt")
        assert await _body(transport, f"{registry.url}/x") == b"here"

    with FakeRegistry(tls=_context(made)) as registry:
        _served(registry, "/x")
        _with_transport(work, RegistrySettings(certs_dir=tmp_path))


@pytest.mark.census("registry certs.d/<host> ca.crt client.cert client.key")
def test_a_client_certificate_is_shown(made: certificates.Certificates, tmp_path: Path) -> None:
    with FakeRegistry(tls=_context(made, mutual=True)) as registry:
        _served(registry, "/x")
        settings = RegistrySettings(certs_dir=tmp_path)
        (tmp_path / registry.host).mkdir()
        shutil.copy(made.authority, tmp_path / registry.host / "ca.crt")
        with pytest.raises(TlsFailed, match="certificate required"):  # which comes after the handshake
            _with_transport(lambda transport: _body(transport, f"{registry.url}/x"), settings)
        shutil.copy(made.client, tmp_path / registry.host / "client.cert")
        shutil.copy(made.client_key, tmp_path / registry.host / "client.key")
        assert _with_transport(lambda transport: _body(transport, f"{registry.url}/x"), settings) == b"here"


def test_without_verification_any_certificate_is_taken(made: certificates.Certificates) -> None:
    with FakeRegistry(tls=_context(made)) as registry:
        _served(registry, "/x")
        assert _with_transport(lambda transport: _body(transport, f"{registry.url}/x", verify=False)) == b"here"
