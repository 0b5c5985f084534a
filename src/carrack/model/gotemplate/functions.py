"""The functions that templates may call: Go's own and those that Docker adds, but ``json``, which is its user's."""

from carrack.model.gotemplate.template import TemplateError

try:
    from _json import encode_basestring as _quoted
except ImportError:  # pragma: no cover - only where the interpreter has no C encoder
    from json.encoder import py_encode_basestring as _quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def truth(value: "Any") -> bool:
    """Go's notion: the zero of every kind, and what is empty, is false."""
    return bool(value)


class Absent(str):
    """What a map of texts gives for a key that it does not have: empty, and shown as ``<no value>``."""


def shown(value: "Any") -> str:
    """A value as Go's ``%v`` prints it: ``[a b]``, ``map[k:v]``, ``true``, ``<nil>``."""
    if value is None:
        return "<nil>"
    if isinstance(value, Absent):
        return "<no value>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + " ".join(map(shown, value)) + "]"
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{shown(item)}" for key, item in sorted(value.items())) + "]"
    if isinstance(value, float) and value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return str(value)


def _index(value: "Any", *keys: "Any") -> "Any":
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key, "")
        elif isinstance(value, (list, str)):
            if not isinstance(key, int):
                raise TemplateError("error calling index: cannot index slice/array with type string")
            if not 0 <= key < len(value):
                raise TemplateError(f"error calling index: index out of range: {shown(key)}")
            value = value[key] if isinstance(value, list) else ord(value[key])
        else:
            raise TemplateError(
                "error calling index: index of untyped nil" if value is None else f"can't index {shown(value)}"
            )
    return value


def _slice(value: "Any", start: int = 0, end: "int | None" = None) -> "Any":
    end = len(value) if end is None else end
    if not 0 <= start <= end <= len(value):
        raise TemplateError(f"error calling slice: index out of range: {end}")
    return value[start:end]


def _truncate(text: "Any", length: int) -> str:
    if isinstance(text, int):  # the value came through a pipe: it is the last word
        text, length = length, text
    return str(text)[:length]


def _pad(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _print(*values: "Any") -> str:
    """Blanks only between two values neither of which is text, as Go's Sprint."""
    out = ""
    for index, value in enumerate(values):
        if index and not isinstance(value, str) and not isinstance(values[index - 1], str):
            out += " "
        out += shown(value)
    return out


def _println(*values: "Any") -> str:
    return " ".join(map(shown, values)) + "\n"


def _printf(form: str, *values: "Any") -> str:
    """Go's Sprintf for the verbs v s d q x X f g e t c U+ widths and flags."""
    out, rest, position = "", list(values), 0
    while position < len(form):
        if form[position] != "%":
            out += form[position]
            position += 1
            continue
        end = position + 1
        while end < len(form) and form[end] in "+-# 0123456789.":
            end += 1
        verb, flags = form[end : end + 1], form[position + 1 : end]
        position = end + 1
        if verb == "%":
            out += "%"
        elif not rest:
            out += f"%!{verb}(MISSING)"
        else:
            out += _formatted(verb, flags, rest.pop(0))
    return out


def _formatted(verb: str, flags: str, value: "Any") -> str:
    if verb in ("v", "s", "t"):
        return f"%{flags}s" % shown(value)
    if verb == "T":
        return {str: "string", bool: "bool", int: "int", float: "float64"}.get(type(value), "interface {}")
    if verb == "q":
        return f"%{flags}s" % _quoted(str(value))
    if verb in ("d", "x", "X", "o", "c") and isinstance(value, int):
        return f"%{flags}{verb}" % value
    if verb in ("x", "X") and isinstance(value, str):
        return value.encode().hex()
    if verb in ("f", "g", "e") and isinstance(value, (int, float)):
        return f"%{flags}{verb}" % value
    return f"%!{verb}({shown(value)})"


def _join(values: "Any", separator: str) -> str:
    if isinstance(values, str) and isinstance(separator, list):  # the list came through a pipe
        values, separator = separator, values
    return separator.join(map(shown, values or []))


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _html(text: "Any") -> str:
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;")):
        text = shown(text).replace(plain, escaped)
    return str(text)


def _title(text: str) -> str:
    return "".join(
        letter.upper() if index == 0 or text[index - 1].isspace() else letter for index, letter in enumerate(text)
    )


def _equal(first: "Any", *others: "Any") -> bool:
    return any(type(first) is type(other) and first == other for other in others)


def _length(value: "Any") -> int:
    if value is None:
        raise TemplateError("error calling len: len of nil pointer")
    return len(value.encode() if isinstance(value, str) else value)


FUNCTIONS: "dict[str, Callable[..., Any]]" = {
    "join": _join,
    "split": _split,
    "title": _title,
    "html": _html,
    "lower": lambda text: text.lower(),
    "upper": lambda text: text.upper(),
    "pad": _pad,
    "truncate": _truncate,
    "index": _index,
    "slice": _slice,
    "len": _length,
    "print": _print,
    "println": _println,
    "printf": _printf,
    "not": lambda value: not truth(value),
    "eq": _equal,
    "ne": lambda first, second: not _equal(first, second),
    "lt": lambda first, second: first < second,
    "le": lambda first, second: first <= second,
    "gt": lambda first, second: first > second,
    "ge": lambda first, second: first >= second,
}
