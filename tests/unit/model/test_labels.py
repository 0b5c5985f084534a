from __future__ import annotations

import pytest

from carrack.errors import InvalidArgument
from carrack.model.labels import environment, environment_file, label_file, labels, mapping, matches


def test_environment() -> None:
    assert environment(["A=1", "B", "C", "D="], {"B": "two"}) == ["A=1", "B=two", "C", "D="]
    for word in ("", "=x"):
        with pytest.raises(InvalidArgument):
            environment([word], {})


def test_environment_file() -> None:
    data = b"\xef\xbb\xbf# a comment\nA=1\r\n\n  B= two words \nC\nD\n"
    assert environment_file(data, "f", {"C": "here"}) == ["A=1", "B= two words ", "C=here"]


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"A B=1\n", "contains whitespaces"), (b"=1\n", "no variable name"), (b"A=\xff\n", "utf8 bytes at line 1")],
)
def test_malformed_environment_file(data: bytes, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        environment_file(data, "f", {})


def test_labels() -> None:
    assert labels(["a=b", "c", "a=d=e"]) == {"a": "d=e", "c": ""}
    assert label_file(b"a=b\n#x\nc\n", "f") == ["a=b", "c"]
    assert mapping([]) == {}
    with pytest.raises(InvalidArgument, match="empty name"):
        labels(["=x"])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("a", True), ("a=1", True), ("a=", False), ("a=2", False), ("b", True), ("b=", True), ("c", False)],
)
def test_what_a_filter_asks_for(wanted: str, found: bool) -> None:
    assert matches({"a": "1", "b": ""}, wanted) is found
