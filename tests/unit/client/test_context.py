from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from carrack.client.context import DEFAULT_HOST, Tls, choose, files_in, named, parse_host
from carrack.errors import InvalidArgument, NotFound


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("unix:///run/x.sock", ("unix", "/run/x.sock", 0)),
        ("tcp://box:2375", ("tcp", "box", 2375)),
        ("tcp://box", ("tcp", "box", 2375)),
        ("box:99", ("tcp", "box", 99)),
        ("tcp://[::1]:80", ("tcp", "::1", 80)),
        ("tcp://[::1]", ("tcp", "::1", 2375)),
        ("https://box", ("tcp", "box", 2376)),
    ],
)
def test_hosts(url: str, expected: tuple[str, str, int]) -> None:
    host = parse_host(url)
    assert (host.scheme, host.address, host.port) == expected
    assert (host.tls is not None) == url.startswith("https")


@pytest.mark.parametrize(
    "url", ["unix://relative", "tcp://box:x", "tcp://box:99999", "npipe:////./pipe/x", "tcp://a/b:1"]
)
def test_malformed_hosts(url: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_host(url)


def test_ssh() -> None:
    host = parse_host("ssh://me@box")
    assert (host.scheme, host.url) == ("ssh", "ssh://me@box")
    with pytest.raises(InvalidArgument, match="it is written as"):
        parse_host("ssh://-oProxyCommand=x")


def test_the_order_of_choice(tmp_path: Path) -> None:
    _context(tmp_path, "far", {"Host": "tcp://far:1"})
    config = str(tmp_path)
    both = {"CARRACK_HOST": "tcp://ours:1", "DOCKER_HOST": "tcp://theirs:1", "DOCKER_CONTEXT": "far"}
    assert choose("tcp://given:1", None, None, both, config).address == "given"
    assert choose(None, "far", None, both, config).address == "far"
    assert choose(None, None, None, both, config).address == "ours"
    assert (
        choose(None, None, None, {"DOCKER_HOST": "tcp://theirs:1", "DOCKER_CONTEXT": "far"}, config).address == "theirs"
    )
    assert choose(None, None, None, {"DOCKER_CONTEXT": "far", "DOCKER_CONFIG": config}).address == "far"
    assert choose(None, "default", None, {}, config).url == DEFAULT_HOST
    with pytest.raises(InvalidArgument, match="both --host and --context"):
        choose("tcp://a:1", "far", None, {})


def test_contexts(tmp_path: Path) -> None:
    folder = _context(tmp_path, "tls", {"Host": "tcp://box:2376", "SkipTLSVerify": True})
    keys = tmp_path / "contexts" / "tls" / folder.name / "docker"
    keys.mkdir(parents=True)
    (keys / "ca.pem").write_text("")
    host = named("tls", str(tmp_path))
    assert host.tls is not None
    assert (host.tls.ca, host.tls.certificate, host.tls.verify) == (str(keys / "ca.pem"), None, False)
    with pytest.raises(NotFound, match="none"):
        named("none", str(tmp_path))
    _context(tmp_path, "odd", None)
    with pytest.raises(InvalidArgument, match="no docker endpoint"):
        named("odd", str(tmp_path))


def test_tls_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("")
    host = choose(
        None, None, None, {"DOCKER_HOST": "tcp://b", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(tmp_path)}
    )
    assert host.tls is not None
    assert (host.port, host.tls.certificate, host.tls.verify) == (2376, str(tmp_path / "cert.pem"), True)
    given = Tls("a", None, None, True)
    assert choose("tcp://b", None, given, {}).tls is given
    assert files_in(str(tmp_path), verify=False).key is None


def _context(root: Path, name: str, endpoint: object) -> Path:
    folder = root / "contexts" / "meta" / sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    endpoints = {"docker": endpoint} if endpoint else {}
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": endpoints}))
    return folder
