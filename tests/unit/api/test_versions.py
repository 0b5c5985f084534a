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


@pytest.mark.parametrize("word", ["", "1", "1.", ".5", "1.4.1", "1.41\n", "1." + "9" * 5000, "1.٤١"])
def test_no_versions(word: str) -> None:
    with pytest.raises(InvalidArgument, match="invalid API version"):
        versions.parse(word)
