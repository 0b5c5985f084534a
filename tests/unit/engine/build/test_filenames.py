"""What files are called that come by HTTP; "as dockerd" is what a dockerd 28.5 made of the same."""

from __future__ import annotations

from email.message import Message

import pytest

from carrack.engine.build import filenames
from carrack.errors import InvalidArgument

HOST = "http://h:1"


def given(disposition: str) -> Message:
    headers = Message()
    if disposition:
        headers["Content-Disposition"] = disposition
    return headers


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a.txt?b=c/d", "a.txt"),
        ("/dir/", "dir"),
        ("/x//", "x"),
        ("/", "__unnamed__"),
        ("", "__unnamed__"),
        ("?a=b", "__unnamed__"),
        ("/x/.", "__unnamed__"),
        ("/x/..", "download"),
        ("/a%20b.txt", "a b.txt"),
        ("/a%2Fb.txt", "b.txt"),
        ("/a+b.txt", "a+b.txt"),
    ],
)
def test_by_the_address_as_dockerd(path: str, expected: str) -> None:
    assert filenames.of_address(HOST + path) == expected.encode()


@pytest.mark.parametrize(("path", "expected"), [("/%00", b"download"), ("/a%0Ab", b"download"), ("/%FF", b"\xff")])
def test_names_that_are_odd(path: str, expected: bytes) -> None:
    assert filenames.of_address(HOST + path) == expected


@pytest.mark.parametrize("url", [f"{HOST}/{'x' * 256}", "http://[h/f"])
def test_names_that_none_can_have(url: str) -> None:
    with pytest.raises(InvalidArgument):
        filenames.of_address(url)


@pytest.mark.parametrize(
    ("path", "disposition", "expected"),
    [
        ("/a.txt", "attachment; filename=b.txt", "a.txt"),
        ("/dir/", "attachment; filename=b.txt", "b.txt"),
        ("", "attachment; filename=b.txt", "b.txt"),
        ("/", "attachment; filename*=UTF-8''c%20d", "c d"),
        ("/a%20b.txt", "", "a b.txt"),
        ("/dir/", "", None),
        ("/", "inline", None),
        ("/", "attachment; filename=b.txt/", None),
    ],
)
def test_in_classic_builds_as_dockerd(path: str, disposition: str, expected: str | None) -> None:
    if expected is not None:
        assert filenames.of_classic(HOST + path, given(disposition), True) == expected.encode()
        return
    with pytest.raises(InvalidArgument, match=f"ADD failed: cannot determine filename for source {HOST}{path}$"):
        filenames.of_classic(HOST + path, given(disposition), True)
    assert filenames.of_classic(HOST + path, given(disposition), False)


@pytest.mark.parametrize(
    ("path", "disposition", "expected"),
    [
        ("/a.txt", "attachment; filename=b.txt", "b.txt"),
        ("/a.txt", 'attachment; filename="../../c"', "c"),
        ("/a.txt", "attachment; filename=..", "download"),
        ("/a.txt", "attachment; filename*;filename*1*=idna''a..b", "a.txt"),
        ("/dir/", "", "dir"),
        ("/", "", "download"),
    ],
)
def test_as_a_named_context(path: str, disposition: str, expected: str) -> None:
    assert filenames.of_context(HOST + path, given(disposition)) == expected.encode()
