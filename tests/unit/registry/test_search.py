from __future__ import annotations

import json

import pytest
from tests.fakes.registry import FakeRegistry
from tests.fakes.registry_faults import Fault
from tests.fakes.registry_use import with_client

from carrack.errors import InvalidArgument, NotFound, Unavailable
from carrack.registry import search

FOUND = {
    "results": [
        {
            "name": "app",
            "description": "An app",
            "star_count": 7,
            "is_official": True,
            "is_automated": False,
            "more": 1,
        },
        {"name": None, "star_count": "many", "description": "\x1b[2Jtwo\nlines\ud800"},
        "no object",
    ]
}


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("app", ("index.docker.io", "app")),
        ("library/app", ("index.docker.io", "app")),
        ("jane/app", ("index.docker.io", "jane/app")),
        ("localhost/app", ("localhost", "app")),
        ("r.example.com:5000/a/b", ("r.example.com:5000", "a/b")),
        ("docker.io/jane/app", ("index.docker.io", "jane/app")),
    ],
)
def test_where_a_term_is_searched(term: str, expected: tuple[str, str]) -> None:
    assert search.split(term) == expected


def test_results_have_dockers_members() -> None:
    with FakeRegistry() as registry:
        registry.faults.append(Fault("/v1/search", status=200, body=json.dumps(FOUND).encode()))
        found = with_client(lambda client: client.search(f"{registry.host}/a b", 5))
        assert registry.asked("GET", "/v1/search")[0].target == "/v1/search?q=a+b&n=5"
    assert found == [
        {"name": "app", "description": "An app", "star_count": 7, "is_official": True, "is_automated": False},
        {"name": "", "description": " [2Jtwo lines ", "star_count": 0, "is_official": False, "is_automated": False},
    ]


def test_refusals() -> None:
    with FakeRegistry() as registry:
        with pytest.raises(NotFound, match="search for app"):
            with_client(lambda client: client.search(f"{registry.host}/app", 5))
        registry.faults.append(Fault("/v1/search", status=200, body=b"<html>"))
        with pytest.raises(Unavailable, match="cannot be searched"):
            with_client(lambda client: client.search(f"{registry.host}/app", 5))
    for term, limit in (("app", 101), ("http://a/b", 1)):
        with pytest.raises(InvalidArgument):
            with_client(lambda client: client.search(term, limit))  # noqa: B023
