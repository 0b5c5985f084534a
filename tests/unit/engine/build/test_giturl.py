"""Addresses of repositories."""

import pytest

from carrack.engine.build.giturl import GitSource, is_git, parse
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
        "https://h/b.git#--upload-pack=x", "https://h/b.git#a..b", "https://h/b.git#:../x", "https://h/b.git#:.git/hooks",
        "https://h/b.git?subdir=a/../../b", "https://h/b.git?what=1", "https://h/b.git?checksum=zz", "ssh://-oProxy/b.git",
        "ext::sh -c x", "file:///etc/b.git", "https://h/b.git#a b", "https://h/b.git?tag=a&branch=b",
        "https://h/b.git?commit=abcdef1&checksum=abcdef2", "https://h/b.git?commit=-x",
    ],
)  # fmt: skip
def test_cve_2026_33748_nothing_is_an_option_or_leads_out(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse(text)


def test_a_name_at_github() -> None:
    assert parse("github.com/o/r#b:d") == GitSource("https://github.com/o/r", "b", "d")
    assert not is_git("github.com/o/r"), "for ADD this is a path"
