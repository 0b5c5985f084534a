from __future__ import annotations

import pytest

from carrack.registry.settings import RegistrySettings, bare


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("[::1]:5000", True),
        ("named.example.com", True),
        ("named.example.com:5000", False),
        ("ported.example.com:5000", True),
        ("10.1.2.3:80", True),
        ("11.1.2.3", False),
        ("docker.io", False),
    ],
)
def test_insecure_only_where_declared(host: str, expected: bool) -> None:
    settings = RegistrySettings(insecure=("named.example.com", "ported.example.com:5000", "10.0.0.0/8"))
    assert settings.declared_insecure(host) is expected


def test_addresses_in_networks() -> None:
    settings = RegistrySettings(insecure=("10.0.0.0/8", "x/y"))
    assert settings.insecure_address("10.0.0.1")
    assert settings.insecure_address("127.0.0.1")
    assert not settings.insecure_address("127.0.0.1", loopback=False)
    assert not settings.insecure_address("192.0.2.1")
    assert not settings.insecure_address("no address")


def test_bare() -> None:
    assert [bare(text) for text in ("a", "a:1", "[::1]:2", "::1")] == ["a", "a", "::1", "::1"]


def test_proxies_are_not_shown() -> None:
    assert "canary" not in repr(RegistrySettings(proxies={"http_proxy": "http://u:canary@p"}))
