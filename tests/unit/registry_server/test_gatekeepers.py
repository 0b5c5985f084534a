"""Logins by password and by token, as Docker's clients do them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.fakes.own_registry import OwnRegistry, request

from carrack.registry_server import passwords as passwords_module
from carrack.registry_server.app import Policy
from carrack.registry_server.gatekeepers import SERVICE, ByPassword, ByToken
from carrack.registry_server.message import Answer
from carrack.registry_server.passwords import Passwords, line
from carrack.registry_server.rights import Rights, Rule
from carrack.registry_server.tokens import Tokens

RIGHTS = Rights(
    (
        Rule(frozenset({"anonymous", "*"}), ("public/**",), frozenset({"pull"})),
        Rule(frozenset({"alice"}), ("**",), frozenset({"pull", "push"})),
    ),
    closed=True,
)


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


ALICE = _basic("alice", "secret")


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Passwords:
    monkeypatch.setattr(passwords_module, "COST", 4)
    path = tmp_path / "users"
    path.write_text(f"{line('alice', 'secret')}\n{line('bob', 'other')}\n")
    return Passwords(path)


@pytest.fixture
def by_password(tmp_path: Path, users: Passwords) -> OwnRegistry:
    return OwnRegistry(tmp_path / "root", ByPassword(users), Policy(Rights(closed=True)))


@pytest.fixture
def by_token(tmp_path: Path, users: Passwords) -> OwnRegistry:
    keeper = ByToken(users, Tokens(b"k" * 32, SERVICE), RIGHTS)
    return OwnRegistry(tmp_path / "root", keeper, Policy(RIGHTS))


def _ask(registry: OwnRegistry, method: str, target: str, body: bytes = b"", /, **headers: str) -> Answer:
    return registry.app(request(method, target, body, host="reg.example:5000", **headers))


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (ALICE, 200),
        (ALICE.replace("Basic", "basic"), 200),
        (_basic("alice", "wrong"), 401),
        (_basic("mallory", "secret"), 401),
        ("", 401),
        ("Basic !", 401),
        ("Basic", 401),
        ("Bearer x", 401),
        ("Digest x", 401),
    ],
)
def test_a_password_with_each_request(by_password: OwnRegistry, authorization: str, status: int) -> None:
    headers = {"authorization": authorization} if authorization else {}
    answer = _ask(by_password, "GET", "/v2/", b"", **headers)
    assert answer.status == status
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


def test_no_tokens_by_password(by_password: OwnRegistry) -> None:
    assert _ask(by_password, "GET", "/token").status == 404


def _token(registry: OwnRegistry, scope: str, **headers: str) -> dict[str, Any]:
    answer = _ask(registry, "GET", f"/token?{urlencode({'service': SERVICE, 'scope': scope})}", b"", **headers)
    assert answer.status == 200, answer.body
    assert answer.headers["Cache-Control"] == "no-store"
    document: dict[str, Any] = json.loads(answer.body)
    return document


def test_a_client_is_led_to_its_token(by_token: OwnRegistry) -> None:
    target = "/v2/team/a/blobs/uploads/"
    refused = _ask(by_token, "POST", target)
    assert refused.status == 401
    expected = f'Bearer realm="http://reg.example:5000/token",service="{SERVICE}",scope="repository:team/a:pull,push"'
    assert refused.headers["WWW-Authenticate"] == expected
    document = _token(by_token, "repository:team/a:pull,push", authorization=ALICE)
    assert document["token"] == document["access_token"]
    assert document["expires_in"] == 300
    bearer = "Bearer " + document["token"]
    assert _ask(by_token, "POST", target, authorization=bearer).status == 202
    other = _ask(by_token, "POST", "/v2/team/b/blobs/uploads/", authorization=bearer)
    assert other.status == 401, "another token would help"
    delete = _ask(by_token, "DELETE", "/v2/team/a/manifests/x", authorization=bearer)
    assert delete.status == 403, "none would"


def test_nobody_in_particular_gets_what_all_may(by_token: OwnRegistry) -> None:
    token = _token(by_token, "repository:public/a:pull,push repository:team/a:pull")["token"]
    bearer = {"authorization": f"Bearer {token}"}
    assert _ask(by_token, "GET", "/v2/public/a/manifests/x", b"", **bearer).status == 404
    assert _ask(by_token, "POST", "/v2/public/a/blobs/uploads/", b"", **bearer).status == 401
    assert _ask(by_token, "GET", "/v2/team/a/manifests/x", b"", **bearer).status == 401
    assert _ask(by_token, "GET", "/v2/public/a/manifests/x").status == 404


def test_a_password_in_a_tokens_place(by_token: OwnRegistry) -> None:
    assert _ask(by_token, "GET", "/v2/", authorization=ALICE).status == 200
    assert _ask(by_token, "GET", "/v2/", authorization="Bearer nonsense").status == 401


def test_wrong_passwords_get_no_token(by_token: OwnRegistry) -> None:
    assert _ask(by_token, "GET", "/token", authorization=_basic("alice", "x")).status == 401
    form = urlencode({"grant_type": "password", "username": "alice", "password": "x"}).encode()
    assert _ask(by_token, "POST", "/token", form).status == 401
    assert _ask(by_token, "POST", "/token", b"grant_type=magic").status == 400
    assert _ask(by_token, "POST", "/token", b"a=b&" * 5000).status == 400


def test_oauth_2_with_a_refresh_token(by_token: OwnRegistry, tmp_path: Path) -> None:
    login = {"grant_type": "password", "username": "alice", "password": "secret", "access_type": "offline"}
    answer = json.loads(_ask(by_token, "POST", "/token", urlencode(login).encode()).body)
    again = {
        "grant_type": "refresh_token", "refresh_token": answer["refresh_token"], "scope": "repository:team/a:pull",
    }  # fmt: skip
    renewed = json.loads(_ask(by_token, "POST", "/token", urlencode(again).encode()).body)
    bearer = {"authorization": f"Bearer {renewed['access_token']}"}
    assert _ask(by_token, "GET", "/v2/team/a/manifests/x", b"", **bearer).status == 404
    used_wrongly = {"authorization": f"Bearer {answer['refresh_token']}"}
    assert _ask(by_token, "GET", "/v2/", b"", **used_wrongly).status == 401
    (tmp_path / "users").write_text(line("alice", "changed") + "\n# longer")
    assert _ask(by_token, "POST", "/token", urlencode(again).encode()).status == 401


def test_get_gives_a_refresh_token_when_asked_to(by_token: OwnRegistry) -> None:
    answer = json.loads(_ask(by_token, "GET", "/token?offline_token=true", authorization=ALICE).body)
    assert "refresh_token" in answer
    assert "refresh_token" not in _token(by_token, "", authorization=ALICE)


def test_the_realm_is_where_clients_are(tmp_path: Path, by_token: OwnRegistry, users: Passwords) -> None:
    behind = _ask(by_token, "GET", "/v2/", x_forwarded_proto="https").headers["WWW-Authenticate"]
    assert behind.startswith('Bearer realm="https://reg.example:5000/token"')
    keeper = ByToken(users, Tokens(b"k" * 32, SERVICE), RIGHTS, "https://front.example/")
    fixed = OwnRegistry(tmp_path / "fixed", keeper, Policy(RIGHTS))
    assert 'realm="https://front.example/token"' in _ask(fixed, "GET", "/v2/").headers["WWW-Authenticate"]
