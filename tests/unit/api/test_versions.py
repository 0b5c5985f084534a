"""Which API versions are spoken."""

from __future__ import annotations

import pytest

from carrack.api import versions
from carrack.errors import InvalidArgument


def test_the_range() -> None:
    assert versions.parse("1.41") == versions.MINIMUM == (1, 41)
    assert versions.parse("1.51") == versions.CURRENT == (1, 51)
    assert versions.text((1, 44)) == "1.44"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "1.20",
            "client version 1.20 is too old. Minimum supported API version is 1.41, "
            "please upgrade your client to a newer version",
        ),
        ("1.99", "client version 1.99 is too new. Maximum supported API version is 1.51"),
        ("2.0", "client version 2.0 is too new. Maximum supported API version is 1.51"),
        ("1.5", "client version 1.5 is too old."),
    ],
)
def test_too_old_and_too_new_in_dockerd_s_words(word: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        versions.parse(word)
    assert str(refused.value).startswith(message)


@pytest.mark.parametrize(
    ("word", "version"), [("1.41.2", (1, 41)), ("1.00000000000000000000000051", (1, 51)), ("01.042", (1, 42))]
)
def test_the_first_two_numbers_count(word: str, version: versions.Version) -> None:
    assert versions.parse(word) == version


@pytest.mark.parametrize("word", ["", "1", "1.", ".5", "1.4.1", "1..41"])
def test_what_names_too_little_is_too_old(word: str) -> None:
    with pytest.raises(versions.TooOld, match="is too old"):
        versions.parse(word)


def test_any_number_of_digits_is_compared() -> None:
    with pytest.raises(InvalidArgument, match="too new"):
        versions.parse("1." + "9" * 5000)
