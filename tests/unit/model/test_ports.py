from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.model.ports import PublishedPort, parse_exposed, parse_published


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
    ("text", "message"),
    [
        ("x:y", "invalid containerPort: y"),
        ("x:80", "invalid hostPort: x"),
        ("80:", "no port specified"),
        ("80/icmp", "invalid proto: icmp"),
        ("1.2.3:80:80", "invalid IP address: 1.2.3"),
        ("65536:80", "invalid hostPort: 65536"),
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
