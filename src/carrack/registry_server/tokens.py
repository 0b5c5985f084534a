"""Tokens that the registry gives and takes itself: JSON web tokens under a key that nobody else has.

Source: RFC 7515 and 7519, and the claims of Docker's token authentication specification (`access`).
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LIFE = 300
"""Seconds a token holds. A client asks for one before each piece of work; one that is used up in the middle of it is
replaced by the client."""

REFRESH_LIFE = 90 * 24 * 3600
_LEEWAY = 30
_LONGEST = 64 << 10
_MOST_SCOPES = 64
_HEADER = {"alg": "HS256", "typ": "JWT"}


@dataclass(frozen=True, slots=True)
class Scope:
    """What a token is asked for: `type:name:action,action`."""

    type: str
    name: str
    actions: frozenset[str]


def scopes(texts: Iterable[str]) -> list[Scope]:
    """The scopes of a request, each text having one or more, separated by spaces. Malformed ones are passed over."""
    found = []
    for text in (each for joined in texts for each in joined.split()):
        kind, _, rest = text.partition(":")
        name, colon, actions = rest.rpartition(":")
        if colon and name:
            found.append(Scope(kind.partition("(")[0], name, frozenset(actions.split(","))))
    return found[:_MOST_SCOPES]


class Tokens:
    """Signs and checks with one key."""

    def __init__(self, key: bytes, service: str) -> None:
        self._key = key
        self.service = service

    def access(self, user: str, granted: Iterable[Scope]) -> str:
        """A token for what was granted to the user ("" for nobody known)."""
        access = [{"type": each.type, "name": each.name, "actions": sorted(each.actions)} for each in granted]
        return self._sign({"use": "access", "sub": user, "access": access}, LIFE)

    def refresh(self, user: str, stamp: str) -> str:
        """A token to get others with; `stamp` is what it must be checked against, see `Passwords.stamp`."""
        return self._sign({"use": "refresh", "sub": user, "stamp": stamp}, REFRESH_LIFE)

    def claims(self, token: str, use: str) -> dict[str, Any] | None:
        """What a token says, None when it is not ours, is for another use or has run out."""
        head, _, signature = token.rpartition(".")
        header, dot, body = head.partition(".")
        if not dot or len(token) > _LONGEST:
            return None
        try:
            given = _decode(signature)
            if not hmac.compare_digest(given, hmac.digest(self._key, head.encode(), "sha256")):
                return None
            said, claims = json.loads(_decode(header)), json.loads(_decode(body))
        except ValueError:
            return None
        now = time.time()
        if said != _HEADER or claims["use"] != use or claims["aud"] != self.service:
            return None
        if not claims["nbf"] - _LEEWAY <= now < claims["exp"]:
            return None
        assert isinstance(claims, dict)
        return claims

    def _sign(self, claims: dict[str, Any], life: int) -> str:
        now = int(time.time())
        common = {"iss": self.service, "aud": self.service, "iat": now, "nbf": now, "exp": now + life}
        parts = [_HEADER, {**common, "jti": secrets.token_hex(8), **claims}]
        head = ".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        return f"{head}.{_encode(hmac.digest(self._key, head.encode(), 'sha256'))}"


def key_at(path: Path) -> bytes:
    """The key in a file, which is made when missing, so that tokens outlive a restart."""
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = secrets.token_bytes(32)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(key)
        os.rename(temporary, path)
    if len(key) < 32:
        raise OSError(None, "the key is too short: remove the file, and a new one is made", str(path))
    return key


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """ValueError for what is not base64url as `_encode` writes it."""
    data = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(data) != text:
        raise ValueError("not base64url")
    return data
