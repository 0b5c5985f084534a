"""API versions: which are spoken, and the refusals for the others."""

from __future__ import annotations

from carrack.errors import InvalidArgument

Version = tuple[int, int]

MINIMUM: Version = (1, 41)
CURRENT: Version = (1, 51)


def text(version: Version) -> str:
    """`(1, 51)` as "1.51"."""
    return f"{version[0]}.{version[1]}"


class TooOld(InvalidArgument):
    """A version that is no longer spoken; it is told in plain text, which clients of any age can read."""


def parse(word: str, minimum: Version = MINIMUM) -> Version:
    """The version named in a path such as /v1.51/info: its first two numbers, zero where there is none.

    `word` has digits and dots only. Raises TooOld or InvalidArgument, in dockerd's words, for one not spoken here
    or below `minimum`.
    """
    major, _, rest = word.partition(".")
    version = _number(major), _number(rest.partition(".")[0])
    if version < minimum:
        raise TooOld(
            f"client version {word} is too old. Minimum supported API version is {text(minimum)}, "
            "please upgrade your client to a newer version"
        )
    if version > CURRENT:
        raise InvalidArgument(f"client version {word} is too new. Maximum supported API version is {text(CURRENT)}")
    return version


def _number(digits: str) -> int:
    return int(digits.lstrip("0")[:20] or 0)
