"""The daemon's options about registries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carrack.daemon import registry_options
from carrack.daemon.config import load
from carrack.errors import InvalidArgument
from carrack.registry.settings import RegistrySettings


def _settings(document: dict[str, Any], tmp_path: Path, *arguments: str, **environment: str) -> RegistrySettings:
    path = tmp_path / "daemon.json"
    path.write_text(json.dumps(document))
    return load(["--config-file", str(path), *arguments], environment).config.registry


@pytest.mark.census(
    "daemon.json registry-mirrors", "daemon.json insecure-registries", "dockerd --registry-mirror",
    "dockerd --insecure-registry",
)  # fmt: skip
def test_mirrors_and_insecure_registries(tmp_path: Path) -> None:
    document = {
        "registry-mirrors": ["https://m.example.com"],
        "insecure-registries": ["r.example.com:5000", "10.1.0.0/8"],
    }
    for found in (
        _settings(document, tmp_path),
        _settings(
            {}, tmp_path, "--registry-mirror", "https://m.example.com/", "--insecure-registry", "http://r.example.com:5000",
            "--insecure-registry=10.0.0.0/8",
        ),
    ):  # fmt: skip
        assert found.mirrors == ("https://m.example.com/",)
        assert found.insecure == ("r.example.com:5000", "10.0.0.0/8")
        assert found.declared_insecure("10.9.9.9:5000")
        assert not found.declared_insecure("r.example.com")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"registry-mirrors": ["m.example.com"]}, "unsupported scheme"),
        ({"registry-mirrors": ["https://user:canary@m.example.com"]}, "username/password not allowed"),
        ({"registry-mirrors": ["https://m.example.com/?a"]}, "query or fragment"),
        ({"registry-mirrors": ["https://m.example.com/hub"]}, r"unsupported path .*registries\.toml"),
        ({"registry-mirrors": ["https://a b"]}, "not a valid URI"),
        ({"registry-mirrors": ["https://m.example.com:70000"]}, "not a valid URI"),
        ({"insecure-registries": ["r/x"]}, "neither HOST"),
        ({"insecure-registries": ["r:99999"]}, "invalid host"),
        ({"insecure-registries": ["-bad"]}, "invalid host"),
        ({"proxies": {"http-proxy": "socks5://a"}}, "http-proxy: only http"),
        ({"proxies": {"ftp-proxy": "x"}}, "proxies: want"),
        ({"proxies": {"http-proxy": "a"}, "http-proxy": "b"}, "leave one out"),
        ({"certs-dir": "relative"}, "not an absolute path"),
        ({"registries-file": "/nonexistent/r.toml"}, r"registries-file: /nonexistent/r\.toml: no such file"),
    ],
)
def test_mistakes_are_named_and_no_password_is(document: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=told) as caught:
        _settings(document, tmp_path)
    assert "canary" not in str(caught.value)


@pytest.mark.census(
    "dockerd --http-proxy", "dockerd --https-proxy", "dockerd --no-proxy", "daemon.json http-proxy",
    "daemon.json https-proxy", "daemon.json no-proxy", "daemon.json proxies",
)  # fmt: skip
def test_proxies_of_the_file_of_flags_and_of_the_environment(tmp_path: Path) -> None:
    environment = {"HTTP_PROXY": "http://e:1", "https_proxy": "http://e:2", "NO_PROXY": "x"}
    assert _settings({}, tmp_path, **environment).proxies == {
        "http_proxy": "http://e:1", "https_proxy": "http://e:2", "no_proxy": "x",
    }  # fmt: skip
    document = {"proxies": {"http-proxy": "http://f:1", "no-proxy": "y"}}
    found = _settings(document, tmp_path, "--https-proxy", "http://g:2", **environment)
    assert found.proxies == {"http_proxy": "http://f:1", "https_proxy": "http://g:2", "no_proxy": "y"}


def test_a_file_of_rules(tmp_path: Path) -> None:
    rules = tmp_path / "registries.toml"
    rules.write_text("offline = true\n[[registry]]\nprefix = 'r.example.com'\ninsecure = true\n")
    found = _settings({"registries-file": str(rules), "certs-dir": "/c"}, tmp_path)
    assert found.offline
    assert [rule.prefix for rule in found.rules] == ["r.example.com"]
    assert found.certs_dir == Path("/c")
    rules.write_text("[[registry]]\nprefix = 5")
    with pytest.raises(InvalidArgument, match=r"registries\.toml: registry\[0\]: prefix must be a string"):
        _settings({"registries-file": str(rules)}, tmp_path)
    rules.write_bytes(b"\xff")
    with pytest.raises(InvalidArgument, match="not UTF-8"):
        _settings({"registries-file": str(rules)}, tmp_path)


def test_what_sighup_takes() -> None:
    current = RegistrySettings(mirrors=("a",), proxies={"http_proxy": "p"}, certs_dir=Path("/c"))
    fresh = RegistrySettings(mirrors=("b",), insecure=("i",), offline=True, certs_dir=Path("/d"))
    assert registry_options.taken(current, fresh) == RegistrySettings(
        mirrors=("b",), insecure=("i",), offline=True, proxies={"http_proxy": "p"}, certs_dir=Path("/c")
    )


def test_what_info_tells() -> None:
    assert registry_options.document(RegistrySettings()) == {
        "IndexConfigs": {"docker.io": {"Mirrors": [], "Name": "docker.io", "Official": True, "Secure": True}},
        "InsecureRegistryCIDRs": ["::1/128", "127.0.0.0/8"],
        "Mirrors": None,
    }
    told = registry_options.document(RegistrySettings(mirrors=("https://m/",), insecure=("r:5000", "10.0.0.0/8")))
    assert told["Mirrors"] == told["IndexConfigs"]["docker.io"]["Mirrors"] == ["https://m/"]
    assert told["InsecureRegistryCIDRs"] == ["10.0.0.0/8", "::1/128", "127.0.0.0/8"]
    assert told["IndexConfigs"]["r:5000"] == {"Mirrors": [], "Name": "r:5000", "Official": False, "Secure": False}
