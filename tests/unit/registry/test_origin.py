from __future__ import annotations

import pytest

from carrack.errors import Unavailable
from carrack.registry import origin
from carrack.registry.origin import Origin


@pytest.mark.parametrize(
    ("url", "expected", "target"),
    [
        ("https://R.example.com/v2/?a=b#c", Origin("https", "r.example.com", 443), "/v2/?a=b"),
        ("http://127.0.0.1:5000", Origin("http", "127.0.0.1", 5000), "/"),
        ("https://[::1]:8443/x%20y", Origin("https", "::1", 8443), "/x%20y"),
    ],
)
def test_urls_are_split(url: str, expected: Origin, target: str) -> None:
    assert origin.split(url) == (expected, target)


@pytest.mark.parametrize(
    "url",
    ["", "/v2/", "ftp://a/", "https:///x", "http://a:b/", "https://user:secret@a/", "https://a/\r\nX: y",
     "https://a/ b", "file:///etc/passwd", "https://ü/", "https://a/" + "x" * 20_000],
)  # fmt: skip
def test_what_is_no_url_to_ask_is_refused(url: str) -> None:
    with pytest.raises(Unavailable) as caught:
        origin.split(url, "redirect to")
    assert "redirect to" in str(caught.value)


def test_authority_and_text() -> None:
    assert Origin("https", "a", 443).authority == "a"
    assert Origin("https", "a", 80).authority == "a:80"
    assert str(Origin("http", "::1", 80)) == "http://[::1]"


def test_locations_are_joined() -> None:
    assert origin.join("https://a:1/v2/x/", "/v2/y?z") == "https://a:1/v2/y?z"
    assert origin.join("https://a:1/v2/x/", "https://b/") == "https://b/"
