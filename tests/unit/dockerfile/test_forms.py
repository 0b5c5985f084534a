"""Forms of arguments."""

import pytest

from carrack.dockerfile import forms
from carrack.dockerfile.commands import Pair, Words
from carrack.errors import InvalidArgument


def test_json_or_shell() -> None:
    assert forms.command('["a", "b c"]') == Words(("a", "b c"), shell=False)
    assert forms.command("[ -f x ] && y") == Words(("[ -f x ] && y",), shell=True)
    assert forms.command("['a']") == Words(("['a']",), shell=True)
    with pytest.raises(InvalidArgument, match="strings only"):
        forms.command("[1]")
    assert forms.json_words("[" * 100_000) is None
    assert forms.json_words(r'["\ud800"]') == ("\ufffd",)


def test_listed() -> None:
    assert forms.listed('["a b", "c"]') == ("a b", "c")
    assert forms.listed("a  b") == ("a", "b")


def test_quoted_words() -> None:
    assert forms.quoted_words("a=\"x y\" b='z  w' c\\ d", "\\") == ['a="x y"', "b='z  w'", "c\\ d"]


def test_pairs() -> None:
    assert forms.pairs("ENV", 'a=1 b="x y"', "\\") == (Pair("a", "1"), Pair("b", '"x y"'))
    assert forms.pairs("ENV", "a the rest = of it ", "\\") == (Pair("a", "the rest = of it", legacy=True),)
    assert forms.optional_pairs("ARG", "a b=1 c=", "\\") == (Pair("a", None), Pair("b", "1"), Pair("c", ""))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "must have two arguments"),
        ("a=1 b", 'can\'t find = in "b"'),
        ("=1", "names can not be blank"),
        ("", "at least one"),
    ],
)
def test_no_pairs(text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        forms.pairs("ENV", text, "\\")


def test_no_names() -> None:
    for text in ("", "=x"):
        with pytest.raises(InvalidArgument):
            forms.optional_pairs("ARG", text, "\\")
