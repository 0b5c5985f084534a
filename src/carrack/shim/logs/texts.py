"""How Go words things that log drivers' users know from Docker: times, JSON, booleans, refusals. Pure."""

from __future__ import annotations

import json
import re
import time

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_ESCAPES = (("&", "\\u0026"), ("<", "\\u003c"), (">", "\\u003e"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))
_UNWELCOME = re.compile("[\ud800-\udfff]")


def boolean(text: str) -> bool:
    """As strconv.ParseBool reads it. Raises InvalidArgument in its words."""
    if text not in _TRUE and text not in _FALSE:
        raise InvalidArgument(f'strconv.ParseBool: parsing "{text}": invalid syntax')
    return text in _TRUE


def integer(text: str, function: str = "Atoi") -> int:
    """As strconv.Atoi reads it (``function`` names another one). Raises InvalidArgument in its words."""
    if not _INTEGER.fullmatch(text) or (function == "ParseUint" and text[0] in "+-"):
        raise InvalidArgument(f'strconv.{function}: parsing "{text}": invalid syntax')
    return int(text)


def text_of(data: bytes) -> str:
    """Any bytes as text: each that is not UTF-8 becomes U+FFFD, as in Go's encoder."""
    return _UNWELCOME.sub("\ufffd", data.decode("utf-8", "surrogateescape"))


def compact(document: Any) -> str:
    """JSON without spaces, with the characters escaped that Go's encoder escapes."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for plain, escaped in _ESCAPES:
        if plain in text:
            text = text.replace(plain, escaped)
    return text


def rfc3339(nanoseconds: int, digits: int = 0) -> str:
    """A moment in the local zone with so many digits of its fraction; ``Z`` where the zone is UTC."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    moment = time.localtime(seconds)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", moment)
    if digits:
        text += f".{fraction:09}"[: digits + 1]
    offset = moment.tm_gmtoff // 60
    if not offset:
        return text + "Z"
    return f"{text}{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"


def stamp(nanoseconds: int) -> str:
    """``Jan  2 15:04:05`` in the local zone, as RFC 3164 has it."""
    moment = time.localtime(nanoseconds // 10**9)
    month = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()[moment.tm_mon - 1]
    return f"{month} {moment.tm_mday:2} {moment.tm_hour:02}:{moment.tm_min:02}:{moment.tm_sec:02}"
