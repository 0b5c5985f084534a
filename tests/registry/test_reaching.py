"""From settings to the wire: insecure registries, mirrors of Docker Hub, custom authorities, proxies, offline."""

from __future__ import annotations

import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes import certificates
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_auth import Auth
from tests.fakes.registry_use import with_repository

from carrack.errors import Unavailable
from carrack.oci import media_types as types
from carrack.registry import session
from carrack.registry.credentials import ANONYMOUS, Credentials
from carrack.registry.failures import Unreachable
from carrack.registry.repository import Fetched, Repository
from carrack.registry.settings import RegistrySettings, parse_rules

DATA = b'{"schemaVersion": 2}'
JANE = Credentials("jane", "canary")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def context(made: certificates.Certificates) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(made.server, made.server_key)
    return found


def _put(registry: FakeRegistry, repository: str = "a/b") -> None:
    registry.content.put_manifest(repository, DATA, types.OCI_MANIFEST, "1")


def _get(name: str, settings: RegistrySettings, credentials: Credentials = ANONYMOUS) -> Fetched:
    async def work(repository: Repository) -> Fetched:
        return await repository.manifest("1")

    return with_repository(name, work, settings=settings, credentials=credentials)


def _as_foreign(monkeypatch: pytest.MonkeyPatch, registry: FakeRegistry, name: str = "r.example.com") -> None:
    """Let the host `name` be where the registry is: loopback itself would be insecure in any case."""
    port = int(registry.host.partition(":")[2])
    monkeypatch.setattr(session, "_HOSTS", {name: f"{name}:{port}"})

    async def look_up(host: str, port: int) -> list[object]:
        there = "127.0.0.1" if host == name else host
        return list(socket.getaddrinfo(there, port, type=socket.SOCK_STREAM))

    monkeypatch.setattr("carrack.registry.dial.look_up", look_up)


@pytest.mark.census("registry http fallback localhost")
@pytest.mark.parametrize("tls", [False, True])
def test_loopback_may_be_without_tls_or_trust(context: ssl.SSLContext, tls: bool) -> None:
    with FakeRegistry(tls=context if tls else None) as registry:
        _put(registry)
        port = registry.host.partition(":")[2]
        for host in ("127.0.0.1", "localhost"):
            assert _get(f"{host}:{port}/a/b", RegistrySettings()).data == DATA


@pytest.mark.census("registry insecure-registries")
@pytest.mark.parametrize("tls", [False, True])
def test_others_only_where_that_is_declared(
    monkeypatch: pytest.MonkeyPatch, context: ssl.SSLContext, tls: bool, tmp_path: Path
) -> None:
    with FakeRegistry(tls=context if tls else None) as registry:
        _put(registry)
        _as_foreign(monkeypatch, registry)
        strict = RegistrySettings(attempts=1, certs_dir=tmp_path)
        with pytest.raises(Unreachable, match=r"insecure-registries|certs\.d"):
            _get("r.example.com/a/b", strict, JANE)
        assert not any(request.authorization for request in registry.requests)
        port = registry.host.partition(":")[2]
        for words in ((f"r.example.com:{port}",), ("127.0.0.0/8",)):  # by name, or by the network it lies in
            assert _get("r.example.com/a/b", RegistrySettings(insecure=words)).data == DATA
        rule = parse_rules("[[registry]]\nprefix = 'r.example.com'\ninsecure = true")
        assert _get("r.example.com/a/b", RegistrySettings(rules=rule)).data == DATA


