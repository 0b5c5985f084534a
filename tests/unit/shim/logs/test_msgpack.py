from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.shim.logs.msgpack import pack, unpack

_values = st.recursive(
    st.none() | st.text(max_size=300) | st.integers(0, 127),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=5), inner, max_size=20),
    max_leaves=30,
)


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ("a", b"\xa1a"),
        (b"\xff", b"\xa1\xff"),
        ("x" * 32, b"\xd9\x20" + b"x" * 32),
        ("x" * 256, b"\xda\x01\x00" + b"x" * 256),
        (None, b"\xc0"),
        (1795976262, b"\xd2k\x0clF"),
        (1 << 33, b"\xd3\x00\x00\x00\x02\x00\x00\x00\x00"),
        (-1, b"\xd2\xff\xff\xff\xff"),
        ((1, 2), b"\xd7\x00\x00\x00\x00\x01\x00\x00\x00\x02"),
        ([{}, {"k": "v"}], b"\x92\x80\x81\xa1k\xa1v"),
        ([0] * 16, b"\xdc\x00\x10" + b"\0" * 16),
    ],
)
def test_the_specifications_bytes(value: object, data: bytes) -> None:
    assert pack(value) == data  # type: ignore[arg-type]


@given(_values)
def test_what_is_packed_is_read_again_and_its_beginnings_are_not(value: object) -> None:
    data = pack(value)  # type: ignore[arg-type]
    assert unpack(data + b"more") == (value, len(data))
    assert unpack(data[:-1]) is None


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    try:
        unpack(data)
    except ValueError:
        pass


def test_depth_is_bounded() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        unpack(b"\x91" * 1000 + b"\xc0")
