"""What goes wrong between a registry and us, by meaning; each text says which registry, which object and what to do.

Source: OCI distribution specification 1.1, "Error Codes": a refusal's body is `{"errors": [{"code", "message"}]}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from carrack.errors import CarrackError, Forbidden, InvalidArgument, NotFound, Unauthorized, Unavailable

ERROR_LIMIT = 64 * 1024
"""Bytes of a refusal that are read."""
_WORDS_LIMIT = 600


class Interrupted(Unavailable):
    """The connection broke in the middle of a body: what has come is good, and asking from there on may help."""


class Untrue(Unavailable):
    """The registry says what cannot be (a size, a digest, a range): asking again the same way does not help."""


class Unreachable(Unavailable):
    """No connection to the registry came about."""


class Faulty(Unavailable):
    """The registry has a fault of its own. `retry_after` is in seconds, None when it did not say."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class TooManyRequests(Unavailable):
    """The registry wants fewer requests. `retry_after` is in seconds, None when it did not say."""

    def __init__(self, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


def words(body: bytes, status: int) -> str:
    """What the registry said of its refusal: `manifest unknown: no such tag`, or the status alone."""
    said = [f"{_plain(code)}: {message}" if code else message for code, message in _errors(body)]
    text = "; ".join(said) or f"status {status}"
    return "".join(c if c.isprintable() else " " for c in text)[:_WORDS_LIMIT]


def _plain(code: str) -> str:
    """A code as Docker's clients show it: `MANIFEST_UNKNOWN` is `manifest unknown`."""
    return code.lower().replace("_", " ")


def codes(body: bytes) -> set[str]:
    """The error codes of a refusal in upper case: {"MANIFEST_UNKNOWN"}."""
    return {code.upper() for code, _ in _errors(body) if code}


def _errors(body: bytes) -> list[tuple[str, str]]:
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(document, dict):
        return []
    listed = document.get("errors")
    if not isinstance(listed, list):  # the token servers' and some vendors' own form
        message = document.get("details") or document.get("message") or document.get("error_description")
        return [("", message)] if isinstance(message, str) else []
    return [
        (code if isinstance(code := entry.get("code"), str) else "", _message(entry))
        for entry in listed[:4]
        if isinstance(entry, dict)
    ]


def _message(entry: dict[str, Any]) -> str:
    message = entry.get("message")
    return message if isinstance(message, str) else ""


_LOGIN = "log in with `docker login {registry}`, or check that the account may do this"


def refusal(status: int, body: bytes, what: str, registry: str, retry_after: float | None = None) -> CarrackError:
    """The failure that an answer of `status` (400 and up) means; `what` is the action: "pull of alpine:3"."""
    said = f"{what} from {registry}: {words(body, status)}"
    if status == 429:
        after = f"; try again in {retry_after:.0f} seconds" if retry_after is not None else "; try again later"
        return TooManyRequests(f"too many requests: {said}{after}, or log in for a higher limit", retry_after)
    kinds: dict[int, tuple[Callable[[str], CarrackError], str]] = {
        401: (Unauthorized, _LOGIN),
        403: (Forbidden, _LOGIN),
        404: (NotFound, "check the name and the tag"),
    }
    if status in kinds:
        kind, remedy = kinds[status]
        return kind(f"{said}: {remedy.format(registry=registry)}")
    if status >= 500:
        return Faulty(f"{said}: the registry has a fault (status {status}); try again later", retry_after)
    return InvalidArgument(f"{said}: the registry refuses this (status {status})")
