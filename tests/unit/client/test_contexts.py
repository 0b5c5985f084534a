"""Contexts are kept as the docker command keeps them."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from carrack.client.contexts import Context, Store, check_name, parse_metadata
from carrack.errors import Conflict, InvalidArgument, NotFound


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def test_the_layout_is_dockers(store: Store, tmp_path: Path) -> None:
    store.add(Context("far", "tcp://192.0.2.1:2376", "a machine", tls={"ca.pem": b"x", "key.pem": b"y"}))
    key = sha256(b"far").hexdigest()
    meta = tmp_path / "contexts" / "meta" / key / "meta.json"
    assert json.loads(meta.read_text()) == {
        "Name": "far",
        "Metadata": {"Description": "a machine"},
        "Endpoints": {"docker": {"Host": "tcp://192.0.2.1:2376", "SkipTLSVerify": False}},
    }
    keys = tmp_path / "contexts" / "tls" / key / "docker"
    assert {path.name: path.stat().st_mode & 0o777 for path in keys.iterdir()} == {"ca.pem": 0o600, "key.pem": 0o600}
    assert keys.stat().st_mode & 0o777 == 0o700


def test_what_is_kept_comes_back(store: Store) -> None:
    assert store.all() == []
    store.add(Context("far", "tcp://192.0.2.1:2376", "text", unverified=True, tls={"ca.pem": b"x"}))
    store.add(Context("near", "unix:///x.sock"))
    assert [context.name for context in store.all()] == ["far", "near"]
    far = store.get("far")
    assert (far.host, far.description, far.unverified, far.tls) == (
        "tcp://192.0.2.1:2376",
        "text",
        True,
        {"ca.pem": b"x"},
    )
    with pytest.raises(Conflict):
        store.add(Context("far", "unix:///y.sock"))
    far.tls = {}
    store.put(far)
    assert store.get("far").tls == {}
    store.remove("far")
    assert "far" not in store
    assert "near" in store
    with pytest.raises(NotFound, match="context not found"):
        store.get("far")


def test_the_choice_keeps_other_settings(store: Store, tmp_path: Path) -> None:
    settings = tmp_path / "config.json"
    assert store.current() == ""
    settings.write_text('{"auths": {"r.example": {"auth": "eA=="}}, "note": "two  blanks"}')
    settings.chmod(0o640)
    store.use("far")
    assert store.current() == "far"
    assert json.loads(settings.read_text()) == {
        "auths": {"r.example": {"auth": "eA=="}},
        "note": "two  blanks",
        "currentContext": "far",
    }
    assert '\n\t"auths": {\n\t\t"r.example"' in settings.read_text()
    assert settings.stat().st_mode & 0o777 == 0o640
    store.use("")
    assert "currentContext" not in json.loads(settings.read_text())


def test_broken_neighbours_are_passed_over(store: Store, tmp_path: Path) -> None:
    store.add(Context("good", "unix:///x.sock"))
    for name, text in (("a", "{nonsense"), ("b", "[]"), ("c", '{"Name": "c", "Endpoints": {}}')):
        folder = tmp_path / "contexts" / "meta" / name
        folder.mkdir()
        (folder / "meta.json").write_text(text)
    (tmp_path / "contexts" / "meta" / "empty").mkdir()
    assert [context.name for context in store.all()] == ["good"]


@pytest.mark.parametrize("name", ["", "x", "default", "a/b", "../x", "-ab", "a b", "ä-b", ".ab"])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument):
        check_name(name)


@pytest.mark.parametrize("name", ["ab", "a.b", "a_b-c+d", "0-1", "a-", "A.."])
def test_names_that_are_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", '{"Name": "a", "Endpoints": {"docker": []}}', '{"Name": 1, "Endpoints": {"docker": {"Host": "x"}}}'],
)
def test_metadata_that_is_none(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_metadata(text.encode())
