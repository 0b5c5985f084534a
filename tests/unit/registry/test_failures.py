from __future__ import annotations

import json

import pytest

from carrack import errors
from carrack.registry import failures
from carrack.registry.failures import Faulty, TooManyRequests


def _body(code: str, message: str) -> bytes:
    return json.dumps({"errors": [{"code": code, "message": message}]}).encode()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidArgument),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (429, TooManyRequests),
        (500, Faulty),
        (503, Faulty),
    ],
)
def test_a_status_is_a_failure_by_meaning(status: int, kind: type[Exception]) -> None:
    found = failures.refusal(status, _body("SOME_CODE", "some words"), "pull of a/b:1", "r.example.com:5000")
    assert type(found) is kind
    for part in ("pull of a/b:1", "r.example.com:5000", "some code: some words"):
        assert part in str(found)


def test_a_refused_login_says_what_to_do() -> None:
    assert "docker login r.example.com" in str(failures.refusal(403, b"", "pull of a", "r.example.com"))


def test_too_many_requests_say_how_long() -> None:
    found = failures.refusal(429, b"", "pull of a", "r.example.com", 30.0)
    assert isinstance(found, TooManyRequests)
    assert found.retry_after == 30
    assert "in 30 seconds" in str(found)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "status 418"),
        (b"<html>", "status 418"),
        (b"[1]", "status 418"),
        (b'{"errors": [1, {"code": 5, "message": "m"}]}', "m"),
        (b'{"errors": [{"code": "A"}, {"message": "b"}]}', "a: ; b"),
        (b'{"details": "incorrect username or password"}', "incorrect username or password"),
        (b'{"message": "one\\n\\u001btwo"}', "one  two"),
    ],
)
def test_words_of_a_refusal(body: bytes, expected: str) -> None:
    assert failures.words(body, 418) == expected


def test_words_are_bounded() -> None:
    assert len(failures.words(_body("A", "x" * 10_000), 400)) < 1000


def test_codes() -> None:
    assert failures.codes(_body("manifest_unknown", "")) == {"MANIFEST_UNKNOWN"}
    assert failures.codes(b"no") == set()
