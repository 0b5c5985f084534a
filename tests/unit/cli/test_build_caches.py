"""Caches of ``carrack build``. How folders are served is judged in tests/unit/api/test_folders.py."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any

import pytest

from carrack.cli.build_caches import Caches, find, parse
from carrack.cli.exit import Exit
from carrack.client.account import Account


class _Stream:
    def __init__(self) -> None:
        self.ended = False

    def read(self) -> bytes:
        while not self.ended:
            pass
        return b""

    def abort(self) -> None:
        self.ended = True

    def close(self) -> None:
        pass


class _Session:
    """See Session: everybody has an account, but at "open"."""

    def __init__(self) -> None:
        self.daemon = self
        self.credentials = self
        self.hijacked: list[Any] = []

    def agree(self) -> None:
        pass

    def hijack(self, path: str, query: Any) -> Any:
        self.hijacked.append((path, query))
        return _Stream(), {}

    def for_repository(self, name: str) -> Account:
        host = name.partition("/")[0]
        return Account(host) if host == "open.test" else Account(host, "me", "pw")


def _told(caches: Caches) -> tuple[_Session, dict[str, Any], list[tuple[str, str]]]:
    session: Any = _Session()
    query: dict[str, Any] = {}
    headers = caches.told(session, query)
    caches.close()
    return session, query, headers


def test_typed(tmp_path: Path) -> None:
    assert parse("user/app:cache", "src") == {"Type": "registry", "Attrs": {"ref": "user/app:cache"}}
    assert parse("type=local,src=/a", "src") == {"Type": "local", "Attrs": {"src": "/a"}}
    assert parse("type=inline", "dest") == {"Type": "inline", "Attrs": {}}
    for wrong in ("ref=x", "type=local", "type=local,dest=d", "type=,ref=x"):
        with pytest.raises(Exit):
            parse(wrong, "src")


def test_registries() -> None:
    caches = Caches(["h.test/a:1", "open.test/b"], ["type=registry,ref=h.test/a:2,mode=max"], inline=True)
    session, query, headers = _told(caches)
    assert [each["Attrs"]["ref"] for each in json.loads(query["cachefrom"])] == ["h.test/a:1", "open.test/b"]
    assert [each["Type"] for each in json.loads(query["cacheto"])] == ["registry", "inline"]
    assert session.hijacked == []
    ((name, value),) = headers
    assert name == "X-Registry-Config"
    assert "h.test" in json.loads(urlsafe_b64decode(value))
    assert _told(Caches(["open.test/b"], []))[2] == []


def test_folders(tmp_path: Path) -> None:
    entry = {"mediaType": "m", "digest": "sha256:d", "size": 1}
    (tmp_path / "index.json").write_text(json.dumps({"manifests": [entry]}))
    assert find(str(tmp_path), "latest") == "sha256:d"
    session, query, _ = _told(Caches([f"type=local,src={tmp_path}"], ["type=local,dest=/out,tag=t"]))
    ((path, asked),) = session.hijacked
    assert (path, asked["id"]) == ("/build/folders", query["folders"])
    assert json.loads(query["cachefrom"])[0]["Attrs"] == {"src": str(tmp_path), "digest": "sha256:d"}


def test_a_folder_without_a_cache_is_told_by_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{")
    _, query, _ = _told(Caches([f"type=local,src={tmp_path}"], []))
    assert json.loads(query["cachefrom"])[0]["Attrs"]["digest"] == "sha256:" + "0" * 64
