"""Words: quotes, escapes, variables and their modifiers."""

import pytest

from carrack.dockerfile.words import Budget, Lexer, WordError

VALUES = {"a": "x y", "empty": "", "file": "foo.tar.gz", "path": "/usr/lib/x", "n": "1"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$a", "x y"),
        ("${a}", "x y"),
        ("'$a'", "$a"),
        ('"$a"z', "x yz"),
        ("$nothing", ""),
        ("\\$a", "$a"),
        ('"\\$a"', "$a"),
        ('"\\x"', "\\x"),
        ("a\\ b", "a b"),
        ("'a\\b'", "a\\b"),
        ("$", "$"),
        ("a$", "a$"),
        ("${empty:-d}", "d"),
        ("${empty-d}", ""),
        ("${nothing-d}", "d"),
        ("${nothing:-${a}}", "x y"),
        ("${a:+set}", "set"),
        ("${empty:+set}", ""),
        ("${empty+set}", "set"),
        ("${nothing+set}", ""),
        ("${a:?no}", "x y"),
        ("${file%.*}", "foo.tar"),
        ("${file%%.*}", "foo"),
        ("${path##*/}", "x"),
        ("${path#*/}", "usr/lib/x"),
        ("${path//\\//_}", "_usr_lib_x"),
        ("${path/usr/opt}", "/opt/lib/x"),
        ("${nothing#x}", ""),
        ("$1$n", "1"),
        ("é$n", "é1"),
    ],
)
def test_word(text: str, expected: str) -> None:
    assert Lexer().word(text, VALUES) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("'a", "matching single-quote"),
        ('"a', "matching double-quote"),
        ("${a", "missing '}'"),
        ("${}", "names no variable"),
        ("${a!b}", "unsupported modifier"),
        ("${a:=b}", "unsupported modifier"),
        ("${nothing:?please set it}", "nothing: please set it"),
        ("${nothing?}", "is not set"),
        ("${a:-b", "looking for '}'"),
        ("${a%b", "missing '}'"),
    ],
)
def test_what_is_no_word(text: str, said: str) -> None:
    with pytest.raises(WordError, match=said.replace("?", "\\?")):
        Lexer().word(text, VALUES)


def test_words_are_cut_at_spaces_outside_quotes_and_in_variables() -> None:
    assert Lexer().words("$a 'b c' d\\ e \"\"", VALUES) == ["x", "y", "b c", "d e", ""]


def test_another_escape() -> None:
    assert Lexer("`").word("C:\\dir`$x", {}) == "C:\\dir$x"


def test_unset_names_are_collected() -> None:
    lexer = Lexer()
    lexer.word("$one ${two} ${three:-x}", {})
    assert lexer.unset == {"one", "two"}


def test_unset_may_stay() -> None:
    assert Lexer().word("$one ${two} $a", VALUES, keep_unset=True) == "$one ${two} x y"


def test_raw_words_keep_their_quotes() -> None:
    assert Lexer(raw=True).words("<<'E F' \"g\"", {}) == ["<<'E F'", '"g"']


def test_quotes_alone_may_stay() -> None:
    assert Lexer(quotes=True).word('\'$a\' "$a \\" \\x" \\$a\\ \\b', VALUES) == '\'$a\' "x y " \\x" $a b'


def test_text_leaves_quotes() -> None:
    assert Lexer().text("'$n' \"\\$n\" \\x", VALUES) == "'1' \"$n\" \\x"


def test_nesting_is_bounded() -> None:
    with pytest.raises(WordError, match="nested deeper"):
        Lexer().word("${x:-" * 100 + "}" * 100, {})


@pytest.mark.parametrize("text", ["${A//a/$A}", "${A/a*a*b/x}", "$A$A$A$A$A" * 200])
def test_what_would_take_all_memory_or_all_time(text: str) -> None:
    with pytest.raises(WordError, match="too much text"):
        Lexer().word(text, {"A": "a" * 40_000})
    assert Lexer().word(text, {"A": "aa"})


def test_a_budget_is_of_all_who_share_it() -> None:
    budget = Budget(5)
    assert Lexer(budget=budget).word("$A$A", {"A": "ab"}) == "abab"
    with pytest.raises(WordError):
        Lexer(budget=budget).word("$A", {"A": "ab"})
