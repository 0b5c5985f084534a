"""Which rows of the build cache filters mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from carrack.engine.build import sieve
from carrack.engine.build.cache import Entry
from carrack.engine.build.prune import Row
from carrack.errors import InvalidArgument

BASE = Row("a", "regular", "RUN x", 10, 1, 1, 1, False, False, (), Entry("sha256:k", ""))
ROWS = [
    replace(BASE, id="a1", last_used=10),
    replace(BASE, id="b1", kind="source.local", description="COPY", parents=("a1",), last_used=20),
    replace(BASE, id="b2", in_use=True, last_used=30),
    replace(BASE, id="b3", shared=True, last_used=40),
]
NOW = 3_600_000_000_040


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "a1 b1 b2 b3"),
        pytest.param({"id": ["b"]}, "b1 b2 b3", marks=pytest.mark.census("filter /build/prune id")),
        pytest.param({"parent": ["a1"]}, "b1", marks=pytest.mark.census("filter /build/prune parent")),
        pytest.param({"type": ["regular"]}, "a1 b2 b3", marks=pytest.mark.census("filter /build/prune type")),
        ({"type": ["reg"]}, ""),
        pytest.param({"description": ["COPY"]}, "b1", marks=pytest.mark.census("filter /build/prune description")),
        pytest.param({"until": ["1h"]}, "a1 b1 b2 b3", marks=pytest.mark.census("filter /build/prune until")),
        ({"until": ["1970-01-01T00:00:00.000000025Z"]}, "a1 b1"),
        ({"unused-for": ["1970-01-01T00:00:00.000000025Z"]}, "a1 b1"),
        pytest.param({"inuse": []}, "b2", marks=pytest.mark.census("filter /build/prune inuse")),
        pytest.param({"shared": ["true"]}, "b3", marks=pytest.mark.census("filter /build/prune shared")),
        pytest.param({"private": []}, "a1 b1 b2", marks=pytest.mark.census("filter /build/prune private")),
        ({"label": ["x", "y"]}, ""),
        ({"label!": ["x"]}, "a1 b1 b2 b3"),
        ({"id": ["b"], "private": []}, "b1 b2"),
    ],
)
def test_filters_of_requests(filters: dict[str, list[str]], expected: str) -> None:
    wanted = sieve.of_request(filters, NOW)
    assert " ".join(row.id for row in ROWS if wanted(row)) == expected


@pytest.mark.parametrize(
    ("filters", "told"),
    [
        ({"name": ["x"]}, "invalid filter 'name'"),
        ({"id": ["x", "y"]}, "filters expect only one value"),
        ({"until": ["1h"], "unused-for": ["1h"]}, 'conflicting filters: "until" and "unused-for"'),
        ({"until": ["x"]}, 'failed to parse value as time or duration: "x"'),
    ],
)
def test_what_dockerd_refuses(filters: dict[str, list[str]], told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        sieve.of_request(filters, NOW)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "a1 b1 b2 b3"),
        (["type==source.local", "type==exec.cachemount"], "b1"),
        (["type=regular,id~=b"], "b2 b3"),
        (["id!=a1", "private"], "b1 b2"),
        (["shared=false,inuse"], "b2"),
        (["mutable"], ""),
        (["immutable,parents==a1"], "b1"),
        (["unused-for=1h"], "a1 b1 b2 b3"),
    ],
)
def test_words_of_buildkit(words: list[str], expected: str) -> None:
    wanted = sieve.of_words(words, NOW)
    assert " ".join(row.id for row in ROWS if wanted(row)) == expected


@pytest.mark.parametrize("word", ["name==x", "id", "==x", "until=x"])
def test_words_that_mean_nothing(word: str) -> None:
    with pytest.raises(InvalidArgument):
        sieve.of_words([word], NOW)
