"""The part of MessagePack that the forward protocol of Fluentd speaks. Pure; source: the MessagePack specification."""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Value = str | bytes | int | dict[str, Any] | list[Any] | tuple[int, int] | None

_DEPTH = 16


def pack(value: Value) -> bytes:
    """Text and bytes become str, whatever bytes they are, as Go's packer does; a pair (seconds, nanoseconds) becomes
    Fluentd's EventTime."""
    if value is None:
        return b"\xc0"
    if isinstance(value, str):
        return _text(value.encode("utf-8", "surrogateescape"))
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, tuple):
        return b"\xd7\x00" + struct.pack(">II", value[0] & 0xFFFFFFFF, value[1])
    if isinstance(value, dict):
        head = _head(len(value), 0x80, 15, 0xDE)
        return head + b"".join(pack(key) + pack(item) for key, item in value.items())
    return _head(len(value), 0x90, 15, 0xDC) + b"".join(map(pack, value))


def unpack(data: bytes) -> tuple[Any, int] | None:
    """The first value of some bytes, and where it ends; None when they are not all of one yet.

    Maps, lists, text, integers, nil, booleans and EventTime: all that the protocol knows. Raises ValueError on
    anything else.
    """
    try:
        return _value(data, 0, 0)
    except (IndexError, struct.error):
        return None


def _value(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if depth > _DEPTH:
        raise ValueError("MessagePack nested too deeply")
    kind = data[at]
    if kind < 0x80:
        return kind, at + 1
    if kind < 0x90 or kind in (0xDE, 0xDF):
        return _map(data, at, depth)
    if kind < 0xA0 or kind in (0xDC, 0xDD):
        count, at = _count(data, at, kind & 15 if kind < 0xA0 else None)
        items = []
        for _ in range(count):
            item, at = _value(data, at, depth + 1)
            items.append(item)
        return items, at
    if kind < 0xC0 or kind in (0xD9, 0xDA, 0xDB, 0xC4, 0xC5, 0xC6):
        size, at = _count(data, at, kind & 31 if kind < 0xC0 else None)
        if at + size > len(data):
            raise IndexError
        return data[at : at + size].decode("utf-8", "replace"), at + size
    simple = {0xC0: None, 0xC2: False, 0xC3: True}
    if kind in simple:
        return simple[kind], at + 1
    if 0xCC <= kind <= 0xD3:
        form = ">" + "BHIQbhiq"[kind - 0xCC]
        return struct.unpack_from(form, data, at + 1)[0], at + 1 + struct.calcsize(form)
    if kind == 0xD7 and data[at + 1] == 0:
        return struct.unpack_from(">II", data, at + 2), at + 10
    raise ValueError(f"MessagePack of an unexpected kind 0x{kind:02x}")


def _map(data: bytes, at: int, depth: int) -> tuple[dict[Any, Any], int]:
    count, at = _count(data, at, data[at] & 15 if data[at] < 0x90 else None)
    found = {}
    for _ in range(count):
        key, at = _value(data, at, depth + 1)
        if not isinstance(key, (str, int)):
            raise ValueError("MessagePack with a key that is no text")
        found[key], at = _value(data, at, depth + 1)
    return found, at


_FORMS = {0xD9: ">B", 0xC4: ">B", 0xDA: ">H", 0xC5: ">H", 0xDC: ">H", 0xDE: ">H"}


def _count(data: bytes, at: int, small: int | None) -> tuple[int, int]:
    if small is not None:
        return small, at + 1
    form = _FORMS.get(data[at], ">I")
    return struct.unpack_from(form, data, at + 1)[0], at + 1 + struct.calcsize(form)


def _text(data: bytes) -> bytes:
    size = len(data)
    if size < 32:
        return bytes([0xA0 | size]) + data
    if size < 256:
        return b"\xd9" + bytes([size]) + data
    return _head(size, 0, -1, 0xDA) + data


def _head(size: int, small: int, most: int, wide: int) -> bytes:
    if size <= most:
        return bytes([small | size])
    return struct.pack(">BH", wide, size) if size < 65536 else struct.pack(">BI", wide + 1, size)


def _integer(value: int) -> bytes:
    if 0 <= value < 128:
        return bytes([value])
    return struct.pack(">Bi", 0xD2, value) if -(2**31) <= value < 2**31 else struct.pack(">Bq", 0xD3, value)
