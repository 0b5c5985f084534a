"""Addresses of repositories."""

import pytest

from carrack.engine.build.giturl import GitSource, is_commit, is_git, parse
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h/a/b.git", GitSource("https://h/a/b.git")),
        ("https://h/b.git#main", GitSource("https://h/b.git", "main")),
        ("https://h/b.git#v1:sub/dir/", GitSource("https://h/b.git", "v1", "sub/dir")),
        ("https://h/b.git#:sub", GitSource("https://h/b.git", "", "sub")),
        ("git@h:a/b.git#x", GitSource("git@h:a/b.git", "x")),
        ("https://h/b.git?tag=v1&subdir=s&keep-git-dir=true&checksum=abcdef1",
         GitSource("https://h/b.git", "refs/tags/v1", "s", "abcdef1", True)),
        ("https://h/b.git?branch=v1&submodules=0",
         GitSource("https://h/b.git", "refs/heads/v1", submodules=False)),
        ("https://h/b.git?ref=pull/42/head", GitSource("https://h/b.git", "pull/42/head")),
        (f"https://h/b.git?commit={'a' * 40}", GitSource("https://h/b.git", "a" * 40, "", "a" * 40)),
        (f"https://h/b.git?checksum={'a' * 40}&branch=b", GitSource("https://h/b.git", "refs/heads/b", "", "a" * 40)),
        ("https://h/b.git?checksum=abcdef1", GitSource("https://h/b.git", "", "", "abcdef1")),
        (f"https://h/b.git?checksum={'a' * 8}&commit={'a' * 8}", GitSource("https://h/b.git", "", "", "a" * 8)),
        ("https://h/b.git?keep-git-dir&submodules=", GitSource("https://h/b.git", keep=True)),
        ("https://h/b.git?keep-git-dir=F", GitSource("https://h/b.git", keep=False)),
        ("https://h/b.git?subdir=a/../b#:a/../b", GitSource("https://h/b.git", "", "b")),
        ("git://h/b", GitSource("git://h/b")),
    ],
)  # fmt: skip
def test_parse(text: str, expected: GitSource) -> None:
    assert is_git(text)
    assert parse(text) == expected


def test_names() -> None:
    assert GitSource("https://h/a/b.git").name == "b"
    assert GitSource("git@h:b.git").name == "b"


@pytest.mark.parametrize("text", ["https://h/file.tar.gz", "local/path.git", "http://h/x", "./a"])
def test_what_is_none(text: str) -> None:
    assert not is_git(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://h/b.git#:../x", "https://h/b.git?subdir=a/../../b", "https://h/b.git#:/..", "ssh://-oProxy/b.git",
        "ext::sh -c x", "file:///etc/b.git",
    ],
)  # fmt: skip
def test_cve_2026_33748_nothing_is_an_option_or_leads_out(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("what=1", 'unexpected query "what"'),
        ("ref=", 'query "ref" has no value'),
        ("ref=a&ref=b", 'query "ref" has multiple values'),
        ("ref=a&tag=b", 'ref conflicts: "a" vs "refs/tags/b"'),
        ("tag=a&branch=b", "branch conflicts with tag"),
        ("branch=a#b", 'ref conflicts: "b" vs "refs/heads/a"'),
        ("subdir=a#:b", 'subdir conflicts: "b" vs "a"'),
        ("commit=abcdef1&checksum=abcdef2", 'checksum conflicts: "abcdef1" vs "abcdef2"'),
        ("keep-git-dir=yes", 'invalid keep-git-dir value: "yes"'),
        ("submodules=2", 'invalid submodules value: "2"'),
    ],
)
def test_a_query_that_contradicts_itself(query: str, expected: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        parse(f"https://h/b.git?{query}")
    assert str(raised.value) == expected


def test_commits() -> None:
    assert is_commit("a" * 40)
    assert is_commit("1" * 64)
    assert not is_commit("a" * 39)
    assert not is_commit("g" * 40)


def test_a_name_at_github() -> None:
    assert parse("github.com/o/r#b:d") == GitSource("https://github.com/o/r", "b", "d")
    assert not is_git("github.com/o/r"), "for ADD this is a path"


@pytest.mark.parametrize("text", ["https://[h/r.git", "https://h:x/r.git", "ssh://h:99999/r"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)
