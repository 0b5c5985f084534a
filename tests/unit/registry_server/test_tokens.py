"""Tokens: what they say, and that no others are taken."""

from __future__ import annotations

import base64
import hmac
import json
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.registry_server import tokens as module
from carrack.registry_server.tokens import Scope, Tokens, key_at, scopes

TOKENS = Tokens(b"k" * 32, "service")


def _forged(header: object, claims: object, key: bytes = b"k" * 32) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).rstrip(b"=").decode()

    head = f"{part(header)}.{part(claims)}"
    signature = base64.urlsafe_b64encode(hmac.digest(key, head.encode(), "sha256")).rstrip(b"=").decode()
    return f"{head}.{signature}"


def test_a_token_says_what_was_granted() -> None:
    claims = TOKENS.claims(TOKENS.access("alice", [Scope("repository", "a/b", frozenset({"pull"}))]), "access")
    assert claims is not None
    assert claims["sub"] == "alice"
    assert claims["access"] == [{"type": "repository", "name": "a/b", "actions": ["pull"]}]


def test_uses_are_apart() -> None:
    assert TOKENS.claims(TOKENS.access("alice", []), "refresh") is None
    claims = TOKENS.claims(TOKENS.refresh("alice", "stamp"), "refresh")
    assert claims is not None
    assert claims["stamp"] == "stamp"


def test_others_tokens() -> None:
    token = TOKENS.access("alice", [])
    head, body, signature = token.split(".")
    assert Tokens(b"x" * 32, "service").claims(token, "access") is None
    assert Tokens(b"k" * 32, "other").claims(token, "access") is None
    for wrong in (
        "",
        ".",
        "..",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature}=",
        f"{token}x",
        token * 999,
    ):
        assert TOKENS.claims(wrong, "access") is None


def test_another_algorithm_is_not_taken_even_signed() -> None:
    claims = {"use": "access", "sub": "x", "aud": "service", "nbf": 0, "exp": time.time() + 99, "access": []}
    assert TOKENS.claims(_forged({"alg": "HS256", "typ": "JWT"}, claims), "access") is not None
    for header in ({"alg": "none"}, {"alg": "HS512", "typ": "JWT"}, {"alg": "HS256", "typ": "JWT", "jwk": {}}):
        assert TOKENS.claims(_forged(header, claims), "access") is None


def test_tokens_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    token = TOKENS.access("alice", [])
    now = time.time()
    for offset, valid in ((module.LIFE - 5, True), (module.LIFE + 5, False), (-20, True), (-60, False)):
        monkeypatch.setattr(time, "time", lambda offset=offset: now + offset)
        assert (TOKENS.claims(token, "access") is not None) is valid


@given(st.text(max_size=60))
def test_any_text_is_refused_quietly(text: str) -> None:
    assert TOKENS.claims(text, "access") is None


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["repository:a/b:pull,push"], [("repository", "a/b", {"pull", "push"})]),
        (
            ["repository:a:pull repository:b:push", "repository:host:5000/c:pull"],
            [("repository", "a", {"pull"}), ("repository", "b", {"push"}), ("repository", "host:5000/c", {"pull"})],
        ),
        (["repository(plugin):a:pull"], [("repository", "a", {"pull"})]),
        (["", "x", "repository::pull", "registry:catalog:*"], [("registry", "catalog", {"*"})]),
    ],
)
def test_scopes(texts: list[str], found: list[tuple[str, str, set[str]]]) -> None:
    assert [(each.type, each.name, set(each.actions)) for each in scopes(texts)] == found


def test_no_more_scopes_than_a_client_needs() -> None:
    assert len(scopes([" ".join(f"repository:r{number}:pull" for number in range(1000))])) == 64


def test_the_key_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "token.key"
    key = key_at(path)
    assert len(key) == 32
    assert key_at(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="too short"):
        key_at(path)
