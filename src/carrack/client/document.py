"""JSON without the standard library's ``json`` package, whose import costs the command line more than the parsing.

The scanner and encoder in C are the interpreter's own (module ``_json``); where one lacks them, ``json`` takes over.
Keys keep the order in which they came, and text is not escaped beyond what JSON asks, as the daemon does.
"""

from carrack.errors import Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    Document = dict[str, Any]


class _Codec:
    """The scanner and encoder, loaded when first used."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo: "dict[str, str]" = {}

    def __init__(self) -> None:
        try:
            from _json import encode_basestring, make_encoder, make_scanner
        except ImportError:  # pragma: no cover - only where the interpreter has no C scanner
            import json

            self.scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().raw_decode
            self.encode: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
            self.quote: Callable[[str], str] = self.encode
        else:
            self.scan = make_scanner(self)  # type: ignore[arg-type]
            encoder = make_encoder(None, _refuse, encode_basestring, None, ":", ",", False, False, True)
            self.encode = lambda value: "".join(encoder(value, 0))
            self.quote = encode_basestring


_CODECS: "list[_Codec]" = []


def ready() -> "_Codec":
    """Load what reads and writes, which takes 0.4 ms: best done while the other side works on a request."""
    if not _CODECS:
        _CODECS.append(_Codec())
    return _CODECS[0]


def loads(data: bytes | str) -> "Any":
    """The value of a JSON text; :class:`Unavailable` when it is not one."""
    try:
        text = data.decode() if isinstance(data, bytes) else data
        text = text.strip(" \t\r\n")
        value, end = ready().scan(text, 0)
    except (StopIteration, ValueError, RecursionError, SystemError):
        raise Unavailable(f"an answer is not JSON: {data[:80]!r}") from None
    if end != len(text):
        raise Unavailable(f"an answer has more after its JSON: {text[end : end + 80]!r}")
    return value


def dumps(value: "Any") -> str:
    """A value as JSON in one line."""
    return ready().encode(value)


def _refuse(value: object) -> "Any":
    raise TypeError(f"{type(value).__name__} has no JSON form")


def indented(value: "Any", width: int = 4, depth: int = 0) -> str:
    """A value as JSON over several lines, ``width`` blanks a level, as Go's encoder lays it out."""
    if not isinstance(value, (dict, list)):
        return dumps(value)
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    if not value:
        return opening + closing
    quote = ready().quote
    inner, outer = "\n" + " " * (width * (depth + 1)), "\n" + " " * (width * depth)
    if isinstance(value, dict):
        parts = [f"{quote(key)}: {indented(item, width, depth + 1)}" for key, item in value.items()]
    else:
        parts = [indented(item, width, depth + 1) for item in value]
    return opening + inner + ("," + inner).join(parts) + outer + closing


def stream(chunks: "Iterable[bytes]") -> "Iterator[Any]":
    """Values that arrive one per line, however the chunks cut them; an unfinished last line counts as a value."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.strip():
                yield loads(line)
    if rest.strip():
        yield loads(rest)
