"""Refusals as clients read them."""

from __future__ import annotations

import json

import pytest

from carrack.registry_server.message import STATUS, Problem, json_answer, query_of


def test_a_problem_is_the_specifications_json() -> None:
    answer = Problem("BLOB_UNKNOWN", "no such blob", headers={"X": "1"}).answer()
    assert answer.status == 404
    assert answer.headers == {"Content-Type": "application/json", "X": "1"}
    assert json.loads(answer.body) == {"errors": [{"code": "BLOB_UNKNOWN", "message": "no such blob"}]}


def test_every_code_of_the_specification_has_a_status() -> None:
    codes = """
    BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID
    MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS"""
    assert set(codes.split()) <= set(STATUS)


def test_a_status_may_be_given() -> None:
    assert Problem("UNSUPPORTED", "x", status=404).answer().status == 404


def test_queries() -> None:
    assert query_of("") == ({}, ())
    assert query_of("n=2&last=a%2Fb&scope=x&scope=y&e=") == (
        {"n": "2", "last": "a/b", "scope": "y", "e": ""},
        ("x", "y"),
    )
    with pytest.raises(ValueError, match="fields"):
        query_of("&".join("a=1" for _ in range(200)))


def test_json() -> None:
    assert json_answer([1, 2]).body == b"[1,2]"