def test_a_name_that_is_insecure_by_its_address_is_reached_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who forges answers to names could otherwise show a harmless address once, and then take the password."""
    with FakeRegistry(auth=Auth("basic", users={"jane": "canary"})) as registry:
        _put(registry)
        port = int(registry.host.partition(":")[2])
        monkeypatch.setattr(session, "_HOSTS", {"r.example.com": f"r.example.com:{port}"})
        answers = ["127.0.0.1", "127.0.0.2", "127.0.0.1", "127.0.0.1"]

        async def look_up(host: str, port: int) -> list[object]:
            there = answers.pop(0) if len(answers) > 1 else answers[0]
            return list(socket.getaddrinfo(there, port, type=socket.SOCK_STREAM))

        monkeypatch.setattr("carrack.registry.dial.look_up", look_up)
        with pytest.raises(Unreachable, match="at no address where it may be reached"):
            _get("r.example.com/a/b", RegistrySettings(insecure=("127.0.0.2/32",), attempts=1), JANE)
        assert not any(request.authorization for request in registry.requests)


def test_an_authority_of_ones_own_is_trusted_for_its_registry(
    monkeypatch: pytest.MonkeyPatch, made: certificates.Certificates, context: ssl.SSLContext, tmp_path: Path
) -> None:
    with FakeRegistry(tls=context, name="localhost") as registry:
        _put(registry)
        monkeypatch.setattr("carrack.registry.settings.LOOPBACK", ())
        monkeypatch.setattr(RegistrySettings, "declared_insecure", lambda self, host: False)
        settings = RegistrySettings(certs_dir=tmp_path, attempts=1)
        with pytest.raises(Unreachable, match=rf"not trusted.*certs\.d/{registry.host}/ca\.crt"):
            _get(f"{registry.host}/a/b", settings)
        (tmp_path / registry.host).mkdir()
        shutil.copy(made.authority, tmp_path / registry.host / "ca.crt")
        assert _get(f"{registry.host}/a/b", settings).data == DATA


@pytest.mark.census("registry registry-mirrors (Hub only)")
def test_mirrors_of_docker_hub_get_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeRegistry() as mirror, FakeRegistry(auth=Auth("basic", users={"jane": "canary"})) as hub:
        monkeypatch.setattr(session, "_HOSTS", {"docker.io": hub.host})
        _put(hub, "library/alpine")
        settings = RegistrySettings(mirrors=(f"{mirror.url}/",))
        assert _get("alpine", settings, JANE).source == hub.host  # what the mirror has not
        _put(mirror, "library/alpine")
        assert _get("alpine", settings, JANE).source == mirror.host
        assert mirror.asked("GET", "/v2/library/alpine/manifests/1")
        assert not any(request.authorization for request in mirror.requests)
        before = len(mirror.requests)
        _put(hub)
        assert _get(f"{hub.host}/a/b", settings, JANE).source == hub.host
        assert len(mirror.requests) == before  # they are Docker Hub's only


def test_offline_nobody_is_asked_but_mirrors() -> None:
    with FakeRegistry() as mirror, FakeRegistry() as registry:
        _put(mirror, "copy/a/b")
        _put(registry)
        rule = f"[[registry]]\nprefix = '{registry.host}'\n[[registry.mirror]]\nlocation = '{mirror.host}/copy'"
        settings = RegistrySettings(rules=parse_rules(rule), offline=True)
        assert _get(f"{registry.host}/a/b", settings).source == mirror.host
        with pytest.raises(Unavailable, match=r"offline by registries\.toml"):
            _get("other.example.com/a/b", settings)
        assert registry.requests == []


@contextmanager
def _proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy for requests and tunnels, which leads everything to where the port says on loopback."""
    heads: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def relay(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        finally:
            for each in (one, other):
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def serve(client: socket.socket) -> None:
        head = client.recv(65536)
        heads.append(head.decode())
        method, target, _ = heads[-1].split(" ", 2)
        port = int((target if method == "CONNECT" else target.split("/")[2]).rpartition(":")[2])
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            if method == "CONNECT":
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = "/" + target.split("/", 3)[3]
                server.sendall(
                    head.replace(target.encode(), path.encode(), 1).replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                )
            threading.Thread(target=relay, args=(client, server), daemon=True).start()
            relay(server, client)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://jane:p%40ss@127.0.0.1:{listener.getsockname()[1]}", heads
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.census("registry proxy via HTTP(S)_PROXY", "daemon HTTP proxies")
@pytest.mark.parametrize("tls", [False, True])
def test_proxies_lead_there(context: ssl.SSLContext, tls: bool) -> None:
    with FakeRegistry(tls=context if tls else None) as registry, _proxy() as (proxy, heads):
        _put(registry)
        port = registry.host.partition(":")[2]
        name = f"r.example.com:{port}"  # which only the proxy can find
        settings = RegistrySettings(insecure=(name,), proxies={"http_proxy": proxy, "https_proxy": proxy})
        assert _get(f"{name}/a/b", settings).data == DATA
        wanted = f"CONNECT {name} HTTP/1.1" if tls else f"GET http://{name}/v2/a/b/manifests/1 HTTP/1.1"
        lines = [line for head in heads for line in head.split("\r\n")]
        assert wanted in lines
        assert "Proxy-Authorization: Basic amFuZTpwQHNz" in lines
        assert not any("proxy-authorization" in request.headers for request in registry.requests) or not tls
        direct = RegistrySettings(insecure=(name,), proxies={**settings.proxies, "no_proxy": "example.com"}, attempts=1)
        with pytest.raises(Unreachable, match="lookup of"):
            _get(f"{name}/a/b", direct)
