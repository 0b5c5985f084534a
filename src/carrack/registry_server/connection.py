"""HTTP/1.1 on one connection: requests are read one after another by the thread that also answers them.

The head is judged by the same strict reader as the daemon's (`http.head`), so nothing ambiguous gets further.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from http import HTTPStatus
from urllib.parse import unquote

from carrack.http.answer_head import BODILESS, answer_head
from carrack.http.framing import RequestFramer
from carrack.http.head import MAX_HEAD, FramingError
from carrack.registry_server.message import Answer, Handler, Problem, Request, query_of
from carrack.registry_server.wire import STALL, Wire

log = logging.getLogger(__name__)

SILENCE = 120.0
"""Seconds that a connection may be idle between requests."""

HEAD_TIME = 30.0
"""Seconds for the whole of a request's head."""

LEAST = 1024
"""Bytes a second that a body must bring, by the minute: who sends less only keeps a thread busy."""

LINGER = 2.0
_BUFFER = 1 << 20
_READ = 64 << 10
_SMALL = 64 << 10
_REASONS = {status.value: status.phrase for status in HTTPStatus}


class WireBody:
    """`message.Body` from the socket."""

    def __init__(self, wire: Wire, framer: RequestFramer, length: int | None, *, waits: bool) -> None:
        self.length = length
        self.waits = waits
        """Whether the client sends nothing before it is told to go on (Expect: 100-continue)."""
        self._wire = wire
        self._framer = framer
        self._left = length
        self._since = time.monotonic()
        self._come = 0

    @property
    def finished(self) -> bool:
        """Whether all of it has been read."""
        return self._framer.complete if self._left is None else not self._left

    def pieces(self) -> Iterator[memoryview]:
        """message.Body."""
        if self.finished:
            return
        if self.waits:
            self.waits = False
            self._wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._left is None:
            yield from self._chunks()
        else:
            yield from self._counted()

    def read(self, limit: int) -> bytes:
        """message.Body."""
        found = bytearray()
        if self.length is not None and self.length > limit:
            raise Problem("SIZE_INVALID", f"a body of {self.length} bytes is more than {limit}", status=413)
        for piece in self.pieces():
            found += piece
            if len(found) > limit:
                raise Problem("SIZE_INVALID", f"the body is of more than {limit} bytes", status=413)
        return bytes(found)

    def _counted(self) -> Iterator[memoryview]:
        assert self._left is not None
        begun, self._wire.rest = self._wire.rest[: self._left], self._wire.rest[self._left :]
        if begun:
            self._left -= len(begun)
            yield memoryview(begun)
        if not self._left:
            return
        view, other = (memoryview(bytearray(min(self._left, _BUFFER))) for _ in range(2))
        while self._left:
            view, other = other, view
            size = self._wire.receive_into(view[: min(self._left, len(view))], whole=True)
            self._came(size)
            self._left -= size
            yield view[:size]

    def _chunks(self) -> Iterator[memoryview]:
        if self._wire.rest:
            begun, self._wire.rest = bytearray(self._wire.rest), b""
            yield from self._framer.payload(begun, len(begun))
        buffer, other = (bytearray(_BUFFER if not self._framer.complete else 0) for _ in range(2))
        while not self._framer.complete:
            buffer, other = other, buffer
            size = self._wire.receive_into(buffer)
            self._came(size)
            yield from self._framer.payload(buffer, size)
        self._wire.rest = self._framer.rest

    def _came(self, size: int) -> None:
        """Take note of bytes. Raises OSError at the client's end, and when too little comes."""
        if not size:
            raise ConnectionResetError("the client has closed the connection within a body")
        self._come += size
        now = time.monotonic()
        if now - self._since >= STALL:
            if self._come < LEAST * (now - self._since):
                raise TimeoutError("the client sends too little")
            self._since, self._come = now, 0


