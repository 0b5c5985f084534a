"""Checks a JSON document against a field table: the types Docker declares, its defaults, and what is not built yet.

A field table maps a field's name to a `Field`. Checking gives a new document that holds every field of the table in
the table's order, with Docker's zero values filled in, so that what is recorded and shown again is complete. Names
match without regard to case and unknown names are ignored, as Go's JSON decoder does for every Docker client; keys of
maps come out sorted, as its encoder writes them. A wrong type is told in the decoder's words, with its names of types,
which users know. A field that this engine does not build yet passes only with its zero value; anything else is
refused by name, so that no flag is hollow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from carrack.errors import InvalidArgument

STRING, INTEGER, BOOLEAN, STRINGS, WORDS, LABELS, SET, INTEGERS, LISTS, ANY = (
    "string", "int64", "bool", "[]string", "string or array of strings", "map[string]string", "map[string]struct {}",
    "[2]uint", "[][]string", "any",
)  # fmt: skip


class Field(NamedTuple):
    """One field: its type (a name above, or a table for an object), its zero value, and whether it is built.

    `go` is the decoder's name of the type where it is another than the one above.
    """

    type: str | Table | ListOf | MapOf
    default: Any = None
    built: bool = True
    go: str = ""


class ListOf(NamedTuple):
    """An array of objects; `go` names the type of one."""

    table: Table
    go: str = "object"
    pointers: bool = False


class MapOf(NamedTuple):
    """A map whose values are arrays of objects (port bindings) or objects (endpoints)."""

    table: Table
    of_lists: bool = False
    go: str = "object"


Table = Mapping[str, Field]
Document = dict[str, Any]

_RANGES = {
    "uint16": (0, 2**16 - 1), "fs.FileMode": (0, 2**32 - 1), "uint64": (0, 2**64 - 1), "uint": (0, 2**64 - 1),
}  # fmt: skip
_SIGNED = (-(2**63), 2**63 - 1)


def check(document: object, table: Table, path: str = "", go: str = "object") -> dict[str, Any]:
    """Return the document completed by the table's defaults.

    `path` is what the decoder's words put before the names of fields (its name of the struct, often none), `go` the
    type of the whole. Raises InvalidArgument naming the field on a wrong type or on a field not built.
    """
    result = _object(document, table, path, go)
    _refuse_unbuilt(result, table, "")
    return result


def is_zero(value: object) -> bool:
    """Whether a value says nothing: empty, zero, false, or made of such values only."""
    if isinstance(value, dict):
        return all(is_zero(v) for v in value.values())
    if isinstance(value, list):
        return all(is_zero(v) for v in value)
    return not value


def _object(document: object, table: Table, path: str, go: str) -> dict[str, Any]:
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise _wrong(path, go, document)
    names = {name.lower(): name for name in table} if any(name not in table for name in document) else {}
    found: dict[str, Any] = {}
    exact: set[str] = set()
    for given, value in document.items():
        name = given if given in table else names.get(str(given).lower())
        if name is None or value is None or name in exact:
            continue
        found[name] = _value(value, table[name], f"{path}.{name}")
        if given == name:
            exact.add(name)
    return {name: found[name] if name in found else _copy(field.default) for name, field in table.items()}


def _refuse_unbuilt(result: dict[str, Any], table: Table, path: str) -> None:
    for name, field in table.items():
        value, where = result[name], f"{path}.{name}" if path else name
        if not field.built and not is_zero(value) and value != field.default:
            raise InvalidArgument(f"{where} is not supported by this version of Carrack: leave it at its default")
        if value and isinstance(field.type, dict):
            _refuse_unbuilt(value, field.type, where)
        elif value and isinstance(field.type, ListOf):
            for i, item in enumerate(value):
                _refuse_unbuilt(item, field.type.table, f"{where}[{i}]")
        elif value and isinstance(field.type, MapOf) and not field.type.of_lists:
            for key, item in value.items():
                _refuse_unbuilt(item, field.type.table, f"{where}.{key}")


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _value(value: Any, field: Field, where: str) -> Any:
    kind = field.type
    if isinstance(kind, str):
        return _READERS[kind](value, where, field.go or kind)
    if isinstance(kind, ListOf):
        go = f"[]{'*' if kind.pointers else ''}{kind.go}"
        if not isinstance(value, list):
            raise _wrong(where, go, value)
        return [_object(item, kind.table, f"{where}.{i}", kind.go) for i, item in enumerate(value)]
    if isinstance(kind, MapOf):
        return _map(value, kind, where, field.go)
    return _object(value, kind, where, field.go or "object")


def _map(value: Any, kind: MapOf, where: str, go: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, go, value)
    result: dict[str, Any] = {}
    for key, item in value.items():
        place = f"{where}.{_escaped(key)}"
        if not kind.of_lists:
            result[key] = _object(item, kind.table, place, kind.go)
            continue
        if item is not None and not isinstance(item, list):
            raise _wrong(place, f"[]{kind.go}", item)
        result[key] = [_object(entry, kind.table, f"{place}.{i}", kind.go) for i, entry in enumerate(item or [])]
    return dict(sorted(result.items()))


def _string(value: Any, where: str, go: str) -> str:
    if not isinstance(value, str):
        raise _wrong(where, go, value)
    if "\0" in value or (not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)):
        raise InvalidArgument(f"invalid JSON: {where.lstrip('.')} holds what no path, name or argument can: {value!r}")
    return value


def _integer(value: Any, where: str, go: str) -> int:
    low, high = _RANGES.get(go, _SIGNED)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise _wrong(where, go, value, literal=isinstance(value, (int, float)) and not isinstance(value, bool))
    return value


def _boolean(value: Any, where: str, go: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(where, go, value)
    return value


def _list(value: Any, where: str, go: str, item: Callable[[Any, str], Any]) -> list[Any]:
    if not isinstance(value, list):
        raise _wrong(where, go, value)
    return [item(entry, f"{where}.{i}") for i, entry in enumerate(value)]


def _strings(value: Any, where: str, go: str) -> list[str]:
    # Go's decoder leaves the zero value where a null stands.
    return _list(value, where, go, lambda item, place: "" if item is None else _string(item, place, "string"))


def _words(value: Any, where: str, go: str) -> list[str]:
    if isinstance(value, str):
        return [_string(value, where, "string")]
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        # This type has a decoder of its own, which knows of no field.
        raise _wrong("", "string", value)
    return _strings(value, where, go)


def _pair(value: Any, where: str, go: str) -> list[int]:
    numbers = _list(value, where, go, lambda item, place: 0 if item is None else _integer(item, place, "uint"))
    return [*numbers, 0, 0][:2]


def _labels(value: Any, where: str, go: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise _wrong(where, go, value)
    return {_string(k, where, go): _label(v, f"{where}.{_escaped(k)}") for k, v in sorted(value.items())}


def _label(value: Any, where: str) -> str:
    return "" if value is None else _string(value, where, "string")


def _set(value: Any, where: str, go: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(where, go, value)
    for key, item in value.items():
        if item is not None and not isinstance(item, dict):
            raise _wrong(f"{where}.{_escaped(_string(key, where, go))}", "struct {}", item)
    return {_string(key, where, go): {} for key in sorted(value)}


_READERS: dict[str, Callable[[Any, str, str], Any]] = {
    STRING: _string,
    INTEGER: _integer,
    BOOLEAN: _boolean,
    STRINGS: _strings,
    WORDS: _words,
    LABELS: _labels,
    SET: _set,
    INTEGERS: _pair,
    LISTS: lambda value, where, go: _list(value, where, go, lambda item, place: _strings(item, place, STRINGS)),
    ANY: lambda value, where, go: _copy(value),
}


def _escaped(key: str) -> str:
    """A key as a token of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _wrong(where: str, go: str, value: object, *, literal: bool = False) -> InvalidArgument:
    kinds = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
    kind = kinds.get(type(value), "null") + (f" {value}" if literal else "")
    if "." not in where:
        place = "Go value"
    elif where.rpartition(".")[2].isdecimal():
        place = where
    else:
        place = f"Go struct field {where}"
    return InvalidArgument(f"invalid JSON: json: cannot unmarshal {kind} into {place} of type {go}")
