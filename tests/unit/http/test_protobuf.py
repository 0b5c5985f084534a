"""Protocol buffers by tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.errors import InvalidArgument
from carrack.http.protobuf import decode, encode, table

INNER = table(x=(1, "int"), s=(2, "text"))
ALL = table(
    n=(1, "int"), b=(2, "bool"), s=(3, "text"), d=(4, "bytes"), m=(5, INNER), ls=(6, "text", "list"),
    ms=(7, INNER, "list"), kv=(20, "text", "map"), km=(300, INNER, "map"),
)  # fmt: skip
ZERO = {"n": 0, "b": False, "s": "", "d": b"", "m": None, "ls": [], "ms": [], "kv": {}, "km": {}}


def test_known_bytes() -> None:
    # the examples of the format's own documentation
    assert encode({"n": 150}, ALL) == bytes.fromhex("089601")
    assert encode({"s": "testing"}, ALL) == bytes.fromhex("1a0774657374696e67")
    assert encode({"m": {"x": 150}}, ALL) == bytes.fromhex("2a03089601")


def test_there_and_back() -> None:
    message = {
        "n": -5, "b": True, "s": "ü", "d": b"\0\xff", "m": {"x": 1, "s": "y"}, "ls": ["a", ""],
        "ms": [{"x": 2, "s": ""}], "kv": {"k": "v"}, "km": {"a": {"x": 3, "s": "z"}},
    }  # fmt: skip
    assert decode(encode(message, ALL), ALL) == message
    assert decode(b"", ALL) == ZERO


def test_unknown_fields_are_skipped() -> None:
    data = (
        bytes.fromhex("7801") + bytes.fromhex("7903" + "00" * 7) + bytes.fromhex("7d00000000") + encode({"n": 7}, ALL)
    )
    assert decode(data, ALL)["n"] == 7


@pytest.mark.parametrize("data", [b"\x08", b"\x08" + b"\xff" * 11, b"\x1a\x05ab", b"\x0b", b"\x18\x01", b"\x0a\x01a"])
def test_damaged(data: bytes) -> None:
    with pytest.raises(InvalidArgument, match="protobuf"):
        decode(data, ALL)


@pytest.mark.parametrize("value", [b"\x3a\x00", b"\xa2\x01\x00", b"\x78\x01", b"\x2a\x02\x08\x01"])
def test_very_many_values(value: bytes) -> None:
    """A few megabytes of them would have the event loop make dicts for half a minute."""
    decode(value * 1000, ALL)
    with pytest.raises(InvalidArgument, match="values"):
        decode(value * 100_001, ALL)


def test_text_that_is_none() -> None:
    data = encode({"ms": [{"s": "\udcff"}]}, ALL)
    assert decode(data, ALL)["ms"][0]["s"] == "\udcff"
    with pytest.raises(InvalidArgument, match="not UTF-8"):
        decode(data, ALL, "strict")


def test_depth() -> None:
    deep = table(m=(1, {}))
    deep[1] = type(deep[1])("m", "message", deep)
    data = b""
    for _ in range(100):
        data = (
            b"\x0a"
            + (bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 0x7F | 0x80, len(data) >> 7]))
            + data
        )
    with pytest.raises(InvalidArgument, match="deeper"):
        decode(data, deep)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        decode(data, ALL)
    except InvalidArgument:
        pass
