"""API versions: which are spoken, and the refusals for the others."""

from __future__ import annotations

from carrack.errors import InvalidArgument

Version = tuple[int, int]

MINIMUM: Version = (1, 41)
CURRENT: Version = (1, 51)


def text(version: Version) -> str:
    """`(1, 51)` as "1.51"."""
    return f"{version[0]}.{version[1]}"


def parse(word: str) -> Version:
    """The version named in a path such as /v1.51/info, checked against those spoken here.

    Raises InvalidArgument with dockerd's texts for one that is too old or too new, and for one that is no version.
    """
    major, _, minor = word.partition(".")
    if not (word.isascii() and major.isdigit() and minor.isdigit()) or len(word) > 12:
        raise InvalidArgument(f"invalid API version {word!r}: want one like {text(CURRENT)}")
    version = int(major), int(minor)
    if version < MINIMUM:
        raise InvalidArgument(
            f"client version {word} is too old. Minimum supported API version is {text(MINIMUM)}, "
            "please upgrade your client to a newer version"
        )
    if version > CURRENT:
        raise InvalidArgument(f"client version {word} is too new. Maximum supported API version is {text(CURRENT)}")
    return version
