from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.model.ports import PublishedPort, parse_exposed, parse_published, parse_withdrawn


@pytest.mark.parametrize(
    ("text", "bindings"),
    [
        ("80", [("80/tcp", "", "")]),
        ("8080:80", [("80/tcp", "", "8080")]),
        ("8080:80/udp", [("80/udp", "", "8080")]),
        ("127.0.0.1:8080:80", [("80/tcp", "127.0.0.1", "8080")]),
        ("127.0.0.1::80", [("80/tcp", "127.0.0.1", "")]),
        ("[::1]:8080:80", [("80/tcp", "::1", "8080")]),
        ("::1:8080:80", [("80/tcp", "::1", "8080")]),
        ("8000-8001:90-91", [("90/tcp", "", "8000"), ("91/tcp", "", "8001")]),
        ("8000-8010:80", [("80/tcp", "", "8000-8010")]),
        ("90-91", [("90/tcp", "", ""), ("91/tcp", "", "")]),
        ("target=80,published=8080,protocol=udp", [("80/udp", "", "8080")]),
    ],
)
def test_published(text: str, bindings: list[tuple[str, str, str]]) -> None:
    assert parse_published(text) == [PublishedPort(*binding) for binding in bindings]


@pytest.mark.parametrize(
    ("text", "bindings"),
    [
        ("443:443,allow=10.0.0.0/8", [("443/tcp", "", "443", ("10.0.0.0/8",))]),
        ("443,allow=10.1.2.3,192.168.0.0/16", [("443/tcp", "", "", ("10.1.2.3/32", "192.168.0.0/16"))]),
        ("443:443/udp,allow=10.0.0.0/8,allow=FD00::/8", [("443/udp", "", "443", ("10.0.0.0/8", "fd00::/8"))]),
        ("[::1]:1:2,allow=::1", [("2/tcp", "::1", "1", ("::1/128",))]),
        ("target=80,published=8080,allow=10.0.0.0/8", [("80/tcp", "", "8080", ("10.0.0.0/8",))]),
        ("80-81:80-81,allow=::/0,::/0", [("80/tcp", "", "80", ("::/0",)), ("81/tcp", "", "81", ("::/0",))]),
    ],
)
def test_limited(text: str, bindings: list[tuple[str, str, str, tuple[str, ...]]]) -> None:
    found = parse_published(text)
    assert found == [PublishedPort(*binding) for binding in bindings]
    assert [port.binding()["Allow"] for port in found] == [list(binding[3]) for binding in bindings]


def test_what_is_unlimited_has_docker_s_binding() -> None:
    assert parse_published("8080:80")[0].binding() == {"HostIp": "", "HostPort": "8080"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("80:80,allow=", 'invalid network "" in allow=: write an address or a CIDR'),
        ("80:80,allow=10.0.0.0/33", 'invalid network "10.0.0.0/33"'),
        ("80:80,allow=anyone", 'invalid network "anyone"'),
        ("80:80,allow=10.0.0.1/8", "did you mean 10.0.0.0/8 or 10.0.0.1"),
        ("127.0.0.1:80:80,allow=fd00::/8", "names nobody who could reach 127.0.0.1: name IPv4 networks"),
        ("[::1]:80:80,allow=10.0.0.0/8", "names nobody who could reach ::1: name IPv6 networks"),
    ],
)
def test_impossible_limits(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_published(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x:y", "invalid containerPort: y"),
        ("x:80", "invalid hostPort: x"),
        ("80:", "no port specified"),
        ("80/icmp", "invalid proto: icmp"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("65536:80", "invalid hostPort: 65536"),
        ("[::1]", r"invalid IP address \[: address \[:: missing '\]' in address"),
        ("[::1]:80:80:80", r"invalid IP address \[::1\]:80: address \[::1\]:80:: too many colons"),
        ("[::1]x:80:80", "missing port in address"),
        ("8000-8002:90-91", "invalid ranges specified"),
        ("91-90", "invalid containerPort"),
        ("target=80,mode=x", "invalid publish mode"),
        ("published=80", "missing mandatory field 'target'"),
        ("target=80,color=red", "invalid field key"),
    ],
)
def test_malformed(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        parse_published(text)


def test_withdrawn() -> None:
    assert parse_withdrawn("80") == ["80/tcp"]
    assert parse_withdrawn("8080:80/udp") == ["8080:80/udp"]
    assert parse_withdrawn("8080-8081:80-81") == ["8080:80/tcp", "8081:81/tcp"]
    for text in ("127.0.0.1:80:80", "8000-8010:80", "80,allow=10.0.0.0/8", "target=80"):
        with pytest.raises(InvalidArgument, match="invalid published port"):
            parse_withdrawn(text)


def test_exposed() -> None:
    assert parse_exposed("7000-7001/udp") == ["7000/udp", "7001/udp"]
    assert parse_exposed("80") == ["80/tcp"]
    for text in ("", "80:80", "x", "2-1", "70000"):
        with pytest.raises(InvalidArgument, match="--expose"):
            parse_exposed(text)


@given(st.text(max_size=24))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        bindings = parse_published(text)
    except InvalidArgument:
        return
    assert bindings
