"""Words of filters; whole lists are in test_listing."""

import pytest

from carrack.engine.images.filters import flag, matches, moment
from carrack.errors import InvalidArgument
from carrack.oci import reference

HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1h", 9 * HOUR),
        ("1h30m", 10 * HOUR - HOUR * 3 // 2),
        ("0.5h", 10 * HOUR - HOUR // 2),
        ("3600", HOUR),
        ("1970-01-01T02:00:00Z", 2 * HOUR),
    ],
)
def test_moments(text: str, wanted: int) -> None:
    assert moment(text, 10 * HOUR) == wanted


@pytest.mark.parametrize("text", ["", "h", "1 h", "soon", "1d"])
def test_bad_moments(text: str) -> None:
    with pytest.raises(InvalidArgument, match="failed to parse value as time or duration"):
        moment(text, 0)


@pytest.mark.parametrize(
    ("pattern", "wanted"),
    [
        ("app", True), ("app:1", True), ("app:*", True), ("a?p", True), ("[ab]pp", True),
        ("docker.io/library/app", True),
        ("app:2", False), ("*/app", False), ("ap", False), ("", False),
    ],
)  # fmt: skip
def test_references(pattern: str, wanted: bool) -> None:
    assert matches(pattern, reference.parse("app:1")) == wanted


def test_flags() -> None:
    assert flag({}, "dangling", True)
    assert not flag({"dangling": ["false"]}, "dangling", True)
    for values in (["x"], ["1", "0"]):
        with pytest.raises(InvalidArgument):
            flag({"dangling": values}, "dangling", True)
