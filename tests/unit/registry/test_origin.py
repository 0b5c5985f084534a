from __future__ import annotations

import contextlib

import pytest

from carrack.errors import Unavailable
from carrack.registry import origin
from carrack.registry.failures import Untrue
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


@pytest.mark.parametrize(
    ("old", "there", "allowed"),
    [
        ("https://r.example.com", "https://cdn.example.com", True),
        ("https://r.example.com", "http://r.example.com", False),
        ("https://r.example.com", "https://10.0.0.1", True),
        ("https://r.example.com", "https://169.254.169.254", False),
        ("https://r.example.com", "https://127.0.0.1:2376", False),
        ("https://r.example.com", "https://localhost", False),
        ("https://r.example.com", "https://[::ffff:127.0.0.1]", False),
        ("https://r.example.com", "https://[::1]", False),
        ("https://127.0.0.1:5000", "https://127.0.0.1:9000", True),
        ("http://127.0.0.1:5000", "http://169.254.1.1", True),
    ],
)
def test_where_a_server_may_lead(old: str, there: str, allowed: bool) -> None:
    with contextlib.nullcontext() if allowed else pytest.raises(Untrue, match="refused"):
        origin.may_lead(origin.split(old)[0], origin.split(there)[0])


def test_locations_are_joined() -> None:
    assert origin.join("https://a:1/v2/x/", "/v2/y?z") == "https://a:1/v2/y?z"
    assert origin.join("https://a:1/v2/x/", "https://b/") == "https://b/"
