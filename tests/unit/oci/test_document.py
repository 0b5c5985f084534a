"""Strict JSON: what two parsers could read differently is refused."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.oci import document

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a": 1, "a": 2}', "appears twice"),
        (b'{"a": {"b": 1, "b": 1}}', "appears twice"),
        (b'{"a": NaN}', "not a JSON value"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"a\\u0000b": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "Unicode"),
        (b'{"a": "\xff"}', "invalid JSON"),
        (b"[1]", "expected a JSON object, found a list"),
        (b"{", "invalid JSON"),
        (b"", "invalid JSON"),
        (b'{"a":' * 100_000, "nested|invalid JSON"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, "nested deeper than 64"),
        (b'{"a": ' + b"1" * 5000 + b"}", "invalid JSON"),
    ],
)
def test_refused(data: bytes, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        document.parse(data, limit=1 << 20, what="thing")


def test_limit_and_name() -> None:
    with pytest.raises(InvalidArgument, match="thing: 4 bytes are more than the limit of 3"):
        document.parse(b'{"a"', limit=3, what="thing")


def test_lookalikes() -> None:
    with pytest.raises(InvalidArgument, match="'Layers' can be mistaken for 'layers'"):
        document.reject_lookalikes({"Layers": []}, frozenset({"layers"}), "manifest")
    document.reject_lookalikes({"layers": [], "other": 1}, frozenset({"layers"}), "manifest")


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from("xyz"), JSON))
def test_round_trip(value: dict[str, object]) -> None:
    assert document.parse(document.encode(value), limit=1 << 20, what="thing") == json.loads(json.dumps(value))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_a_refusal(data: bytes) -> None:
    try:
        assert isinstance(document.parse(data, limit=1 << 20, what="thing"), dict)
    except InvalidArgument:
        pass


def test_readers_name_the_member() -> None:
    for read in (document.text, document.texts, document.text_map, document.integer):
        with pytest.raises(InvalidArgument, match="thing: key must be"):
            read({"key": 1.5}, "key", "thing")
    assert document.text({}, "key", "thing", "d") == "d"
    assert document.texts({"key": None}, "key", "thing") is None
    assert document.integer({"key": 7}, "key", "thing") == 7
