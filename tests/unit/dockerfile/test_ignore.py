"""``.dockerignore``."""

import pytest

from carrack.dockerfile.ignore import Ignored, parse
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("patterns", "ignored", "kept"),
    [
        (["*.md"], ["a.md"], ["b/a.md", "a.mdx"]),
        (["**/*.md"], ["a.md", "b/c/a.md"], ["a.txt"]),
        (["docs"], ["docs", "docs/a"], ["docs2", "a/docs"]),
        (["/docs/"], ["docs/a"], ["x"]),
        (["*", "!src", "src/*.o"], ["a", "src/a.o"], ["src/a.c", "src/deep/a.o"]),
        (["a?c"], ["abc"], ["a/c", "abcd"]),
        (["[a-c]x"], ["bx"], ["dx"]),
        (["[^a]x"], ["bx"], ["ax"]),
        (["a\\*"], ["a*"], ["ab"]),
        (["**"], ["a", "a/b"], []),
        (["a/**"], ["a/b", "a/b/c"], ["b"]),
        (["a/**/z"], ["a/z", "a/b/c/z"], ["z"]),
        (["*.md", "!README.md"], ["x.md"], ["README.md"]),
        (["../x"], [], ["x"]),
        (["."], [], ["x"]),
    ],
)
def test_matching(patterns: list[str], ignored: list[str], kept: list[str]) -> None:
    matcher = Ignored(patterns)
    assert [path for path in ignored if path not in matcher] == []
    assert [path for path in kept if path in matcher] == []


def test_file() -> None:
    assert parse(b"\xef\xbb\xbf# no\n\n  a/./b/  \n! /c\n #d\n") == ["a/b", "!c", "#d"]


def test_whole_folders() -> None:
    matcher = Ignored(["node_modules", "out", "!out/keep", "deep", "!**/x"])
    assert not matcher.whole("node_modules")  # !**/x may be in it
    assert not matcher.whole("src")
    plain = Ignored(["node_modules", "out", "!out/keep"])
    assert plain.whole("node_modules")
    assert not plain.whole("out")


@pytest.mark.parametrize("text", ["!", "[a", "[z-a]"])
def test_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        Ignored([text])
