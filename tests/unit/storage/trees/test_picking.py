"""What sources mean."""

import pytest
from tests.unit.storage.trees.conftest import Make

from carrack.dockerfile.ignore import Ignored
from carrack.errors import InvalidArgument, NotFound
from carrack.storage.trees.picking import pick

FILES = {
    "a.txt": "1", "b.txt": "2", "c.md": "3", "src/x.c": "4", "src/deep/y.c": "5", "src/deep/z.h": "6",
    "link": b"src", "[x]": "7", "empty": None,
}  # fmt: skip


def names(
    make: Make, source: str, *, exclude: tuple[str, ...] = (), parents: bool = False, hide: tuple[str, ...] = ()
) -> list[list[str]]:
    excluded, hidden = Ignored(list(exclude)), Ignored(list(hide))
    found = pick(make(FILES), source, excluded.__contains__, parents=parents, hidden=hidden.__contains__)
    return [[each.name.decode() for each in thing] for thing in found]


def test_plain_names(make: Make) -> None:
    assert names(make, "a.txt") == [["a.txt"]]
    assert names(make, "/src/../a.txt") == [["a.txt"]]
    assert names(make, "src") == [["", "deep", "deep/y.c", "deep/z.h", "x.c"]]
    assert names(make, "src/.") == [["", "deep", "deep/y.c", "deep/z.h", "x.c"]]
    assert names(make, "link/deep/y.c") == [["y.c"]]
    assert names(make, "link") == [["", "deep", "deep/y.c", "deep/z.h", "x.c"]]
    assert names(make, "empty") == [[""]]


def test_wildcards(make: Make) -> None:
    assert names(make, "*.txt") == [["a.txt"], ["b.txt"]]
    assert names(make, "s*/d*/?.c") == [["y.c"]]
    assert names(make, "[ab].txt") == [["a.txt"], ["b.txt"]]
    assert names(make, "[^a].txt") == [["b.txt"]]
    assert names(make, "\\[x\\]") == [["[x]"]]
    assert names(make, "[[]x]") == [["[x]"]]
    assert names(make, "none*") == []


def test_exclude(make: Make) -> None:
    assert names(make, "*.*", exclude=("*.txt",)) == [[], [], ["c.md"]]
    assert names(make, "src", exclude=("**/*.c",)) == [["", "deep", "deep/z.h"]]


def test_ignored_files_are_absent(make: Make) -> None:
    assert names(make, "*.txt", hide=("a*",)) == [["b.txt"]]
    assert names(make, "src", hide=("src", "!src/deep/y.c")) == [["", "deep", "deep/y.c"]]
    with pytest.raises(NotFound, match=r"left out by \.dockerignore"):
        names(make, "a.txt", hide=("a*",))


def test_parents(make: Make) -> None:
    assert names(make, "src/deep/y.c", parents=True) == [["src", "src/deep", "src/deep/y.c"]]
    assert names(make, "src/./deep/y.c", parents=True) == [["deep", "deep/y.c"]]
    assert names(make, "**/*.c", parents=True) == [["src", "src/x.c"], ["src", "src/deep", "src/deep/y.c"]]


@pytest.mark.parametrize("source", ["../x", "a/../../x"])
def test_outside(make: Make, source: str) -> None:
    with pytest.raises(InvalidArgument, match="forbidden path outside the build context"):
        names(make, source)


def test_absent(make: Make) -> None:
    with pytest.raises(NotFound, match='"/nothing": not found'):
        names(make, "nothing")
