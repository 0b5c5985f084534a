"""What a handler returns: a whole answer, a stream, or the word that the connection is no longer HTTP's."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from carrack import __version__
from carrack.api import versions

if TYPE_CHECKING:
    from carrack.api.stream import StreamWriter

JSON = "application/json"

HEADERS = {
    "Api-Version": versions.text(versions.CURRENT),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"Carrack/{__version__} (linux)",
}
"""Of every answer."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Response:
    """A whole answer. `body` is sent as it is."""

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self, status: int = 200, body: bytes = b"", content_type: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers or {}


class StreamResponse(Response):
    """An answer written while `produce` runs; it is cancelled when the client goes away.

    The status and headers go out with the first write (or `StreamWriter.start`), so a failure before it still
    becomes an ordinary error answer.
    """

    __slots__ = ("produce",)

    def __init__(
        self,
        produce: Callable[[StreamWriter], Awaitable[None]],
        *,
        status: int = 200,
        content_type: str = JSON,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, b"", content_type, headers)
        self.produce = produce


HIJACKED = Response(101)
"""Returned by a handler whose request was hijacked: nothing is left to answer."""


def encode_json(value: Any) -> bytes:
    """`value` as one JSON line, with the line end that Docker's encoder writes."""
    if isinstance(value, dict) and len(value) == 1 and isinstance(text := value.get("stream"), str):
        # What builds tell is hundreds of these, and the encoder takes longer to be made ready than to encode one.
        return f'{{"stream":{encode_basestring(text)}}}\n'.encode("utf-8", "replace")
    return (_encode(value) + "\n").encode("utf-8", "replace")


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as a JSON document."""
    return Response(status, encode_json(value), JSON, headers)


def encoded_json(body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON document that is already encoded (records kept in their answer's form)."""
    return Response(status, body, JSON, headers)


def empty(status: int = 204, *, headers: Mapping[str, str] | None = None) -> Response:
    """No content."""
    return Response(status, headers=headers)


def text(value: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Plain text."""
    return Response(status, value.encode(), "text/plain; charset=utf-8", headers)


def fields_of(answer: Response, base: Mapping[str, str]) -> dict[str, str]:
    """The header fields of an answer that has these ``base`` ones."""
    kind = {"Content-Type": answer.content_type} if answer.content_type else {}
    return {**base, **answer.headers, **kind}


def stream(
    produce: Callable[[StreamWriter], Awaitable[None]],
    *,
    status: int = 200,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> StreamResponse:
    """An answer written piece by piece; see `StreamResponse`."""
    return StreamResponse(produce, status=status, content_type=content_type, headers=headers)
