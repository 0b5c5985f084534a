"""Foreign JSON, read once and strictly: every document of an image is written by a stranger.

Two readers that understand one document differently are an attack (CVE-2021-41190), so what parsers disagree on is
refused: repeated keys, keys that differ from a known one only in case, NaN, invalid UTF-8, lone surrogates, NUL.
"""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from carrack.errors import InvalidArgument

DEPTH_LIMIT = 64
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def parse(data: bytes, *, limit: int, what: str) -> dict[str, Any]:
    """Parse `data` (UTF-8 JSON, at most `limit` bytes) into a dict; InvalidArgument naming `what` otherwise."""
    value = parse_value(data, limit=limit, what=what)
    if not isinstance(value, dict):
        raise InvalidArgument(f"{what}: expected a JSON object, found {kind(value)}")
    return value


def parse_value(data: bytes, *, limit: int, what: str) -> Any:
    """Like parse(), for documents that may be of any JSON kind (`manifest.json` is a list)."""
    if len(data) > limit:
        raise InvalidArgument(f"{what}: {len(data)} bytes are more than the limit of {limit}")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_constant)
    except InvalidArgument as error:
        raise InvalidArgument(f"{what}: {error}") from None
    except RecursionError:
        raise InvalidArgument(f"{what}: nested deeper than {DEPTH_LIMIT} levels") from None
    except ValueError as error:
        raise InvalidArgument(f"{what}: invalid JSON: {error}") from None
    _check(value, what, DEPTH_LIMIT)
    return value


def encode(document: Mapping[str, Any] | list[Any]) -> bytes:
    """Compact UTF-8 JSON in the order given: the bytes that a digest is taken of."""
    return _encoder.encode(document).encode()


def kind(value: object) -> str:
    """The JSON name of a value's type, for messages."""
    if value is None:
        return "null"
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    return names.get(type(value), type(value).__name__)


def reject_lookalikes(document: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Refuse keys that equal one of `known` in all but case: other parsers would read them as the known key."""
    lowered = {key.lower(): key for key in known}
    for key in document:
        exact = lowered.get(key.lower())
        if exact is not None and key != exact:
            raise InvalidArgument(f"{what}: key {key!r} can be mistaken for {exact!r}")


def text(document: Mapping[str, Any], key: str, what: str, default: str = "") -> str:
    """The string at `key`; `default` when absent or null."""
    value = document.get(key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise InvalidArgument(f"{what}: {key} must be a string, found {kind(value)}")
    return value


def integer(document: Mapping[str, Any], key: str, what: str) -> int:
    """The number at `key`: whole, not negative, below 2**63; required."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise InvalidArgument(f"{what}: {key} must be a whole number of at least 0")
    return value


def texts(document: Mapping[str, Any], key: str, what: str) -> list[str] | None:
    """The list of strings at `key`; None when absent or null."""
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidArgument(f"{what}: {key} must be a list of strings")
    return value


def text_map(document: Mapping[str, Any], key: str, what: str) -> dict[str, str] | None:
    """The object of strings at `key`; None when absent or null."""
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise InvalidArgument(f"{what}: {key} must be an object with string values")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise InvalidArgument(f"key {repeated!r} appears twice")
    return result


def _constant(name: str) -> NoReturn:
    raise InvalidArgument(f"{name} is not a JSON value")


def _check(value: Any, what: str, depth: int) -> None:
    if depth < 0:
        raise InvalidArgument(f"{what}: nested deeper than {DEPTH_LIMIT} levels")
    if isinstance(value, str):
        _check_text(value, what)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_text(key, what)
            _check(item, what, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, what, depth - 1)


def _check_text(value: str, what: str) -> None:
    if "\0" in value:
        raise InvalidArgument(f"{what}: a string contains a NUL byte: {value[:80]!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"{what}: a string is not valid Unicode: {value[:80]!r}") from None
