"""Users and their passwords out of a htpasswd file, as `htpasswd -B` writes it: one `user:hash` a line.

Hashes are bcrypt's, or another slow kind that crypt(3) knows. A hash takes a twentieth of a second on purpose, so a
password that was right is remembered for a while, by a keyed digest; and only a few are tried at a time, so that who
guesses does not take the processors from the others.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import string
import threading
import time
from collections.abc import Callable
from pathlib import Path

from carrack.errors import InvalidArgument
from carrack.linux import crypt

Hasher = Callable[[bytes, bytes], bytes]

_KINDS = ("$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$7$", "$gy$")
_REMEMBERED = 300.0
_MOST_REMEMBERED = 10_000
_AT_ONCE = 2
_LONGEST = 512
_ALPHABET = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits
COST = 10


class Passwords:
    """The users of a file, which is read again when it has changed. Raises InvalidArgument naming a line that is none,
    OSError for a file that cannot be read."""

    def __init__(self, path: Path, hasher: Hasher | None = None) -> None:
        self._path = path
        self._hasher = hasher or crypt.load()
        self._key = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._lock = threading.Lock()
        self._turns = threading.BoundedSemaphore(_AT_ONCE)
        self._stamp: tuple[int, int] | None = None
        self._users: dict[str, bytes] = {}
        self._current()

    def right(self, user: str, password: str) -> bool:
        """Whether it is the user's password. An unknown user costs the same time."""
        if len(password) > _LONGEST:
            return False
        users = self._current()
        known = users.get(user)
        kept = known or next(iter(users.values()), b"")
        if not kept:
            return False
        secret = password.encode("utf-8", "surrogateescape")
        token = hmac.digest(self._key, b"\0".join((user.encode("utf-8", "surrogateescape"), kept, secret)), "sha256")
        with self._lock:
            if self._right.get(token, 0.0) > time.monotonic():
                return True
        with self._turns:
            try:
                found = self._hasher(secret, kept)
            except ValueError:
                return False
        if not hmac.compare_digest(found, kept) or known is None:
            return False
        with self._lock:
            if len(self._right) >= _MOST_REMEMBERED:
                self._right.clear()
            self._right[token] = time.monotonic() + _REMEMBERED
        return True

    def stamp(self, user: str) -> str | None:
        """Changes when the user's password does; None for an unknown user."""
        kept = self._current().get(user)
        return hashlib.sha256(kept).hexdigest()[:16] if kept else None

    def _current(self) -> dict[str, bytes]:
        status = os.stat(self._path)
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            self._users = parse(self._path.read_text(), str(self._path))
            self._stamp = stamp
        return self._users


def parse(text: str, what: str) -> dict[str, bytes]:
    """Users and hashes; InvalidArgument names the line."""
    users: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        user, colon, kept = line.partition(":")
        if not user or not colon:
            raise InvalidArgument(f"{what}, line {number}: not of the form USER:HASH")
        if not kept.startswith(_KINDS) or not kept.isascii():
            raise InvalidArgument(
                f"{what}, line {number}: the hash of {user} is not bcrypt's; make it with"
                " 'carrack registry password' or 'htpasswd -B'"
            )
        users[user] = kept.encode()
    return users


def line(user: str, password: str, hasher: Hasher | None = None) -> str:
    """A line for the file, with a new salt. InvalidArgument for a name or password that cannot be there."""
    if not user or ":" in user or not user.isprintable():
        raise InvalidArgument(f"{user!r} is no user name: it must be there, without colons")
    secret = password.encode()
    if not secret or b"\0" in secret or len(secret) > 72:
        raise InvalidArgument("a password is of 1 to 72 bytes, none of them NUL (bcrypt uses no more)")
    salt = "".join(secrets.choice(_ALPHABET) for _ in range(21)) + secrets.choice(".Oeu")
    return f"{user}:{(hasher or crypt.load())(secret, f'$2y${COST:02}${salt}'.encode()).decode()}"
