"""A request as handlers see it: path, query and body by name and type, with Docker's rules and error texts."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web_exceptions, web_request

from carrack.api.guard import Guard
from carrack.api.json_text import parse_json
from carrack.api.response import Response
from carrack.api.versions import Version
from carrack.errors import Forbidden, InvalidArgument
from carrack.http import websocket
from carrack.http.hijack import MULTIPLEXED, RAW, HijackedStream, hijack
from carrack.http.lent import Lendable, LentBody
from carrack.http.server import Connection
from carrack.http.websocket import WebSocketStream
from carrack.model import times

MAX_JSON = 16 * 1024 * 1024
"""Bytes of a JSON body."""

BODY_TIMEOUT = 300.0
"""Seconds in which such a body must have come."""

_MAX_PARAMETERS = 1000
_FALSE = frozenset(("", "0", "no", "false", "none"))
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_PARAMETER = re.compile(r"\s*(?:[^\s=;]+=[^;]*)?")


class Query:
    """The query parameters."""

    __slots__ = ("_values",)

    def __init__(self, raw: str) -> None:
        bad = _BAD_ESCAPE.search(raw) if "%" in raw else None
        if bad:
            raise InvalidArgument(f'invalid URL escape "{bad[0]}"')
        if ";" in raw:
            raise InvalidArgument("invalid semicolon separator in query")
        self._values: dict[str, list[str]] = {}
        try:
            pairs = parse_qsl(raw, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS) if raw else []
        except ValueError as error:
            raise InvalidArgument(f"malformed query: {error}") from None
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def names(self) -> list[str]:
        """The parameters given."""
        return list(self._values)

    def text(self, name: str, default: str = "") -> str:
        """The parameter's first value, `default` when it is absent."""
        values = self._values.get(name)
        return values[0] if values else default

    def texts(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated."""
        return list(self._values.get(name, ()))

    def flag(self, name: str, default: bool = False) -> bool:
        """Docker's rule: everything is true but "", "0", "no", "false" and "none"; absent gives `default`."""
        values = self._values.get(name)
        return values[0].strip().lower() not in _FALSE if values else default

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A decimal integer; absent or empty gives `default`. Raises InvalidArgument on anything else."""
        value = self.text(name)
        if not value:
            return default
        if not _INTEGER.fullmatch(value) or not -(2**63) <= int(value) < 2**63:
            raise InvalidArgument(f'strconv.Atoi: parsing "{value}": invalid syntax')
        return int(value)

    def moment(self, name: str) -> int | None:
        """A time, as nanoseconds since 1970; None when absent or empty. Raises InvalidArgument in Docker's words."""
        value = self.text(name)
        if not value:
            return None
        try:
            return 0 if value == "0" else times.parse(value)
        except InvalidArgument:
            raise InvalidArgument(f'strconv.ParseInt: parsing "{value}": invalid syntax') from None

    def json(self, name: str) -> Any:
        """A JSON value, None when absent or empty. Raises InvalidArgument when it is not JSON."""
        value = self.text(name)
        return parse_json(value, f"invalid JSON in {name}") if value else None

    def filters(self, name: str = "filters") -> dict[str, list[str]]:
        """Docker's filters, `{"label": ["a=b"]}` or the older `{"label": {"a=b": true}}`; empty when absent.

        Raises InvalidArgument ("invalid filter") on another shape.
        """
        value = self.text(name)
        if not value:
            return {}
        try:
            document = parse_json(value)
        except InvalidArgument:
            raise InvalidArgument("invalid filter") from None
        if document is None:
            return {}
        if not isinstance(document, dict):
            raise InvalidArgument("invalid filter")
        return {key: _filter_values(values) for key, values in document.items()}


def _filter_values(values: Any) -> list[str]:
    if isinstance(values, dict) and all(isinstance(on, bool) for on in values.values()):
        return [word for word, on in values.items() if on]
    if isinstance(values, list) and all(isinstance(word, str) for word in values):
        return list(values)
    if values is None:
        return []
    raise InvalidArgument("invalid filter")


class Request:
    """One request. `path` holds the route's named parts, `version` the API version it was made in."""

    __slots__ = (
        "_body_begun",
        "_query",
        "_raw",
        "_raw_query",
        "base_headers",
        "guard",
        "hijacked",
        "lent",
        "path",
        "upgraded",
        "version",
    )

    def __init__(
        self,
        raw: web_request.BaseRequest,
        path: Mapping[str, str],
        query: str,
        version: Version,
        base_headers: Mapping[str, str],
    ) -> None:
        self._raw = raw
        self._raw_query = query
        self._query: Query | None = None
        self._body_begun = False
        self.path = path
        self.version = version
        self.base_headers = base_headers
        self.guard: Guard | None = None
        self.hijacked: HijackedStream | None = None
        self.lent = False
        self.upgraded: WebSocketStream | None = None

    @property
    def method(self) -> str:
        """GET, POST, …"""
        return self._raw.method

    @property
    def headers(self) -> Mapping[str, str]:
        """The request's header fields; names are matched in any case."""
        return self._raw.headers

    def header_values(self, name: str) -> list[str]:
        """All values of a header field that may come several times."""
        return list(self._raw.headers.getall(name, ()))

    @property
    def query(self) -> Query:
        """The query parameters. Raises InvalidArgument when they are malformed."""
        if self._query is None:
            self._query = Query(self._raw_query)
        return self._query

    @property
    def raw(self) -> web_request.BaseRequest:
        """aiohttp's own request, for what needs it whole (WebSocket)."""
        return self._raw

    @property
    def expected_to_continue(self) -> bool:
        """Whether the client waits for our word before it sends its body, and has not got it."""
        return not self._body_begun and self._raw.headers.get("Expect", "").lower() == "100-continue"

    @property
    def has_body(self) -> bool:
        """Whether the client announced a body."""
        return self._raw.body_exists and self._raw.content_length != 0

    async def admit(self, guard: Guard) -> None:
        """Have authorization plugins judge the request; handlers get what these saw. Raises Forbidden and others."""
        try:
            shown = await self.body() if guard.shows_body else None
        except InvalidArgument as error:
            raise Forbidden(f"authorization needs the whole body: {error}") from None
        await guard.admit(b"" if shown is None and not self.has_body else shown)
        self.guard = guard

    async def stream(self) -> AsyncIterator[bytes]:
        """The body as it comes, without limit. Raises ConnectionError when the client goes away before its end."""
        if self.guard is not None and self.guard.shown is not None:
            yield self.guard.shown
            return
        self._continue()
        async for data in self._raw.content.iter_any():
            yield data

    async def small(self, limit: int) -> tuple[bytes | None, AsyncIterator[bytes]]:
        """The whole body if it has at most ``limit`` bytes; else None, and the body as `stream` gives it."""
        stream, parts, size = self.stream(), list[bytes](), 0
        if (self._raw.content_length or 0) > limit:
            return None, stream
        async for data in stream:
            parts.append(data)
            size += len(data)
            if size > limit:
                return None, _behind(parts, stream)
        return b"".join(parts), stream

    def source(self) -> Lendable:
        """The same for who reads it in a thread, which may then take it from the wire itself."""
        return _Body(self)

    def lend(self) -> LentBody | None:
        """See `http.lent`."""
        if self.guard is not None and self.guard.shown is not None:
            return None
        self._continue()
        connection: Connection = self._raw.protocol.connection  # type: ignore[attr-defined]
        lent = connection.lend(self._raw.content)
        self.lent = lent is not None
        return lent

    async def body(self, limit: int = MAX_JSON) -> bytes:
        """The whole body. Raises InvalidArgument above `limit` bytes, and when it does not come."""
        if self.guard is not None and (shown := self.guard.body(limit)) is not None:
            return shown
        if (self._raw.content_length or 0) > limit:
            raise InvalidArgument(f"request body is too large: the limit is {limit} bytes")
        if not self.has_body:
            return b""
        try:
            async with asyncio.timeout(None if self._raw.content.is_eof() else BODY_TIMEOUT):
                return await self._whole(limit)
        except TimeoutError:
            raise InvalidArgument(f"the request's body took longer than {BODY_TIMEOUT:g} seconds") from None

    async def _whole(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        async for data in self.stream():
            size += len(data)
            if size > limit:
                raise InvalidArgument(f"request body is too large: the limit is {limit} bytes")
            parts.append(data)
        return b"".join(parts)

    async def json(self, *, required: bool = False) -> Any:
        """The JSON body; None when there is none.

        Raises InvalidArgument with dockerd's texts for another content type, bad JSON, nesting above 64, anything
        after the value, and, when `required`, for no body at all.
        """
        content_type = self._raw.headers.get("Content-Type", "")
        if content_type or self.has_body:
            _require_json(content_type)
        body = await self.body()
        if not body.strip(b" \t\r\n"):
            if required or body or (self.has_body and self._raw.content_length is None):
                raise InvalidArgument("invalid JSON: got EOF while reading request body")
            return None
        return parse_json(body)

    async def json_object(self, go: str = "object", *, required: bool = False) -> dict[str, Any]:
        """The JSON body, which must be an object; empty when there is none (or null).

        `go` is the decoder's name of its type, for the refusal of another.
        """
        value = await self.json(required=required)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise InvalidArgument(f"invalid JSON: json: cannot unmarshal {_kind(value)} into Go value of type {go}")
        return value

    async def hijack(self, *, multiplexed: bool = False, upgrade: str = "tcp", named: bool = False) -> HijackedStream:
        """Take the connection over with the answer's head; the handler then returns `response.HIJACKED`.

        A client that sent `Upgrade` gets 101 and, when `multiplexed` and from API 1.42, the content type for frames;
        another gets 200 and the raw type, as dockerd does; with `named` the engine and its version are among the
        headers. Raises ConnectionError when the client has gone.
        """
        if self.has_body and not self._raw.content.at_eof():
            await self.body()
        wanted = self._raw.headers.get("Upgrade")
        framed = multiplexed and bool(wanted) and self.version >= (1, 42)
        kind, headers = MULTIPLEXED if framed else RAW, self.base_headers if named else {}
        if self.guard is not None:
            await self.guard.release(Response(101 if wanted else 200, content_type=kind), headers)
        self.hijacked = hijack(self._raw, upgrade=upgrade if wanted else "", content_type=kind, headers=headers)
        return self.hijacked

    async def websocket(self, *, framed: bool) -> WebSocketStream:
        """Make the connection a WebSocket; the handler then returns `response.HIJACKED`.

        `framed`: what the handler writes is multiplexed; the client gets the payloads. Raises InvalidArgument when the
        client does not ask for a WebSocket.
        """
        if self.guard is not None:
            await self.guard.release(Response(101), {})
        try:
            self.upgraded = await websocket.upgrade(self._raw, framed=framed)
        except web_exceptions.HTTPBadRequest as error:
            raise InvalidArgument(f"a WebSocket handshake is needed: {error.text}") from None
        return self.upgraded

    def _continue(self) -> None:
        """A client that asked first is told to send its body (RFC 9110 section 10.1.1)."""
        if self._body_begun:
            return
        self._body_begun = True
        if self._raw.headers.get("Expect", "").lower() == "100-continue" and self._raw.transport is not None:
            self._raw.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _behind(begun: list[bytes], rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    for each in begun:
        yield each
    async for each in rest:
        yield each


class _Body(Lendable):
    def __init__(self, request: Request) -> None:
        self._request = request

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._request.stream()

    def lend(self) -> LentBody | None:
        return self._request.lend()


def _require_json(content_type: str) -> None:
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if not kind:
        raise InvalidArgument(f"malformed Content-Type header ({content_type}): mime: no media type")
    if not all(_PARAMETER.fullmatch(word) for word in parameters.split(";")):
        raise InvalidArgument(f"malformed Content-Type header ({content_type}): mime: invalid media parameter")
    if kind != "application/json":
        raise InvalidArgument(f"unsupported Content-Type header ({content_type}): must be 'application/json'")


def _kind(value: Any) -> str:
    names = {str: "string", bool: "bool", int: "number", float: "number", list: "array"}
    return names.get(type(value), "null")
