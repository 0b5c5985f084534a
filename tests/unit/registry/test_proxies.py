from __future__ import annotations

import pytest

from carrack.errors import InvalidArgument
from carrack.registry import proxies
from carrack.registry.origin import Origin
from carrack.registry.proxies import Proxy

BOTH = {"http_proxy": "http://p:3128", "https_proxy": "https://s:443"}


def _origin(host: str, port: int = 443) -> Origin:
    return Origin("https", host, port)


def test_the_scheme_chooses() -> None:
    assert proxies.choose(BOTH, Origin("http", "a.example.com", 80)) == Proxy("http", "p", 3128)
    assert proxies.choose(BOTH, _origin("a.example.com")) == Proxy("https", "s", 443)
    assert proxies.choose({}, _origin("a.example.com")) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.5.5.5", "::1"])
def test_loopback_is_direct(host: str) -> None:
    assert proxies.choose(BOTH, _origin(host)) is None


@pytest.mark.parametrize(
    ("no_proxy", "host", "direct"),
    [
        ("*", "a.b", True),
        ("example.com", "example.com", True),
        ("example.com", "a.example.com", True),
        ("example.com", "badexample.com", False),
        (".example.com", "a.example.com", True),
        (".example.com", "example.com", False),
        ("*.example.com", "a.example.com", True),
        ("EXAMPLE.com , other", "example.com", True),
        ("example.com:443", "example.com", True),
        ("example.com:8443", "example.com", False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "ten.example.com", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("fd00::/8", "fd00::1", True),
        ("[fd00::1]:443", "fd00::1", True),
        ("bad/cidr", "a.b", False),
        (",,", "a.b", False),
    ],
)
def test_no_proxy(no_proxy: str, host: str, direct: bool) -> None:
    assert (proxies.choose({**BOTH, "no_proxy": no_proxy}, _origin(host)) is None) is direct


def test_name_and_password() -> None:
    found = proxies.parse("http://jane:p%40ss@proxy.example.com:3128/")
    assert found == Proxy("http", "proxy.example.com", 3128, "Basic amFuZTpwQHNz")
    assert "amFuZ" not in repr(found)
    assert "jane" not in str(found)


def test_without_a_scheme_http_is_meant() -> None:
    assert proxies.parse("proxy:8080") == Proxy("http", "proxy", 8080)


@pytest.mark.parametrize("text", ["socks5://a:1", "http://", "http://a:b", "ftp://a"])
def test_other_proxies_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="https_proxy"):
        proxies.parse(text, "https_proxy")


def test_an_error_does_not_tell_the_password() -> None:
    with pytest.raises(InvalidArgument, match="no proxy") as caught:
        proxies.parse("http://jane:se/cret@proxy:1")
    assert not [word for word in ("jane", "/cret") if word in str(caught.value)]


def test_masked() -> None:
    assert proxies.masked("http://jane:secret@p:1") == "http://xxxxx:xxxxx@p:1"
    assert proxies.masked("jane:secret@p:1") == "xxxxx:xxxxx@p:1"
    assert proxies.masked("http://p:1") == "http://p:1"
