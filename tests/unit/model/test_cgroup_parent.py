"""Paths and slices."""

import pytest

from carrack.errors import InvalidArgument
from carrack.model import cgroup_parent


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("/a/b", "/a/b"),
        ("a/b", "/a/b"),
        ("../../a//b/.", "/a/b"),
        ("foo.slice", "/foo.slice"),
        ("foo-bar-baz.slice", "/foo.slice/foo-bar.slice/foo-bar-baz.slice"),
        ("-.slice", "/"),
        ("/foo-bar.slice", "/foo-bar.slice"),
        ("foo.slice/bar-x.slice", "/foo.slice/bar-x.slice"),
        ("user@1000.slice", "/user@1000.slice"),
    ],
)
def test_where_it_is(text: str, path: str) -> None:
    assert cgroup_parent.path(text) == path


@pytest.mark.parametrize("text", ["-a.slice", "a-.slice", "a--b.slice", ".slice", "a b.slice", "a\nb", "x" * 256])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(InvalidArgument, match=r"invalid (slice name|cgroup parent)"):
        cgroup_parent.path(text)
