"""The registry as one object."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
from tests.fakes.own_registry import Client

from carrack.errors import Conflict
from carrack.registry_server import passwords as passwords_module
from carrack.registry_server.config import Settings
from carrack.registry_server.passwords import line
from carrack.registry_server.registry import Registry


def _listen(registry: Registry) -> Client:
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    registry.listen(sock)
    return Client(port)


def test_what_was_pushed_is_there_after_a_restart(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path / "root")
    with Registry(settings) as registry:
        client = _listen(registry)
        digest = client.push_image("a", "v1")
        place = client("POST", "/v2/a/blobs/uploads/").headers["location"]
        client("PATCH", place, b"half")
        client.http.close()
    with Registry(settings) as registry:
        client = _listen(registry)
        assert client("HEAD", "/v2/a/manifests/v1").headers["docker-content-digest"] == digest
        assert client("GET", place).headers["range"] == "0-3"
        client.http.close()


def test_one_process_per_root(tmp_path: Path) -> None:
    settings = Settings(root=tmp_path)
    with Registry(settings), pytest.raises(Conflict, match="another registry is running"):
        Registry(settings)
    Registry(settings).close()


def test_garbage_is_collected_by_itself_and_when_asked(tmp_path: Path) -> None:
    with Registry(Settings(root=tmp_path, grace=0.0, every=0.0)) as registry:
        stray = registry.repositories.content.put(b"stray")
        os.utime(registry.repositories.content.path(stray), (1000, 1000))
        registry.collect_soon()
        for _ in range(100):
            if not registry.repositories.content.has(stray):
                break
            time.sleep(0.02)
        assert not registry.repositories.content.has(stray)
        assert registry.collect().blobs == 0


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.census("registry registry server: auth silly,token,htpasswd")
def test_users(tmp_path: Path, tokens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords_module, "COST", 4)
    (tmp_path / "users").write_text(line("alice", "secret"))
    settings = Settings(root=tmp_path / "root", htpasswd=str(tmp_path / "users"), tokens=tokens)
    with Registry(settings) as registry:
        client = _listen(registry)
        asked = client("GET", "/v2/").headers["www-authenticate"]
        assert asked.startswith("Bearer " if tokens else "Basic ")
        assert client("GET", "/v2/", Authorization="Basic YWxpY2U6c2VjcmV0").status == 200
        client.http.close()


@pytest.mark.census("registry registry server: read-only/maintenance/health/metrics")
def test_read_only(tmp_path: Path) -> None:
    with Registry(Settings(root=tmp_path, read_only=True)) as registry:
        client = _listen(registry)
        assert client("POST", "/v2/a/blobs/uploads/").code == "UNSUPPORTED"
        client.http.close()


def test_a_missing_file_of_users_leaves_nothing_locked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Registry(Settings(root=tmp_path, htpasswd=str(tmp_path / "none")))
    Registry(Settings(root=tmp_path)).close()
