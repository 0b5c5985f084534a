"""Requests to a daemon that may be killed at any moment, and what each answer proves."""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TOO_SOON = 408
PATIENCE = 40.0
"""Seconds after which a request that has no answer counts as hung."""


class Hung(AssertionError):
    """A request that was never answered, or a stream that never ended."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` 0: the connection broke, so that nothing is known of what was asked for."""

    status: int
    data: bytes = b""

    @property
    def known(self) -> bool:
        return self.status != 0

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300 or self.status == 304

    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def message(self) -> str:
        try:
            return str(self.json().get("message", ""))
        except (ValueError, AttributeError):
            return self.data.decode(errors="replace")[-300:]


class Api:
    """One daemon's API; thread-safe, a connection per request."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)

    def __call__(self, method: str, target: str, body: object = None, *, raw: bytes | None = None) -> Answer:
        connection = http.client.HTTPConnection("daemon", timeout=PATIENCE)
        kind = "application/x-tar" if raw is not None else "application/json"
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        try:
            with closing(connection):
                connection.sock = self.connect()
                connection.request(method, target, content, {"Content-Type": kind} if content else {})
                answer = connection.getresponse()
                return Answer(answer.status, answer.read())
        except TimeoutError:
            raise Hung(f"{method} {target} had no answer in {PATIENCE:.0f} s") from None
        except (OSError, http.client.HTTPException):
            return Answer(0)

    def connect(self, timeout: float = PATIENCE) -> socket.socket:
        """A connection for requests of one's own."""
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        try:
            sock.connect(self._path)
        except BaseException:
            sock.close()
            raise
        return sock

    def stream(self, method: str, target: str, body: object = None, *, seconds: float = 0) -> Answer:
        """Open a raw stream and read it to its end, or for so many seconds; the data is what came after the head."""
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: daemon\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        got = b""
        end = time.monotonic() + (seconds or PATIENCE)
        try:
            with closing(self.connect()) as sock:
                sock.sendall(head.encode() + content)
                while time.monotonic() < end:
                    sock.settimeout(max(0.01, end - time.monotonic()))
                    data = sock.recv(65536)
                    got += data
                    if not data or _whole(got):
                        return _parted(got)
        except TimeoutError:
            pass
        except OSError:
            return Answer(0)
        if seconds:
            return _parted(got) if got else Answer(_TOO_SOON)
        raise Hung(f"the stream {method} {target} did not end in {PATIENCE:.0f} s; so far: {got[-200:]!r}")

    def listed(self, target: str) -> Any:
        """What a list request answers; it must succeed."""
        answer = self("GET", target)
        assert answer.status == 200, (target, answer)
        return answer.json()


def _whole(got: bytes) -> bool:
    """Whether an answer of a stated length is complete: a refusal, after which the connection stays open."""
    head, end, rest = got.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and length is not None and len(rest) >= int(length[1])


def _parted(got: bytes) -> Answer:
    head, _, rest = got.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    return Answer(int(words[1]) if len(words) > 1 and words[1][:3].isdigit() else 0, rest)
