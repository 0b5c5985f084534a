"""Outlines and targets."""

import pytest

from carrack.dockerfile import file
from carrack.dockerfile.outline import outline, targets
from carrack.errors import InvalidArgument

FILE = file.parse(
    """# V the version
ARG V=1
ARG W=$V-x
ARG Z=3
# a where it starts
FROM scratch AS A
# x how many
ARG x=3 y
ARG W
ARG TARGETARCH
FROM busybox AS u
ARG unused=$Z
RUN --mount=type=secret,target=/a/b true
FROM busybox AS c
ARG q
RUN --mount=type=secret,id=foo --mount=type=ssh x
RUN --mount=type=secret,id=foo,required --mount=type=ssh,id=k,required x
COPY --from=a / /
"""
)


def test_targets() -> None:
    assert [(each.name, each.description, each.base, each.default) for each in targets(FILE)] == [
        ("a", "where it starts", "scratch", False),
        ("u", "", "busybox", False),
        ("c", "", "busybox", True),
    ]


def test_outline() -> None:
    found = outline(FILE, {"y": "5"})
    assert found.name == "c"
    assert [(each.name, each.value, each.description) for each in found.arguments] == [
        ("V", "1", "the version"),
        ("W", "1-x", ""),
        ("x", "3", "how many"),
        ("y", "5", ""),
        ("q", None, ""),
    ]
    assert [(each.name, each.required) for each in found.secrets] == [("foo", True)]
    assert [(each.name, each.required) for each in found.keys] == [("default", False), ("k", True)]


def test_outline_of_one_target() -> None:
    found = outline(FILE, {}, "U")
    assert [(each.name, each.place.line) for each in found.arguments] == [("unused", 12)]
    assert [each.name for each in found.secrets] == ["b"]
    with pytest.raises(InvalidArgument, match="could not be found"):
        outline(FILE, {}, "nope")