class Connection:
    """Serves `handler` on a wire until the client or `stop` ends it."""

    def __init__(self, wire: Wire, handler: Handler, peer: str) -> None:
        self.idle = True
        """Whether no request is being served."""
        self._wire = wire
        self._handler = handler
        self._peer = peer
        self._last = False

    def serve(self) -> None:
        """Until the connection ends; raises nothing."""
        linger = 0.0
        try:
            self._wire.open()
            while not self._last and (head := self._head()):
                linger = self._exchange(head)
        except FramingError as error:
            self._refuse(error)
            linger = LINGER
        except OSError as error:
            log.debug("%s: %s", self._peer, error)
        finally:
            self._wire.close(linger)

    def stop(self) -> None:
        """For another thread: the request being served is the last."""
        self._last = True
        if self.idle:
            self._wire.wake()

    def cut(self) -> None:
        """For another thread: end at once, whatever is being served."""
        self._last = True
        self._wire.wake()

    def _refuse(self, error: FramingError) -> None:
        try:
            self._wire.send(error.answer())
        except OSError:
            pass  # nobody is there to be told

    def _head(self) -> bytes:
        """The next request's head with its empty line; b"" when there is none."""
        wire = self._wire
        self.idle = not wire.rest
        data = wire.rest.lstrip(b"\r\n")
        if not data:
            wire.patience(SILENCE)
            data = wire.receive(_READ).lstrip(b"\r\n")
            if not data:
                return b""
        self.idle = False
        if not data[:1].isalpha():  # a client that tries TLS first is told at once
            raise FramingError(400, "this is no HTTP; TLS is not spoken here", told=True)
        wire.patience(STALL)
        end = data.find(b"\r\n\r\n")
        deadline = time.monotonic() + HEAD_TIME
        while end < 0:
            if len(data) > MAX_HEAD or b"\n\n" in data:
                raise FramingError(431 if len(data) > MAX_HEAD else 400, "the request's head is too large or malformed")
            if time.monotonic() > deadline:
                raise FramingError(408, "the request's headers took too long", told=True)
            more = wire.receive(_READ)
            if not more:
                raise FramingError(400, "half a request")
            data += more
            end = data.find(b"\r\n\r\n", max(0, len(data) - len(more) - 3))
        head, wire.rest = data[: end + 4], data[end + 4 :]
        return head

    def _exchange(self, head: bytes) -> float:
        """Serve one request; returns how long to linger should the connection end now."""
        framer = RequestFramer()
        framer.feed(head)  # judges it, and knows the body's framing
        if framer.endless:
            raise FramingError(400, "an upgrade that there is not")
        request, minor = self._request(head, framer)
        body = request.body
        assert isinstance(body, WireBody)
        answer = self._ask(request)
        said = request.headers.get("connection", "").lower()
        if not body.finished or "close" in said or (not minor and "keep-alive" not in said):
            self._last = True
        try:
            self._write(request, answer, minor)
        finally:
            if answer.content is not None:
                answer.content.close()
        return LINGER if not body.finished else 0.0

    def _ask(self, request: Request) -> Answer:
        try:
            return self._handler(request)
        except Problem as problem:
            return problem.answer()
        except (FramingError, ConnectionError, TimeoutError):
            raise
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return Problem("UNKNOWN", "the registry has failed; its log tells why").answer()

    def _request(self, head: bytes, framer: RequestFramer) -> tuple[Request, int]:
        line, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, version = line.split(" ")
        headers: dict[str, str] = {}
        for field in lines:
            name, _, value = field.partition(":")
            name, value = name.lower(), value.strip(" \t")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if target.startswith("http"):
            target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
        path, _, text = target.partition("?")
        try:
            path = unquote(path, errors="strict") if "%" in path else path
            query, scopes = query_of(text)
        except ValueError as error:
            raise FramingError(400, "malformed path or query") from error
        length = None if framer.in_chunks else int(headers.get("content-length", "0"))
        body = WireBody(self._wire, framer, length, waits="expect" in headers)
        request = Request(method, path, query, headers, body, self._peer, self._wire.secure, scopes)
        return request, int(version[-1])

    def _write(self, request: Request, answer: Answer, minor: int) -> None:
        size = answer.content.size if answer.content is not None else len(answer.body)
        head = answer_head(
            *(answer.status, _REASONS.get(answer.status, "Unknown"), answer.headers, size),
            minor=minor,
            keep_alive=not self._last,
        )
        log.debug("%s %s %s %d", self._peer, request.method, request.path, answer.status)
        if request.method == "HEAD" or answer.status in BODILESS or not size:
            self._wire.send(head)
        elif answer.content is not None:
            self._wire.send(head, more=True)
            answer.content.send(self._wire)
        elif size < _SMALL:
            self._wire.send(head + answer.body)
        else:
            self._wire.send(head, more=True)
            self._wire.send(answer.body)
