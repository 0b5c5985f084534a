"""What a user proves himself with to a registry, as Docker's clients hand it over in headers.

`X-Registry-Auth` is base64url of one JSON object; `X-Registry-Config` of an object of such by server address.
Source: Docker Engine API, "Authentication" and `AuthConfig`. No secret ever gets into a repr, a log or an error.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from carrack.errors import CarrackError, InvalidArgument

HEADER_LIMIT = 64 * 1024
_TELLING = 4
"""Characters from which on a secret can be told from an ordinary word."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Either a user's name and password, an identity token (an OAuth2 refresh token) or a registry token (a bearer
    token ready for use). `server_address` is the registry they are for, "" for the one that is asked."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)
    server_address: str = ""

    def __bool__(self) -> bool:
        return bool(self.password or self.identity_token or self.registry_token)

    def hidden(self, text: str) -> str:
        """The text without these secrets: a registry may say back in an error what it was told."""
        pair = base64.b64encode(f"{self.username}:{self.password}".encode("utf-8", "surrogateescape")).decode()
        for secret in (pair, self.password, self.identity_token, self.registry_token):
            if len(secret) >= _TELLING:
                text = text.replace(secret, "xxxxx")
        return text

    @contextmanager
    def kept(self) -> Iterator[None]:
        """What fails inside does not tell these secrets."""
        try:
            yield
        except CarrackError as error:
            error.args = (self.hidden(str(error)),)
            raise


ANONYMOUS = Credentials()


def decode(header: str) -> Credentials:
    """The credentials of an `X-Registry-Auth` header; "" is ANONYMOUS. InvalidArgument when it is malformed."""
    return _credentials(_object(header, "X-Registry-Auth"), "X-Registry-Auth")


def decode_config(header: str) -> dict[str, Credentials]:
    """The credentials by server address of an `X-Registry-Config` header; InvalidArgument when it is malformed."""
    what = "X-Registry-Config"
    return {address: from_document(value, what) for address, value in _object(header, what).items()}


def from_document(document: object, what: str = "credentials") -> Credentials:
    """The credentials of Docker's `AuthConfig` as JSON; InvalidArgument when it is none."""
    if not isinstance(document, dict):
        raise InvalidArgument(f"invalid {what}: expected an object")
    return _credentials(document, what)


def _credentials(document: Mapping[str, Any], what: str) -> Credentials:
    given = {name: _text(document, name, what) for name in _MEMBERS}
    username, password = given["username"], given["password"]
    if given["auth"] and not (username or password):
        username, password = _pair(given["auth"], what)
    if any(c in username for c in ":\r\n\0"):
        raise InvalidArgument(f"invalid {what}: a user's name has no colon and no line end")
    return Credentials(username, password, given["identitytoken"], given["registrytoken"], given["serveraddress"])


_MEMBERS = ("username", "password", "auth", "identitytoken", "registrytoken", "serveraddress")


def _text(document: Mapping[str, Any], name: str, what: str) -> str:
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidArgument(f"invalid {what}: {name} must be a string")
    return value


def _pair(auth: str, what: str) -> tuple[str, str]:
    """`auth` is base64 of `username:password`."""
    username, colon, password = _base64(auth, what).decode("utf-8", "replace").partition(":")
    if not colon:
        raise InvalidArgument(f"invalid {what}: auth must be base64 of NAME:PASSWORD")
    return username, password.strip("\0")


def _object(header: str, what: str) -> dict[str, Any]:
    if not header.strip():
        return {}
    if len(header) > HEADER_LIMIT:
        raise InvalidArgument(f"invalid {what} header: longer than {HEADER_LIMIT} bytes")
    try:
        document = json.loads(_base64(header.strip(), what))
    except (ValueError, RecursionError):
        raise InvalidArgument(f"invalid {what} header: expected JSON in base64url") from None
    if document is None:
        return {}
    if not isinstance(document, dict):
        raise InvalidArgument(f"invalid {what} header: expected a JSON object")
    return document


def _base64(text: str, what: str) -> bytes:
    """Either alphabet, with or without padding: clients differ."""
    plain = text.rstrip("=").translate(_URL_ALPHABET)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidArgument(f"invalid {what}: not base64") from None


_URL_ALPHABET = str.maketrans("-_", "+/")
