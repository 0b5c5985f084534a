"""Reads a request's head (request line and headers) strictly, before any parser does.

What is refused here is what parsers are known to read differently (bare line feeds, folded lines, NUL, spaces around
names, two lengths or hosts; RFC 9112 sections 2.2, 3.2, 5 and 6.3), so that none behind us can be led astray. The
answers' texts are those of Go's server, which Docker's clients know.
"""

from __future__ import annotations

import re

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers together."""

MAX_FIELDS = 120
"""Header fields."""

_REASONS = {
    400: "Bad Request",
    404: "Not Found",
    408: "Request Timeout",
    417: "Expectation Failed",
    431: "Request Header Fields Too Large",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_METHODS = frozenset(b"GET HEAD POST PUT DELETE OPTIONS PATCH TRACE CONNECT".split())
_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~\x80-\xff]+) HTTP/([0-9]\.[0-9])")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FIELDS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")
_FRAMING = re.compile(rb"^(content-length|transfer-encoding|upgrade|host|expect):[ \t]*([^\r]*?)[ \t]*\r$", re.I | re.M)
_HOST = re.compile(rb"[!$%&'()*+,\-.0-9:;=@A-Z\[\]_a-z~/]*")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class FramingError(Exception):
    """The bytes are no well-framed request; `status` is the answer that fits, `told` whether it tells the message."""

    def __init__(self, status: int, message: str, *, told: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.told = told

    def answer(self) -> bytes:
        """The whole response; the connection ends after it."""
        reason = _REASONS.get(self.status, "Bad Request")
        kind, body = "text/plain; charset=utf-8", f"{self.status} {reason}" + (f": {self}" if self.told else "")
        if self.status == 404:
            kind, body = "application/json", '{"message":"page not found"}\n'
        elif self.status == 501:
            body = str(self)
        head = f"HTTP/1.1 {self.status} {reason}\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n"
        if self.status == 417:
            head, body = f"HTTP/1.1 417 {reason}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", ""
        return (head + body).encode()


def read(head: bytes) -> dict[bytes, list[bytes]]:
    """The values of the header fields that decide where the message ends, by lower-case name.

    `head` ends in the empty line. Raises FramingError for anything that is not plain HTTP/1.0 or 1.1.
    """
    line, _, fields = head[:-2].partition(b"\r\n")
    version = _request_line(line)
    if not _FIELDS.fullmatch(fields):
        raise _malformed(fields)
    if fields.count(b"\n") > MAX_FIELDS:
        raise FramingError(431, "too many header fields")
    found: dict[bytes, list[bytes]] = {}
    for name, value in _FRAMING.findall(fields):
        found.setdefault(name.lower(), []).append(value)
    hosts = found.get(b"host", [])
    if len(hosts) != 1 and (hosts or version != b"1.0"):
        raise FramingError(400, "missing required Host header", told=not hosts)
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise FramingError(400, "malformed Host header", told=True)
    if any(value.lower() != b"100-continue" for value in found.get(b"expect", ())):
        raise FramingError(417, "unknown expectation")
    return found


def _request_line(line: bytes) -> bytes:
    """The version of a well-formed request line."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise FramingError(400, "malformed request line")
    method, target, version = match.groups()
    if version not in (b"1.1", b"1.0"):
        raise FramingError(505, "unsupported protocol version", told=True)
    if not (target.startswith((b"/", b"http://", b"https://")) or target == b"*" or method == b"CONNECT"):
        raise FramingError(400, "malformed request target")
    if _BAD_ESCAPE.search(target.partition(b"?")[0]):
        raise FramingError(400, "invalid URL escape")
    if method not in _METHODS:
        # The parser behind us knows no others; for the API there is nothing at such a method.
        raise FramingError(404, "unknown method")
    return bytes(version)


def _malformed(fields: bytes) -> FramingError:
    """The refusal of the first line that is no header field."""
    for line in fields.split(b"\r\n"):
        name, colon, _ = line.partition(b":")
        if colon and name and not line.startswith((b" ", b"\t")) and not _NAME.fullmatch(name):
            return FramingError(400, "invalid header name", told=True)
        if not _FIELDS.fullmatch(line + b"\r\n"):
            break
    return FramingError(400, "malformed header line")
