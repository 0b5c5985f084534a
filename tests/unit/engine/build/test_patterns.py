"""Wildcards and expressions of policies; "as dockerd" is what a dockerd 28.5 said of the same, asked by buildx."""

from __future__ import annotations

import subprocess
import sys

import pytest

from carrack.engine.build import patterns
from carrack.engine.build.patterns import EXACT, REGEX, WILDCARD
from carrack.errors import InvalidArgument

SOURCE = "http://h:1/aab"


@pytest.mark.parametrize(
    ("match", "pattern", "expected"),
    [
        (WILDCARD, "*", True),
        (WILDCARD, "http://*/a*b", True),
        (WILDCARD, "http://*b*b", False),
        (WILDCARD, "http://h:1/aab*", True),
        (WILDCARD, "http://h:1/aab*b", False),
        (WILDCARD, "http://h:1/a?b", False),
        (WILDCARD, "", False),
        (EXACT, SOURCE, True),
        (EXACT, "http://*", False),
        (REGEX, "aab", True),
        (REGEX, "(a+)+$", False),
        (REGEX, r"\pL{2}b\z", True),
        (REGEX, "(?<n>AAB)(?i)", False),
        (REGEX, "(?i)AAB", True),
        (REGEX, r"(?U)\Qaa\E[[:alpha:]]", True),
        (REGEX, "(?P<n>a)(?P<n>b)", True),
        (REGEX, f"(?:{SOURCE})", True),
    ],
)
def test_what_fits_as_with_dockerd(match: int, pattern: str, expected: bool) -> None:
    assert patterns.fits(match, pattern, SOURCE) is expected


def test_the_same_text_fits_whatever_it_would_mean() -> None:
    assert patterns.fits(REGEX, "http://h/a?b=(c", "http://h/a?b=(c")
    assert patterns.fits(WILDCARD, "http://h/**", "http://h/**")


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("[", "missing closing ]: `[`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("*", "missing argument to repetition operator: `*`"),
        ("a)", "unexpected ): `a)`"),
        ("(a", "missing closing ): `(a`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("[b-a]", "invalid character class range: `b-a`"),
        (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("(?P<n-1>a)", "invalid named capture: `(?P<n-1>`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
    ],
)
def test_expressions_that_are_none_as_dockerd_says_it(expression: str, said: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        patterns.fits(REGEX, expression, SOURCE)
    assert str(raised.value) == f"error parsing regexp: {said}"


@pytest.mark.parametrize(
    ("match", "pattern", "template", "expected"),
    [
        (WILDCARD, "http://*/a*", "http://${1}/z-$2", "http://h:1/z-ab"),
        (WILDCARD, "*a*", "$1,$2,$3", "http://h:1/a,b,"),
        (WILDCARD, "*h*:*a*", "$1,$2,$3,$4", "http://,,1/a,b"),
        (EXACT, SOURCE, "x$0$$", f"x{SOURCE}$"),
        (REGEX, "/(a+)(?P<w>b)$", "/${w}_$1-${2}$$", "http://h:1/b_aa-b$"),
        (REGEX, "/(a+)(?P<w>b)$", "/$w_$1x$9${01}$", "http://h:1/$"),
        (REGEX, "/(a+)(?P<w>b)$", "/q${w", "http://h:1/q${w"),
        (REGEX, "/(c)?", "/[$1]", "http:/[]/[]h:1/[]aab"),
        (REGEX, "a", "$0$" + "9" * 4000, "http://h:1/aab"),
        (REGEX, "z", "y", SOURCE),
    ],
)
def test_what_is_made_of_it(match: int, pattern: str, template: str, expected: str) -> None:
    assert patterns.converted(match, pattern, SOURCE, template) == expected


@pytest.mark.parametrize(
    ("expression", "text", "expected"),
    [("a*", "baac", "xbxcx"), ("b?$", "baac", "baacx"), ("", "é€", "xéx€x"), ("b*", "aab", "xaxax")],
)
def test_places_without_anything_as_go_counts_them(expression: str, text: str, expected: str) -> None:
    assert patterns.converted(REGEX, expression, text, "x") == expected


def test_templates_that_are_too_large() -> None:
    with pytest.raises(InvalidArgument, match="5000 characters are more than the limit of 4096"):
        patterns.converted(WILDCARD, "*", SOURCE, "x" * 5000)


def test_bytes_that_are_no_text() -> None:
    assert patterns.converted(REGEX, "b", "a\udcffb", "c") == "a\udcffc"


@pytest.mark.parametrize(
    ("match", "pattern"),
    [(REGEX, "(a+)+$"), (REGEX, "^(a|a)*$"), (REGEX, "(.*a){25}c"), (WILDCARD, "*a" * 500 + "*c")],
)
def test_patterns_that_go_back_elsewhere_end_at_once(match: int, pattern: str) -> None:
    assert not patterns.fits(match, pattern, "a" * 4000 + "b")


@pytest.mark.parametrize(
    ("expression", "text", "said"),
    [
        ("a", "a" * 5000, "5000 characters are more than the limit of 4096"),
        ("b" * 70000, "a", "more than the limit of 65536"),
        ("(?P<n>a)?" * 101, "a", "101 groups are more than the limit of 100"),
        ("(" * 101 + ")" * 101, "a", ""),
        (r"(\pL?){300}", "a", "pattern too large"),
    ],
)
def test_what_would_take_too_long(expression: str, text: str, said: str) -> None:
    if not said:
        assert patterns.found(expression, text)
        return
    with pytest.raises(InvalidArgument, match=said):
        patterns.found(expression, text)


def test_the_library_comes_with_the_first_expression() -> None:
    lines = (
        "import sys",
        "from carrack.engine.build import patterns as p",
        "p.fits(p.WILDCARD, '*a*', 'bab')",
        "assert 're2' not in sys.modules",
        "assert p.fits(p.REGEX, 'b$', 'ab') and 're2' in sys.modules",
    )
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
