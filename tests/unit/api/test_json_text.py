"""JSON from clients. The texts are those of a real daemon (Go's encoding/json)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.api.json_text import MAX_DEPTH, parse_json
from carrack.errors import InvalidArgument


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "invalid JSON: unexpected EOF"),
        ("", "invalid JSON: unexpected EOF"),
        ('{"a', "invalid JSON: unexpected EOF"),
        ("{x", "invalid JSON: invalid character 'x' looking for beginning of object key string"),
        ("[x]", "invalid JSON: invalid character 'x' looking for beginning of value"),
        ("[NaN]", "invalid JSON: invalid character 'N' looking for beginning of value"),
        ("[-Infinity]", "invalid JSON: invalid character '-' looking for beginning of value"),
        ('{"a" 1}', "invalid JSON: invalid character '1' after object key"),
        ('{"a":1 "b"}', "invalid JSON: invalid character '\"' after object key:value pair"),
        ('{"[":[1 2]}', "invalid JSON: invalid character '2' after array element"),
        ('{"a":[],"\\"[":{"x":1 2}}', "invalid JSON: invalid character '2' after object key:value pair"),
        ('["\n"]', "invalid JSON: invalid character '\\n' in string"),
        ('{"a":tru', "invalid JSON: unexpected EOF"),
        ('{"a":trux}', "invalid JSON: invalid character 'x' in literal true (expecting 'e')"),
        ("{'a'}", "invalid JSON: invalid character '\\'' looking for beginning of object key string"),
        ('["\\x"]', "invalid JSON: invalid escape sequence `\\x` in string"),
        ('["\\u12g4"]', "invalid JSON: invalid escape sequence `\\u12g4` in string"),
        ("\ufeff1", "invalid JSON: invalid character '\\ufeff' looking for beginning of value"),
        ("{} {}", "unexpected content after JSON"),
        ("[" * 100_000, "invalid JSON: exceeded max depth"),
        ('{"a":' * (MAX_DEPTH + 2) + "1" + "}" * (MAX_DEPTH + 2), "invalid JSON: exceeded max depth"),
        ("9" * 5000, "invalid JSON: "),
    ],
)
def test_refusals(text: str, words: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_json(text)
    assert str(refused.value).startswith(words)


def test_what_is_no_text_becomes_the_replacement_character() -> None:
    assert parse_json(b'"\xff"') == "\ufffd"
    assert parse_json('{"\\ud800": ["a\\udc00"], "b": "\\ud83d\\ude00"}') == {"\ufffd": ["a\ufffd"], "b": "\U0001f600"}


def test_a_bracket_too_many_is_not_looked_at() -> None:
    assert parse_json("{}}") == {}
    assert parse_json("[1] ]x") == [1]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=80, deadline=None)
@given(VALUES, st.integers(0, 40), st.text(max_size=2))
def test_any_text_is_parsed_or_refused(value: object, position: int, noise: str) -> None:
    text = json.dumps(value)
    assert parse_json(text) == value
    try:
        parse_json(text[:position] + noise + text[position:])
    except InvalidArgument as error:
        assert str(error)  # noqa: PT017 - either outcome is right; only another exception is not
