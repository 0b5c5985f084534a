from __future__ import annotations

import pytest

from carrack.errors import InvalidArgument
from carrack.model.idmap import IdMap, Range, is_idmap, parse_idmap


def test_the_notation_is_podmans() -> None:
    assert parse_idmap("idmap") == IdMap()
    assert parse_idmap("idmap=uids=0-1-10#10-11-5;gids=@0-100-10") == IdMap(
        (Range(0, 1, 10), Range(10, 11, 5)), (Range(0, 100, 10, relative=True),)
    )
    assert parse_idmap("idmap=gids=5-@7-1").gids == (Range(5, 7, 1, relative=True),)
    assert [is_idmap(word) for word in ("idmap", "idmap=x", "idmaps", "ro")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("ro", "invalid idmap option 'ro'"),
        ("idmap=", "give uids=… and gids=…"),
        ("idmap=uids=0-1-1;uids=0-1-1", "each once"),
        ("idmap=pids=0-1-1", "give uids"),
        ("idmap=uids=0-1", "'0-1' is not of the form disk-shown-count"),
        ("idmap=uids=0--1-1", "not of the form"),
        ("idmap=uids=0-1-²", "not of the form"),
        ("idmap=uids=0-1-0", "no range of ids"),
        ("idmap=uids=4294967290-1-6", "no range of ids"),
        ("idmap=uids=0-1-5#4-20-1", "ranges overlap at 4"),
        ("idmap=uids=0-1-5#9-5-1", "ranges overlap at 5"),
        ("idmap=uids=" + "#".join(f"{n}-{n}-1" for n in range(341)), "more than 340"),
    ],
)
def test_what_is_wrong_is_named(word: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told):
        parse_idmap(word)
