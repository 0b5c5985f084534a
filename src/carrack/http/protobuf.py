"""Protocol buffers on the wire, by tables: a message is a dict, its type a table of numbered fields. Pure.

Only what Docker's gRPC services use: varints, strings, bytes, messages, and lists and maps of them. Unknown fields are
skipped, as the format wants it. Source: Protocol Buffers documentation, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from carrack.errors import InvalidArgument

DEPTH_LIMIT = 64
VALUES_LIMIT = 100_000
"""Values in one message, those of the messages in it too: each of two bytes may become a dict of many."""
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_SHORT = [bytes((number,)) for number in range(0x80)]


@dataclass(frozen=True, slots=True)
class Field:
    """``kind`` is int (any varint; negative ones as 64 bits), bool, text, bytes or message; ``repeated`` a list;
    ``keyed`` a map with text keys. ``message`` is the table of a message's fields."""

    name: str
    kind: str
    message: Table | None = None
    repeated: bool = False
    keyed: bool = False


Table = dict[int, Field]
Message = dict[str, Any]


def table(**fields: tuple[Any, ...]) -> Table:
    """``name=(number, kind)``, ``name=(number, kind, "list" | "map")``; a kind may be a table itself."""
    found: Table = {}
    for name, (number, kind, *how) in fields.items():
        nested = kind if isinstance(kind, dict) else None
        word = "message" if nested is not None else kind
        found[number] = Field(name, word, nested, "list" in how, "map" in how)
    return found


def encode(message: Mapping[str, Any], fields: Table) -> bytes:
    """The bytes of a message; members that are absent, None or empty are left out."""
    out = bytearray()
    for number, field in fields.items():
        value = message.get(field.name)
        if value is None:
            continue
        if field.keyed:
            for key, each in value.items():
                entry = encode({"key": key, "value": each}, _entry(field))
                out += _tag(number, _LENGTH) + _varint(len(entry)) + entry
        elif field.repeated:
            for each in value:
                out += _single(number, field, each)
        elif value or field.kind == "message":
            out += _single(number, field, value)
    return bytes(out)


def decode(data: bytes | memoryview, fields: Table, errors: str = "surrogateescape") -> Message:
    """The message in ``data``; lists and maps are there even when empty, other members as zeros of their kind, messages
    as None. ``errors``: what is done of text that is not UTF-8, as bytes.decode has it. Raises InvalidArgument."""
    try:
        return _decode(memoryview(data), fields, 0, _Rules([VALUES_LIMIT], errors))
    except UnicodeDecodeError:
        raise InvalidArgument("protobuf text is not UTF-8") from None


class _Rules(NamedTuple):
    """``left``: how many values there may still be, everywhere in the message."""

    left: list[int]
    errors: str


def _decode(data: memoryview, fields: Table, depth: int, rules: _Rules) -> Message:
    if depth > DEPTH_LIMIT:
        raise InvalidArgument(f"protobuf message nested deeper than {DEPTH_LIMIT}")
    message: Message = {field.name: _zero(field) for field in fields.values()}
    left = rules.left
    for number, value in _values(data):
        left[0] -= 1
        if left[0] < 0:
            raise InvalidArgument(f"protobuf message with more than {VALUES_LIMIT} values")
        field = fields.get(number)
        if field is None:
            continue
        if field.keyed:
            entry = _decode(_bytes(value), _entry(field), depth + 1, rules)
            message[field.name][entry["key"]] = entry["value"]
        elif field.repeated:
            message[field.name].append(_read(field, value, depth, rules))
        else:
            message[field.name] = _read(field, value, depth, rules)
    return message


def _entry(field: Field) -> Table:
    return {1: Field("key", "text"), 2: Field("value", field.kind, field.message)}


def _zero(field: Field) -> Any:
    if field.keyed:
        return {}
    if field.repeated:
        return []
    return {"int": 0, "bool": False, "text": "", "bytes": b"", "message": None}[field.kind]


def _single(number: int, field: Field, value: Any) -> bytes:
    if field.kind in ("int", "bool"):
        return _tag(number, _VARINT) + _varint(int(value) & 0xFFFFFFFFFFFFFFFF)
    if field.kind == "message":
        assert field.message is not None
        data = encode(value, field.message)
    else:
        data = value.encode("utf-8", "surrogateescape") if field.kind == "text" else bytes(value)
    return _tag(number, _LENGTH) + _varint(len(data)) + data


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(value: int) -> bytes:
    if value <= 0x7F:  # nearly all: tags, and lengths of what is short
        return _SHORT[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _values(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        tag, at = _number(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _number(data, at)
            yield tag >> 3, value
            continue
        if wire == _LENGTH:
            size, at = _number(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise InvalidArgument(f"protobuf field {tag >> 3} has the unknown wire type {wire}")
        if at + size > len(data):
            raise InvalidArgument("protobuf message is cut short")
        yield tag >> 3, data[at : at + size]
        at += size


def _number(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise InvalidArgument("protobuf message has a malformed number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise InvalidArgument("protobuf field is a number where bytes belong")
    return value


def _read(field: Field, value: int | memoryview, depth: int, rules: _Rules) -> Any:
    if field.kind in ("int", "bool"):
        if not isinstance(value, int):
            raise InvalidArgument(f"protobuf field {field.name} is no number")
        if field.kind == "bool":
            return bool(value)
        return value - (1 << 64) if value >= 1 << 63 else value
    data = _bytes(value)
    if field.kind == "message":
        assert field.message is not None
        return _decode(data, field.message, depth + 1, rules)
    return bytes(data) if field.kind == "bytes" else bytes(data).decode("utf-8", rules.errors)
