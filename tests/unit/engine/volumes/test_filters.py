"""Filters of volumes, and refusals word for word (dockerd 28.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from carrack.engine.volumes import filters
from carrack.engine.volumes.volume import ANONYMOUS, Volume
from carrack.errors import InvalidArgument

VOLUMES = [
    Volume("one", 1, {"a": "b"}),
    Volume("two", 1, {"a": "c", "d": ""}),
    Volume("far", 1, driver="plug"),
    Volume("anon", 1, {ANONYMOUS: ""}),
]


def chosen(test: Callable[[Volume], bool]) -> list[str]:
    return [volume.name for volume in VOLUMES if test(volume)]


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["one", "two", "far", "anon"]),
        ({"name": ["n"]}, ["one", "anon"]),
        ({"name": ["^one$", "tw["]}, ["one"]),
        ({"driver": ["plug"]}, ["far"]),
        ({"driver": ["loc"]}, []),
        ({"driver": ["plug", "local"]}, ["one", "two", "far", "anon"]),
        ({"label": ["a"]}, ["one", "two"]),
        ({"label": ["a", "d"]}, ["two"]),
        ({"label": ["a=b"]}, ["one"]),
        ({"dangling": ["true"]}, ["one", "far", "anon"]),
        ({"dangling": ["0"]}, ["two"]),
        ({"dangling": ["T"], "driver": ["local"], "name": ["o"]}, ["one", "anon"]),
    ],
)
def test_lists(given: Mapping[str, list[str]], names: list[str]) -> None:
    assert chosen(filters.listing(given, lambda name: name == "two")) == names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({}, ["anon"]),
        ({"all": ["1"]}, ["one", "two", "far", "anon"]),
        ({"all": ["true"], "label": ["a"]}, ["one", "two"]),
        ({"all": ["true"], "label!": ["a"]}, ["far", "anon"]),
        ({"all": ["false"], "label": ["a"]}, []),
    ],
)
def test_prunings(given: Mapping[str, list[str]], names: list[str]) -> None:
    assert chosen(filters.pruning(given)) == names


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"foo": ["x"]}, "invalid filter 'foo'"),
        ({"label!": ["x"]}, "invalid filter 'label!'"),
        ({"dangling": ["maybe"]}, "invalid filter 'dangling=[maybe]'"),
        ({"dangling": [""]}, "invalid filter 'dangling=[]'"),
        ({"dangling": ["true", "false"]}, "invalid filter 'dangling=[true false]'"),
    ],
)
def test_wrong_lists(given: Mapping[str, list[str]], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        filters.listing(given, lambda name: False)
    assert str(failure.value) == text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"dangling": ["true"]}, "invalid filter 'dangling'"),
        ({"until": ["1h"]}, "invalid filter 'until'"),
        ({"name": ["x"]}, "invalid filter 'name'"),
        ({"all": ["maybe"]}, "invalid filter 'all': strconv.ParseBool: parsing \"maybe\": invalid syntax"),
        ({"all": ["true", "false"]}, "invalid filter 'all=[true false]': only one value is expected"),
    ],
)
def test_wrong_prunings(given: Mapping[str, list[str]], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        filters.pruning(given)
    assert str(failure.value) == text
