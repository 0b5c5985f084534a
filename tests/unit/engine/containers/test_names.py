"""Container names: Docker's rule, and inventing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.engine.containers import names
from carrack.errors import InvalidArgument


@pytest.mark.parametrize("name", ["ab", "/ab", "a.b-c_d", "0a", "a" * 300])
def test_good(name: str) -> None:
    assert names.check(name) == name.removeprefix("/")


@pytest.mark.parametrize("name", ["", "a", "/a", "//ab", "a b", "-ab", ".ab", "ab/", "é2", "ab\n", "a/b", "../ab"])
def test_bad(name: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        names.check(name)
    assert str(failure.value) == f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"


@given(st.text(max_size=8))
def test_what_passes_is_safe_in_paths_and_urls(text: str) -> None:
    try:
        name = names.check(text)
    except InvalidArgument:
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]+", name)


def test_inventions_are_valid_and_free() -> None:
    taken: set[str] = set()
    for _ in range(200):
        name = names.invent(taken)
        assert name not in taken
        taken.add(names.check(name))


def test_when_all_names_are_taken_numbers_help() -> None:
    class Every:
        def __contains__(self, name: object) -> bool:
            return not str(name)[-1].isdecimal()

    assert names.invent(Every())[-1].isdecimal()
