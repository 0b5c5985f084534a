"""One request of the daemon to a server that is not trusted: a plugin behind a Unix socket or a TCP address.

Each request has a connection of its own, a time limit for all of it, and a limit on what is read; the answer comes
whole. No redirect is followed and no proxy asked. Framing follows RFC 9112.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

MAX_HEAD = 64 * 1024
_MOST_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a server listens: a socket's path, or host and port (with TLS when ``tls`` is given)."""

    path: str = ""
    host: str = ""
    port: int = 0
    tls: ssl.SSLContext | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers by lower-case name, and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Malformed(OSError):
    """What came back is no HTTP answer, or more of it than is read."""


class NotReached(OSError):
    """No connection came about: nothing of the request has been seen by anybody."""


async def request(
    peer: Peer, method: str, target: str, headers: Mapping[str, str], body: bytes, *, limit: int, timeout: float
) -> Answer:
    """Send one request and read its answer, all within ``timeout`` seconds and ``limit`` bytes of body.

    Raises NotReached, Malformed, TimeoutError, or OSError for a connection that broke.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {peer.host or 'plugin'}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append(f"Content-Length: {len(body)}")
    if any(character in line for line in lines for character in "\r\n\0"):
        raise ValueError("a line end within a request head")
    async with asyncio.timeout(timeout):
        reader, writer = await _connect(peer)
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            # Not drained: whoever answers before it has read all is heard, too.
            return await _answer(reader, limit)
        except asyncio.IncompleteReadError as error:
            raise Malformed(None, "the connection ended in the middle of an answer", str(peer)) from error
        except asyncio.LimitOverrunError as error:
            raise Malformed(None, "an answer with a line that is too long", str(peer)) from error
        finally:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _connect(peer: Peer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        if peer.path:
            return await asyncio.open_unix_connection(peer.path, limit=MAX_HEAD)
        return await asyncio.open_connection(peer.host, peer.port, ssl=peer.tls, limit=MAX_HEAD)
    except TimeoutError:
        raise
    except OSError as error:
        raise NotReached(error.errno, error.strerror or str(error), str(peer)) from error


async def _answer(reader: asyncio.StreamReader, limit: int) -> Answer:
    status, headers = await _head(reader)
    while 100 <= status < 200:
        status, headers = await _head(reader)
    if status in (204, 304):
        body = b""
    elif headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader, limit)
    elif "content-length" in headers:
        body = await reader.readexactly(_within(_number(headers["content-length"], 10), limit))
    else:
        body = await _rest(reader, limit)
    return Answer(status, headers, body)


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    first, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not (rest[:3].isascii() and rest[:3].isdigit() and len(rest) >= 3):
        raise Malformed(None, f"not an HTTP answer: {first[:60]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        key = name.strip().lower()
        if not colon or (key in headers and key in ("content-length", "transfer-encoding")):
            raise Malformed(None, f"a malformed header line: {line[:60]!r}")
        headers[key] = value.strip()
    return int(rest[:3]), headers


async def _chunks(reader: asyncio.StreamReader, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while length := _number((await reader.readuntil(b"\r\n")).partition(b";")[0].strip().decode("latin-1"), 16):
        size += length
        _within(size, limit)
        parts.append((await reader.readexactly(length + 2))[:-2])
    return b"".join(parts)


async def _rest(reader: asyncio.StreamReader, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while data := await reader.read(65536):
        size = _within(size + len(data), limit)
        parts.append(data)
    return b"".join(parts)


def _number(text: str, base: int) -> int:
    if not 0 < len(text) <= _MOST_DIGITS or text.strip("0123456789abcdefABCDEF"[: 10 if base == 10 else None]):
        raise Malformed(None, f"a malformed length: {text[:20]!r}")
    return int(text, base)


def _within(size: int, limit: int) -> int:
    if size > limit:
        raise Malformed(None, f"an answer of more than {limit} bytes")
    return size
