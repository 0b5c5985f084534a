"""The head of an HTTP/1.1 answer from a server that is not trusted, and how its body is framed (RFC 9112). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

HEAD_LIMIT = 64 * 1024
FIELD_LIMIT = 256
_MOST_DIGITS = 18
_STATUS = re.compile("[1-9][0-9]{2}")

CHUNKED = -1
UNTIL_CLOSE = -2
"""Instead of a body's length."""


class Malformed(OSError):
    """What came is no HTTP answer, or one that two readers could understand differently."""


class Headers:
    """Header fields in the order of the wire, found by name in any case."""

    __slots__ = ("_fields",)

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = [(name.lower(), value) for name, value in fields]

    def get(self, name: str, default: str = "") -> str:
        """The first field of that name."""
        return next((value for key, value in self._fields if key == name.lower()), default)

    def all(self, name: str) -> list[str]:
        """All fields of that name."""
        return [value for key, value in self._fields if key == name.lower()]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._fields)


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and fields; `minor` is that of HTTP/1.x."""

    status: int
    headers: Headers
    minor: int = 1

    @property
    def persistent(self) -> bool:
        """Whether the connection may serve another request."""
        said = self.headers.get("connection").lower()
        return "close" not in said and (self.minor >= 1 or "keep-alive" in said)


def parse(data: bytes) -> Head:
    """The head in `data`, without the empty line that ends it. Raises Malformed."""
    lines = data.decode("latin-1").replace("\r\n", "\n").split("\n")
    version, _, rest = lines[0].partition(" ")
    status, _, _ = rest.partition(" ")
    if version not in ("HTTP/1.0", "HTTP/1.1") or not _STATUS.fullmatch(status):
        raise Malformed(None, f"no HTTP answer: {lines[0][:80]!r}")
    if len(lines) > FIELD_LIMIT:
        raise Malformed(None, f"more than {FIELD_LIMIT} header fields")
    return Head(int(status), Headers([_field(line) for line in lines[1:]]), int(version[-1]))


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    # A folded line, or a blank before the colon, is read differently by different readers.
    if not colon or not name or any(c in name for c in " \t") or any(c in line for c in "\0\r"):
        raise Malformed(None, f"malformed header field: {line[:80]!r}")
    return name, value.strip(" \t")


def body_length(method: str, head: Head) -> int:
    """Bytes of the body, or CHUNKED, or UNTIL_CLOSE. Raises Malformed when the framing is ambiguous."""
    if method == "HEAD" or head.status in (204, 304) or head.status < 200:
        return 0
    codings = head.headers.all("transfer-encoding")
    lengths = set(head.headers.all("content-length"))
    if codings:
        if lengths or head.minor < 1 or [c.lower() for c in codings] != ["chunked"]:
            raise Malformed(None, f"ambiguous framing: Transfer-Encoding {', '.join(codings)[:80]!r}")
        return CHUNKED
    if not lengths:
        return UNTIL_CLOSE
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()) or len(length) > _MOST_DIGITS:
        raise Malformed(None, f"ambiguous framing: Content-Length {length[:80]!r}")
    return int(length)
