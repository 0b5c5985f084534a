"""Field tables: Docker's types and zero values, case-blind names, refusal of what is not built."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.model import container as model
from carrack.model.schema import (
    ANY,
    BOOLEAN,
    INTEGER,
    INTEGERS,
    LABELS,
    LISTS,
    SET,
    STRING,
    STRINGS,
    WORDS,
    Field,
    ListOf,
    MapOf,
    Table,
    check,
    is_zero,
)

INNER: Table = {"Path": Field(STRING, ""), "Rate": Field(INTEGER, 0)}
TABLE: Table = {
    "Name": Field(STRING, ""),
    "Count": Field(INTEGER, 7),
    "On": Field(BOOLEAN, False),
    "Words": Field(WORDS, None),
    "Inner": Field(INNER, {"Path": "", "Rate": 0}),
    "Items": Field(ListOf(INNER), []),
    "Map": Field(MapOf(INNER), {}),
    "Lists": Field(MapOf(INNER, of_lists=True), {}),
    "Later": Field(ListOf(INNER), [], built=False),
}


def test_everything_has_a_value_in_the_tables_order() -> None:
    document = check({}, TABLE)
    assert list(document) == list(TABLE)
    assert document["Count"] == 7
    assert document["Words"] is None
    assert check({"Count": None}, TABLE)["Count"] == 7


def test_names_match_without_case_and_the_exact_one_wins() -> None:
    assert check({"nAmE": "x", "coUNT": 3}, TABLE)["Name"] == "x"
    assert check({"name": "a", "Name": "b"}, TABLE)["Name"] == "b"
    assert "Unknown" not in check({"Unknown": 1}, TABLE)


def test_defaults_are_never_shared() -> None:
    first = check({}, model.HOST_CONFIG)
    first["LogConfig"]["Config"]["max-size"] = "1m"
    second = check({}, model.HOST_CONFIG)
    assert second["LogConfig"]["Config"] == {}


def test_a_string_is_a_command_of_one_word() -> None:
    assert check({"Words": "echo hi"}, TABLE)["Words"] == ["echo hi"]
    assert check({"Words": ["a", "b"]}, TABLE)["Words"] == ["a", "b"]
    assert check({"Cmd": "ls", "Entrypoint": "sh"}, model.CONFIG)["Cmd"] == ["ls"]


def test_nested_documents_are_completed_and_named() -> None:
    document = check({"Items": [{"path": "/dev/sda"}], "Map": {"a": None}, "Lists": {"80/tcp": None}}, TABLE)
    assert document["Items"] == [{"Path": "/dev/sda", "Rate": 0}]
    assert document["Map"] == {"a": {"Path": "", "Rate": 0}}
    assert document["Lists"] == {"80/tcp": []}
    words = r"cannot unmarshal string into Go struct field HostConfig\.Items\.1\.Rate of type int64$"
    with pytest.raises(InvalidArgument, match=words):
        check({"Items": [{}, {"Rate": "x"}]}, TABLE, "HostConfig")
    with pytest.raises(InvalidArgument, match=r"cannot unmarshal number into \.Items\.0 of type object$"):
        check({"Items": [1]}, TABLE)
    with pytest.raises(InvalidArgument, match=r"cannot unmarshal bool into Go struct field \.Lists\.80~1tcp of type"):
        check({"Lists": {"80/tcp": True}}, TABLE)


def test_the_first_wrong_type_of_the_document_is_told() -> None:
    with pytest.raises(InvalidArgument, match=r"number 1\.5 into Go struct field \.Count of type int64$"):
        check({"Count": 1.5, "Name": 1}, TABLE)
    with pytest.raises(InvalidArgument, match=r"number 70000 into Go struct field \.W of type uint16$"):
        check({"W": 70000}, {"W": Field(INTEGER, 0, go="uint16")})


def test_maps_come_out_sorted_and_nulls_as_zero() -> None:
    assert list(check({"L": {"b": None, "a": "1"}}, {"L": Field(LABELS)})["L"].items()) == [("a", "1"), ("b", "")]
    assert list(check({"S": {"b": {}, "a": None}}, {"S": Field(SET)})["S"]) == ["a", "b"]
    assert check({"P": [1]}, {"P": Field(INTEGERS)})["P"] == [1, 0]
    assert check({"W": [None, "a"]}, {"W": Field(STRINGS)})["W"] == ["", "a"]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (STRING, ["", "é"], [1, ["x"], "a\0b", "\ud800"]),
        (INTEGER, [0, -(2**63), 2**63 - 1], [1.5, True, "1", 2**63]),
        (BOOLEAN, [True], [1, "true"]),
        (STRINGS, [[], ["a"], [None]], ["a", [1], ["a\0"], {}]),
        (WORDS, ["a", ["a"]], [1, [1], "\0"]),
        (LABELS, [{}, {"a": ""}, {"a": None}], [[], {"a": 1}, {"a\0": ""}]),
        (SET, [{}, {"80/tcp": {}}, {"a": None}], [[], {"a": 1}, {"\0": {}}]),
        (INTEGERS, [[], [1]], [1, ["1"], [True], [1.0]]),
        (ANY, [1, "x", {}, []], []),
        (INNER, [{}, {"Rate": 1}], [[], "x", {"Rate": []}]),
        (LISTS, [[], [["a"]]], ["a", ["a"], [[1]]]),
        (ListOf(INNER), [[], [{}], [None]], [{}, [1]]),
        (MapOf(INNER), [{}, {"a": {}}], [[], {"a": 1}]),
        (MapOf(INNER, of_lists=True), [{"a": [{}]}], [{"a": {}}, {"a": [1]}, {"a": "x"}]),
    ],
)
def test_types(kind: Any, good: list[Any], bad: list[Any]) -> None:
    table = {"F": Field(kind)}
    for value in good:
        check({"F": value}, table)
    for value in bad:
        with pytest.raises(InvalidArgument, match=r"^invalid JSON: "):
            check({"F": value}, table)


def test_what_is_not_built_passes_only_without_meaning() -> None:
    values: list[Any] = [[], [{}], [{"Rate": 0, "Path": ""}], None]
    for nothing in values:
        check({"Later": nothing}, TABLE)
    with pytest.raises(InvalidArgument, match=r"^Later is not supported by this version"):
        check({"Later": [{"Rate": 1}]}, TABLE)
    inner = {"H": Field({"F": Field(STRING, "", built=False)})}
    with pytest.raises(InvalidArgument, match=r"^H\.F is not supported by this version"):
        check({"H": {"F": "x"}}, inner)


@pytest.mark.parametrize("wrong", [[], "x", 3])
def test_a_document_is_an_object(wrong: object) -> None:
    with pytest.raises(InvalidArgument, match=r"into Go value of type container\.HostConfig$"):
        check(wrong, TABLE, go="container.HostConfig")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
HOST_NAMES = st.sampled_from([*model.HOST_CONFIG, *(name.lower() for name in model.HOST_CONFIG), "Foreign"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(HOST_NAMES, JSON, max_size=4))
def test_whatever_comes_the_result_is_whole_or_refused(document: dict[str, Any]) -> None:
    try:
        result = check(document, model.HOST_CONFIG, "HostConfig")
    except InvalidArgument:
        return
    assert list(result) == list(model.HOST_CONFIG)
    assert check(result, model.HOST_CONFIG) == result  # what is recorded is accepted again


@given(JSON)
def test_zero_is_made_of_nothing(value: object) -> None:
    if is_zero(value):
        assert is_zero([value])
        assert is_zero({"a": value})
    else:
        assert value
