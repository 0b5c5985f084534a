"""Clients' regular expressions: what matches, what is none, and how long it takes at most."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.model.pattern import BadPattern, Pattern, found

TEXTS = ["", "a", "ab", "abc", "web-1", "/web-1", "WEB_2", "db.example", "aaab", "a\nb", "x y", "123", "ünï", "[x]"]

SAME = r"""
    a b$ ^a ^/web-[0-9]+$ a|b ab|bc|x (a|b)c (?:ab)+ a*b a+b a?b a{2}b a{2,}b a{0,2}b a{,2} {2} a{x} . ..b \.
    \d+ \D \w+-\d \W \s \S\s\S \bweb\b \Bb \Aa \x61b \x{41} [abc]b [^abc] [a-z]-[0-9] []x] [^]a] [\d.] [\]x]
    [a-] (?i)web (?i)[a-z]b_ (?i:W)eb a(?i)B (?s)a.b a.b (?m)^b$ ^b$ (?P<n>a)b a*?b a+?b a??b ()* (a*)*
    (a|ab)(c|bcd)? x* ^$ ((a)) a| |b (|b)c (a|b|c){2} (ab?){1,3}c ^*a
"""
NONE = r"""
    ( ) a) [ [a * +a ? a** a{2}{3} a{3,2} a{1001} \ \8 \y (?=a) (?<!a)b (a)\1 [b-a] [[:nosuch:]] \x
    \x{110000000} (?Q) (?P<a (a{500}){500} \pL
"""


@pytest.mark.parametrize("pattern", ["", *SAME.split()])
def test_it_matches_where_python_s_own_does(pattern: str) -> None:
    theirs = pattern.replace(r"\x{41}", "A").replace(r"\z", r"\Z")
    theirs = {"{2}": r"\{2\}", "^*a": "a", "a{,2}": r"a\{,2\}"}.get(theirs, theirs)
    if "(?i)" in theirs[1:]:
        theirs = "a(?i:B)"
    flags = 0 if "\\" not in pattern else re.ASCII
    end = theirs.replace("$", r"\Z") if "(?m)" not in theirs else theirs
    for text in TEXTS:
        assert Pattern(pattern).search(text) == bool(re.search(end, text, flags)), text


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"\Qa.b\E.", "a.bc", True),
        (r"\Qa.b", "axb", False),
        ("[[:digit:]]+$", "a12", True),
        ("[[:^digit:]]", "12", False),
        ("[^[:alpha:]]", "ab1", True),
        (r"b\z", "ab", True),
        ("(?i-i:A)", "a", False),
        ("(?U)a+b", "aab", True),
    ],
)
def test_what_only_go_has(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).search(text) is found


@pytest.mark.parametrize("pattern", [*NONE.split(), "(" * 200 + ")" * 200])
def test_what_is_none_is_told(pattern: str) -> None:
    with pytest.raises(BadPattern):
        Pattern(pattern)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)+$", "(a|aa)+$", "(.*a){20}$", "((a*)*)*b"])
def test_none_takes_for_ever(pattern: str) -> None:
    assert not Pattern(pattern).search("a" * 2000 + "!")


@pytest.mark.parametrize(
    ("pattern", "texts", "matches"),
    [
        ("web", ["my-web-1"], True),
        ("^web$", ["web", "/web"], True),
        ("we[b", ["web"], False),
        ("we[b", ["we[b"], True),
        ("web.", ["web"], False),
        ("ü", ["xüx"], True),
    ],
)
def test_a_filter_s_word(pattern: str, texts: list[str], matches: bool) -> None:
    assert found(pattern, *texts) is matches


@given(st.text("ab|()*+?.[]^$\\{2,}-", max_size=12), st.text("ab-]", max_size=8))
def test_it_agrees_with_python_s_own_on_what_both_take(pattern: str, text: str) -> None:
    try:
        ours = Pattern(pattern)
    except BadPattern:
        return
    if re.search(r"[*+?}][+?]|\{|\[[^]]*\[|--|\\", pattern):  # possessive, counts and sets are written otherwise there
        return
    try:
        theirs = re.compile(pattern.replace("$", r"\Z") if "[" not in pattern else pattern)
    except re.error:
        return
    assert ours.search(text) == bool(theirs.search(text))
