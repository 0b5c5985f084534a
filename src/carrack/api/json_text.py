"""JSON from clients: bounded depth, and refusals worded as Go's decoder words them, which users and SDKs know."""

from __future__ import annotations

import json
import re
from typing import Any

from carrack.errors import InvalidArgument

MAX_DEPTH = 64
"""Nesting of JSON values, in bodies and in query parameters."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_LITERALS = {"t": "true", "f": "false", "n": "null"}
_TEXTS = {
    "Expecting value": "looking for beginning of value",
    "Expecting property name enclosed in double quotes": "looking for beginning of object key string",
    "Illegal trailing comma before end of object": "looking for beginning of object key string",
    "Illegal trailing comma before end of array": "looking for beginning of value",
    "Expecting ':' delimiter": "after object key",
    "Invalid control character at": "in string",
    "Unexpected UTF-8 BOM (decode using utf-8-sig)": "looking for beginning of value",
}


def parse_json(data: str | bytes, what: str = "invalid JSON") -> Any:
    """The value of a JSON text. Raises InvalidArgument, its message beginning with `what`, on anything else.

    Refused besides malformed text: nesting above MAX_DEPTH, NaN and the infinities. As with Go's decoder, bytes that
    are not UTF-8 and halves of surrogate pairs become U+FFFD, and a closing bracket too many is not looked at.
    """
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    try:
        value = _loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise InvalidArgument("unexpected content after JSON") from None
        raise InvalidArgument(f"{what}: {_go_text(error)}") from None
    except RecursionError:
        raise InvalidArgument(f"{what}: exceeded max depth") from None
    except ValueError as error:
        raise InvalidArgument(f"{what}: {error}") from None
    _check_depth(value, what)
    return _whole(value) if "\\u" in text else value


def _loads(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        if error.msg != "Extra data" or text[error.pos] not in "]}":
            raise
        return json.loads(text[: error.pos], parse_constant=_refuse_constant)


def _whole(value: Any) -> Any:
    """The value with U+FFFD for each half of a surrogate pair, which no byte string can hold."""
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, str) and not value.isascii():
        return _SURROGATE.sub("\ufffd", value)
    return value


def _go_text(error: json.JSONDecodeError) -> str:
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
        return "unexpected EOF"
    character = error.doc[error.pos]
    if error.msg.startswith("Invalid \\uXXXX escape"):
        return f"invalid escape sequence `{error.doc[error.pos - 1 : error.pos + 5]}` in string"
    if error.msg.startswith("Invalid \\escape"):
        return f"invalid escape sequence `{error.doc[error.pos : error.pos + 2]}` in string"
    if error.msg == "Expecting value" and character in _LITERALS:
        return _literal(error.doc[error.pos :], _LITERALS[character])
    where = _TEXTS.get(error.msg.rstrip(": "))
    if error.msg == "Expecting ',' delimiter":
        where = "after array element" if _innermost(error.doc[: error.pos]) == "[" else "after object key:value pair"
    if where is None:
        return f"{error.msg} at byte {error.pos}"
    return f"invalid character {_quoted(character)} {where}"


def _literal(text: str, word: str) -> str:
    for got, wanted in zip(text, word, strict=False):
        if got != wanted:
            return f"invalid character {_quoted(got)} in literal {word} (expecting {_quoted(wanted)})"
    return "unexpected EOF"


def _quoted(character: str) -> str:
    """A character as Go quotes it."""
    return "'\\''" if character == "'" else f"'{character}'" if character.isprintable() else repr(character)


def _innermost(text: str) -> str:
    """The bracket that is open at the end of a well-formed beginning of a JSON text."""
    open_brackets: list[str] = []
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "[{":
            open_brackets.append(char)
        elif char in "]}":
            open_brackets.pop()
    return open_brackets[-1] if open_brackets else ""


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"invalid character {word[0]!r} looking for beginning of value")


def _check_depth(value: Any, what: str) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if type(item) is dict:
                below.extend(item.values())
            elif type(item) is list:
                below.extend(item)
        level = [item for item in below if type(item) is dict or type(item) is list]
        if not level:
            return
    raise InvalidArgument(f"{what}: exceeded max depth")
