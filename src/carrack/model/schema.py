"""Checks a JSON document against a field table: the types Docker declares, its defaults, and what is not built yet.

A field table maps a field's name to a `Field`. Checking gives a new document that holds every field of the table in
the table's order, with Docker's zero values filled in, so that what is recorded and shown again is complete. Names
match without regard to case and unknown names are ignored, as Go's JSON decoder does for every Docker client.
A field that this engine does not build yet passes only with its zero value; anything else is refused by name, so
that no flag is hollow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from carrack.errors import InvalidArgument

STRING, INTEGER, BOOLEAN, STRINGS, WORDS, LABELS, SET, INTEGERS, ANY = (
    "string", "integer", "boolean", "array of strings", "string or array of strings", "map of strings", "set",
    "array of integers", "any",
)  # fmt: skip


class Field(NamedTuple):
    """One field: its type (a name above, or a table for an object), its zero value, and whether it is built."""

    type: str | Table | ListOf | MapOf
    default: Any = None
    built: bool = True


class ListOf(NamedTuple):
    """An array of objects."""

    table: Table


class MapOf(NamedTuple):
    """A map whose values are arrays of objects (port bindings) or objects (endpoints)."""

    table: Table
    of_lists: bool = False


Table = Mapping[str, Field]


def check(document: object, table: Table, path: str = "") -> dict[str, Any]:
    """Return the document completed by the table's defaults.

    Raises InvalidArgument naming the field on a wrong type or on a field not built.
    """
    if not isinstance(document, dict):
        raise _wrong(path or "body", "object", document)
    given: dict[str, Any] = {}
    for name, value in document.items():
        given[name if name in table else str(name).lower()] = value
    result: dict[str, Any] = {}
    for name, field in table.items():
        value = given.get(name)
        if value is None:
            value = given.get(name.lower())
        where = f"{path}.{name}" if path else name
        if value is None:
            result[name] = _copy(field.default)
            continue
        result[name] = _value(value, field, where)
        if not field.built and not is_zero(result[name]) and result[name] != field.default:
            raise InvalidArgument(f"{where} is not supported by this version of Carrack: leave it at its default")
    return result


def is_zero(value: object) -> bool:
    """Whether a value says nothing: empty, zero, false, or made of such values only."""
    if isinstance(value, dict):
        return all(is_zero(v) for v in value.values())
    if isinstance(value, list):
        return all(is_zero(v) for v in value)
    return not value


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _value(value: Any, field: Field, where: str) -> Any:
    kind = field.type
    if isinstance(kind, str):
        if not _CHECKS[kind](value):
            raise _wrong(where, kind, value)
        return [value] if kind is WORDS and isinstance(value, str) else _copy(value)
    if isinstance(kind, ListOf):
        if not isinstance(value, list):
            raise _wrong(where, "array of objects", value)
        return [check(item, kind.table, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(kind, MapOf):
        return _map(value, kind, where)
    return check(value, kind, where)


def _map(value: Any, kind: MapOf, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, "map of objects", value)
    if not kind.of_lists:
        return {k: check(v if v is not None else {}, kind.table, f"{where}.{k}") for k, v in value.items()}
    result = {}
    for key, items in value.items():
        if items is not None and not isinstance(items, list):
            raise _wrong(f"{where}.{key}", "array of objects", items)
        result[key] = [check(item, kind.table, f"{where}.{key}[{i}]") for i, item in enumerate(items or [])]
    return result


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_text(value: object) -> bool:
    """A string that the kernel can be given: no NUL, no half of a surrogate pair."""
    if not isinstance(value, str) or "\0" in value:
        return False
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


_CHECKS: dict[str, Callable[[Any], bool]] = {
    STRING: _is_text,
    INTEGER: _is_int,
    BOOLEAN: lambda v: isinstance(v, bool),
    STRINGS: _is_texts,
    WORDS: lambda v: _is_text(v) or _is_texts(v),
    LABELS: lambda v: isinstance(v, dict) and all(_is_text(k) and _is_text(i) for k, i in v.items()),
    SET: lambda v: (
        isinstance(v, dict) and all(_is_text(k) and (i is None or isinstance(i, dict)) for k, i in v.items())
    ),
    INTEGERS: lambda v: isinstance(v, list) and all(_is_int(i) for i in v),
    ANY: lambda v: True,
}


def _wrong(where: str, wanted: str, value: object) -> InvalidArgument:
    kinds = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    return InvalidArgument(f"invalid JSON: cannot use {kinds.get(type(value), 'null')} as {where} (wanted {wanted})")
