"""What is asked of the registry and what it answers, as values; and the errors of the distribution specification.

Source: OCI distribution specification 1.1, "Error Codes"; the few codes beyond it are those Docker's registry has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import parse_qsl

from carrack.registry_server.wire import Wire


class Content(Protocol):
    """The body of an answer that is not held in memory. `send` may fail with OSError, which ends the connection."""

    size: int

    def send(self, wire: Wire) -> None:
        """Send exactly `size` bytes."""

    def close(self) -> None:
        """Give back what it holds; called once, whether it was sent or not."""


class Body(Protocol):
    """A request's body, for one pass."""

    length: int | None
    """Bytes announced, None for a body in chunks."""

    def pieces(self) -> Iterator[memoryview]:
        """The bytes as they come, each piece valid until the next but one is asked for. Raises ConnectionError,
        TimeoutError, FramingError."""

    def read(self, limit: int) -> bytes:
        """All of it; Problem SIZE_INVALID above `limit` bytes."""


@dataclass(slots=True)
class Request:
    """One request: the path is decoded, header names are in lower case, a query name has one value (its last)."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Body
    peer: str = ""
    secure: bool = False
    scopes: tuple[str, ...] = ()
    """Every value of the query's `scope`."""


@dataclass(slots=True)
class Answer:
    """A status, headers, and a body in memory or as `content`."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    content: Content | None = None


Handler = Callable[[Request], Answer]

STATUS = {
    "BLOB_UNKNOWN": 404, "BLOB_UPLOAD_INVALID": 400, "BLOB_UPLOAD_UNKNOWN": 404, "DENIED": 403, "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 400, "MANIFEST_INVALID": 400, "MANIFEST_UNKNOWN": 404, "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404, "PAGINATION_NUMBER_INVALID": 400, "RANGE_INVALID": 416, "SIZE_INVALID": 400,
    "TAG_INVALID": 400, "TOOMANYREQUESTS": 429, "UNAUTHORIZED": 401, "UNAVAILABLE": 503, "UNKNOWN": 500,
    "UNSUPPORTED": 405,
}  # fmt: skip


class Problem(Exception):
    """A request that is refused. `code` is one of `STATUS`; `detail` is for people."""

    def __init__(self, code: str, message: str, *, status: int = 0, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or STATUS[code]
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        """As the JSON that clients know."""
        return json_answer({"errors": [{"code": self.code, "message": str(self)}]}, self.status, self.headers)


def json_answer(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON document as an answer."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(status, {"Content-Type": "application/json", **(headers or {})}, body)


def query_of(text: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """A query's names with their last values, and all values of `scope` (which may be repeated)."""
    if not text:
        return {}, ()
    pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    return dict(pairs), tuple(value for name, value in pairs if name == "scope")
