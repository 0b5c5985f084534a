"""One request and its answer on a connection that may serve more of them."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

from carrack.registry import head as heads
from carrack.registry.channel import Channel, TlsFailed
from carrack.registry.head import Headers, Malformed

_LINE_LIMIT = 4096
_SENT_AT_ONCE = 64 * 1024
_INTERIM_MOST = 16
_SLOWEST = 1024
"""Bytes a second, over as long as one may be patient, below which a server is held to be broken, or to hold us up."""

Body = bytes | AsyncIterator[bytes]


class Broken(OSError):
    """The connection ended, or stalled, before all of an answer had come. `begun` is whether any of it had."""

    def __init__(self, text: str, *, begun: bool) -> None:
        super().__init__(None, text)
        self.begun = begun


class Connection:
    """A channel with what has been read of it too far: `_rest` from `_at` on, so that a short line costs no copy."""

    def __init__(self, channel: Channel, patience: float) -> None:
        self._channel = channel
        self._patience = patience
        self._rest = b""
        self._at = 0
        self._waited, self._came = 0.0, 0
        self.fresh = True
        """Whether it has served nobody yet."""

    def idle(self) -> bool:
        """Whether it is open and the other side has said nothing unasked."""
        try:
            return self._at >= len(self._rest) and self._channel.ready() is None
        except OSError:
            return False

    def close(self) -> None:
        """End it at once."""
        self._channel.close()

    async def receive(self, most: int = sys.maxsize, want: int = 1) -> bytes:
        """What comes next, at most so many bytes; b"" at the end. `want` is as for Channel.receive. Raises Broken."""
        if self._at >= len(self._rest):
            data = await self._more(want)
            if len(data) <= most:
                return data
            self._rest, self._at = data, 0
        data = self._rest[self._at : self._at + most]
        self._at += len(data)
        if self._at >= len(self._rest):
            self._rest, self._at = b"", 0
        return data

    async def until(self, mark: bytes, limit: int) -> bytes:
        """The bytes before `mark`. Raises Broken, and Malformed when it does not come within `limit`."""
        searched = self._at
        while (found := self._rest.find(mark, searched, self._at + limit + len(mark))) < 0:
            held = len(self._rest) - self._at
            if held >= limit + len(mark):
                raise Malformed(None, "an answer with a line or head that is too long")
            more = await self._more()
            if not more:
                raise Broken("the connection was closed", begun=bool(held))
            self._rest, self._at = self._rest[self._at :] + more, 0
            searched = max(0, held - len(mark) + 1)
        data, self._at = self._rest[self._at : found], found + len(mark)
        return data

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: Body) -> Answer:
        """Send a request; the answer is there when its head is. Raises Broken or Malformed."""
        self.fresh = False
        await self._send(_head(method, target, headers), body)
        for _ in range(_INTERIM_MOST):
            head = heads.parse(await self._until_head())
            if head.status >= 200:
                return Answer(self, head, heads.body_length(method, head))
            if head.status == 101:
                raise Malformed(None, "the server changes to another protocol")
        raise Malformed(None, "answers that announce another without end")

    async def _until_head(self) -> bytes:
        self._waited, self._came = 0.0, 0
        lines: list[bytes] = []
        left = heads.HEAD_LIMIT
        try:
            while len(lines) <= heads.FIELD_LIMIT and left > 0:
                line = await self.until(b"\n", left)
                left -= len(line) + 1
                if line.rstrip(b"\r"):
                    lines.append(line.rstrip(b"\r"))
                elif lines:  # empty lines before an answer are none of it
                    self._waited, self._came = 0.0, 0
                    break
            return b"\n".join(lines)
        except Broken as error:
            raise Broken(str(error.strerror), begun=bool(lines) or self._at < len(self._rest)) from error

    async def _more(self, want: int = 1) -> bytes:
        """What the channel has next; b"" at the end. Only time spent on waiting counts as slowness of the server."""
        begun = time.monotonic()
        try:
            data = await self._channel.receive(self._patience, want)
        except TimeoutError:
            raise Broken(f"nothing came for {self._patience:.0f} seconds", begun=True) from None
        except TlsFailed:
            raise
        except OSError as error:
            raise Broken(error.strerror or str(error), begun=True) from error
        self._came += len(data)
        self._waited += time.monotonic() - begun
        if self._waited > self._patience:
            if self._came < _SLOWEST * self._waited:
                raise Broken(f"only {self._came} bytes came in {self._waited:.0f} seconds", begun=True)
            self._waited, self._came = 0.0, 0
        return data

    async def _send(self, head: bytes, body: Body) -> None:
        """Write it all, unless the server answers before that: then the answer counts, not what is left unsaid.

        A failure of the body's own source is raised as it is.
        """
        if isinstance(body, bytes) and len(body) <= _SENT_AT_ONCE:
            await self._write(head + body)
        elif await self._write(head):
            async for part in _parts(body):
                if (early := self._channel.ready()) is not None:
                    self._rest += early
                    return
                if not await self._write(part):
                    return

    async def _write(self, data: bytes) -> bool:
        """Write some of a request; False when the server takes no more because it has answered."""
        try:
            await self._channel.send(data, self._patience)
        except TimeoutError:
            raise Broken(f"nothing was taken for {self._patience:.0f} seconds", begun=False) from None
        except OSError as error:
            # What the server said before it hung up may still be there to be read.
            try:
                self._rest += self._channel.ready() or b""
            except TlsFailed:
                raise
            except OSError:
                pass
            if self._at >= len(self._rest):  # the last answer may still lie there, read
                raise Broken(error.strerror or str(error), begun=False) from error
            return False
        return True


async def _parts(body: Body) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        for at in range(0, len(body), _SENT_AT_ONCE):
            yield body[at : at + _SENT_AT_ONCE]
        return
    async for part in body:
        yield part


class Answer:
    """Status and headers, and the body as it comes. `close` it, or leave it by `async with`."""

    def __init__(self, connection: Connection, head: heads.Head, length: int) -> None:
        self.status: int = head.status
        self.headers: Headers = head.headers
        self.length = length
        """Bytes of the body, negative when the server did not say."""
        self.url = ""
        """Where it came from in the end, after redirects."""
        self.done: Callable[[Connection, bool], None] = lambda connection, reusable: connection.close()
        """Called once with the connection, and whether it may serve another request."""
        self.data = b""
        """The body, once it is loaded."""
        self._connection: Connection | None = connection
        self._persistent = head.persistent and length != heads.UNTIL_CLOSE
        self._chunks = self._body(connection)
        self._ended = length == 0

    async def __aenter__(self) -> Answer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connection back; one with a body that was not read to its end is closed."""
        connection, self._connection = self._connection, None
        await self._chunks.aclose()
        if connection is not None:
            self.done(connection, self._ended and self._persistent)

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises Broken when it ends too early, Malformed when its framing is wrong."""
        return self._chunks

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises Malformed when it is longer than `limit` bytes, and as `chunks` does."""
        if self.length > limit:
            raise Malformed(None, f"an answer of {self.length} bytes where at most {limit} are read")
        parts, size = [], 0
        async for chunk in self._chunks:
            size += len(chunk)
            if size > limit:
                raise Malformed(None, f"an answer of more than {limit} bytes")
            parts.append(chunk)
        return b"".join(parts)

    async def load(self, limit: int) -> Answer:
        """Read the whole body into `data`, and give the connection back. Raises as `read` does."""
        async with self:
            self.data = await self.read(limit)
        return self

    async def _body(self, connection: Connection) -> AsyncGenerator[bytes, None]:
        if self.length == heads.CHUNKED:
            while size := _chunk_size(await connection.until(b"\n", _LINE_LIMIT)):
                async for data in _exactly(connection, size):
                    yield data
                if (await connection.until(b"\n", _LINE_LIMIT)).strip(b"\r"):
                    raise Malformed(None, "a chunk that is longer than it said")
            for _ in range(heads.FIELD_LIMIT):
                if not (await connection.until(b"\n", _LINE_LIMIT)).strip(b"\r"):
                    break  # after the trailers
            else:
                raise Malformed(None, "trailers without end")
        elif self.length == heads.UNTIL_CLOSE:
            while data := await connection.receive():
                yield data
        else:
            async for data in _exactly(connection, self.length):
                yield data
        self._ended = True


async def _exactly(connection: Connection, size: int) -> AsyncIterator[bytes]:
    while size > 0:
        data = await connection.receive(size, size)
        if not data:
            raise Broken(f"the connection was closed {size} bytes before the end", begun=True)
        size -= len(data)
        yield data


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not 0 < len(digits) <= 16 or not all(c in b"0123456789abcdefABCDEF" for c in digits):
        raise Malformed(None, f"a chunk of size {digits[:20]!r}")
    return int(digits, 16)


def _head(method: str, target: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    if any(c in line for line in lines for c in "\r\n\0"):
        raise ValueError("a line end within a request head")
    return "\r\n".join(lines).encode("latin-1", "replace")
