"""Tells where each HTTP/1.1 request on a connection ends, without parsing it.

A connection may stop being HTTP right after a request (attach, exec), and a client may send the first bytes of
the new protocol together with that request. The HTTP parser behind us would read them as the next request and
refuse them, so the connection hands on exactly one request at a time and keeps what follows. Deciding the length
here also means that ambiguous framing (two lengths, a length beside a chunked body; RFC 9112 section 6.3) is
refused before anything is parsed.
"""

from __future__ import annotations

from carrack.http.head import MAX_HEAD, FramingError, read

_MAX_CHUNK_LINE = 4096
_MAX_TRAILERS = 16 * 1024
_MAX_DIGITS = 18
_PLAIN_LINE = 17
"""Bytes of a chunk's size without extensions, with its line's end."""


class RequestFramer:
    """One connection's framing: `feed` bytes, hand on what it returns, and call `next` between requests.

    After `complete` turns true nothing more is handed on; further bytes gather in `rest` until `next` begins the
    following request (feed it an empty string to go on with them) or the connection is taken over.
    """

    __slots__ = ("_buffer", "_line", "_remaining", "_state", "endless", "rest")

    def __init__(self) -> None:
        self.rest = b""
        self.endless = False
        self._buffer = b""
        self._line = b""
        self._remaining = 0
        self._state = "head"

    @property
    def complete(self) -> bool:
        """Whether the whole of the current request has been handed on."""
        return self._state == "done"

    @property
    def idle(self) -> bool:
        """Whether no byte of a request has come yet."""
        return self._state == "head" and not self._buffer

    @property
    def in_head(self) -> bool:
        """Whether a request has begun and its headers have not ended."""
        return self._state == "head" and bool(self._buffer)

    @property
    def in_chunks(self) -> bool:
        """Whether the request's body comes in chunks, and the next byte is one of a chunk or begins its size."""
        return self._state == "chunk_data" or (self._state == "chunk_size" and not self._line)

    def end(self) -> None:
        """Nothing more of this connection is a request."""
        self._state = "ended"

    def next(self) -> None:
        """Begin the following request."""
        if not self.endless:
            self._state = "head"

    def feed(self, data: bytes) -> bytes:
        """Return the part of `data` (and of what was held) that belongs to the current request.

        Raises FramingError when the framing is malformed, ambiguous or over its limits.
        """
        if self._state == "done":
            self.rest += data
            return b""
        if self.rest:
            data, self.rest = self.rest + data, b""
        out: list[bytes] = []
        if self._state in ("chunk_data", "chunk_size") and not self._line:
            passed = self._pass_chunks(data)
            if passed == len(data):
                return data
            if passed:
                out.append(data[:passed])
                data = data[passed:]
        while data and self._state != "done":
            taken, data = getattr(self, "_" + self._state)(data)
            if taken:
                out.append(taken)
        self.rest = data
        return out[0] if len(out) == 1 else b"".join(out)

    def payload(self, data: bytearray, size: int) -> list[memoryview]:
        """For a body in chunks, of which the first `size` bytes of `data` have come: its own bytes in there, without
        sizes and line ends. What comes after the body gathers in `rest`."""
        view, place, pieces = memoryview(data), 0, []
        while place < size and self._state != "done":
            if self._state != "chunk_data":
                end = data.find(b"\n", place, size) + 1 or size
                getattr(self, "_" + self._state)(bytes(view[place:end]))
                place = end
                continue
            step = min(self._remaining, size - place)
            own = min(step, max(0, self._remaining - 2))
            if own:
                pieces.append(view[place : place + own])
            at = 2 - self._remaining + own
            if step > own and view[place + own : place + step] != b"\r\n"[at : at + step - own]:
                raise FramingError(400, "malformed chunk")
            self._remaining -= step
            place += step
            if not self._remaining:
                self._state = "chunk_size"
        self.rest = bytes(view[place:size])
        return pieces

    def _head(self, data: bytes) -> tuple[bytes, bytes]:
        # An empty line or two before a request is tolerated (RFC 9112 section 2.2).
        searched = max(0, len(self._buffer) - 3)
        buffer = self._buffer + data if self._buffer else data.lstrip(b"\r\n")
        end = buffer.find(b"\r\n\r\n", searched if self._buffer else 0)
        if end < 0:
            if b"\n\n" in buffer:
                raise FramingError(400, "bare line feeds")
            if len(buffer) > MAX_HEAD:
                raise FramingError(431, "request header fields too large")
            self._buffer = buffer
            return b"", b""
        if end > MAX_HEAD:
            raise FramingError(431, "request header fields too large")
        self._buffer = b""
        head = buffer[: end + 4]
        self._begin_body(head)
        return head, buffer[end + 4 :]

    def _begin_body(self, head: bytes) -> None:
        fields = read(head)
        lengths, encodings = fields.get(b"content-length", ()), fields.get(b"transfer-encoding", ())
        if any(value.lower() == b"websocket" for value in fields.get(b"upgrade", ())):
            self.endless = True
            self._state = "endless"
            return
        if encodings:
            if [value.lower() for value in encodings] != [b"chunked"]:
                raise FramingError(501, "Unsupported transfer encoding")
            if lengths:
                raise FramingError(400, "both Content-Length and Transfer-Encoding are given")
            self._state = "chunk_size"
            return
        if len(lengths) > 1:
            raise FramingError(400, "more than one Content-Length is given")
        self._remaining = _length(lengths[0]) if lengths else 0
        self._state = "body" if self._remaining else "done"

    def _body(self, data: bytes) -> tuple[bytes, bytes]:
        taken = data[: self._remaining]
        self._remaining -= len(taken)
        if not self._remaining:
            self._state = "done"
        return taken, data[len(taken) :]

    def _ended(self, data: bytes) -> tuple[bytes, bytes]:
        return b"", b""

    def _endless(self, data: bytes) -> tuple[bytes, bytes]:
        return data, b""

    def _chunk_size(self, data: bytes) -> tuple[bytes, bytes]:
        taken, line, data = self._take_line(data)
        if line is None:
            return taken, data
        digits = line.split(b";", 1)[0].strip(b" \t")
        if not digits or len(digits) > 15 or digits.strip(b"0123456789abcdefABCDEF"):
            raise FramingError(400, "invalid chunk size")
        size = int(digits, 16)
        # The data and the line break that follows it.
        self._remaining = size + 2
        self._state = "chunk_data" if size else "trailer"
        if not size:
            self._remaining = _MAX_TRAILERS
        return taken, data

    def _chunk_data(self, data: bytes) -> tuple[bytes, bytes]:
        taken = data[: self._remaining]
        self._remaining -= len(taken)
        if not self._remaining:
            self._state = "chunk_size"
        return taken, data[len(taken) :]

    def _pass_chunks(self, data: bytes) -> int:
        """Go over whole chunks, and the beginning of the next, without copying them; returns how many bytes. What is
        not plain data between plain sizes is left for the other steps."""
        place, end = 0, len(data)
        while place < end:
            if self._state == "chunk_data":
                step = min(self._remaining, end - place)
                self._remaining -= step
                place += step
                if not self._remaining:
                    self._state = "chunk_size"
                continue
            line = data.find(b"\r\n", place, place + _PLAIN_LINE)
            digits = data[place:line] if line > place else b""
            if not digits or digits.strip(b"0123456789abcdefABCDEF") or not (size := int(digits, 16)):
                break
            self._remaining = size + 2
            self._state = "chunk_data"
            place = line + 2
        return place

    def _trailer(self, data: bytes) -> tuple[bytes, bytes]:
        taken, line, data = self._take_line(data)
        self._remaining -= len(taken)
        if self._remaining < 0:
            raise FramingError(431, "trailers too large")
        if line == b"":
            self._state = "done"
        return taken, data

    def _take_line(self, data: bytes) -> tuple[bytes, bytes | None, bytes]:
        """(bytes taken, the line without its end when it is whole, bytes left)."""
        end = data.find(b"\n")
        taken = data if end < 0 else data[: end + 1]
        self._line += taken
        if len(self._line) > _MAX_CHUNK_LINE:
            raise FramingError(400, "chunk line too long")
        if end < 0:
            return taken, None, b""
        line, self._line = self._line, b""
        if not line.endswith(b"\r\n"):
            raise FramingError(400, "malformed chunk line")
        return taken, line[:-2], data[end + 1 :]


def _length(value: bytes) -> int:
    if not value or value.strip(b"0123456789") or len(value) > _MAX_DIGITS:
        raise FramingError(400, "bad Content-Length")
    return int(value)
