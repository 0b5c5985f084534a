"""The splunk driver: batches of events posted to Splunk's HTTP Event Collector."""

from __future__ import annotations

import json
import os
import time
import uuid
import zlib

from carrack.errors import InvalidArgument
from carrack.shim.logs import address
from carrack.shim.logs.task import Driver, Lost
from carrack.shim.logs.texts import boolean, compact, integer, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPConnection
    from typing import Any

    from carrack.shim.logs.lines import Message
    from carrack.shim.logs.task import Task

_BOOLEANS = (
    "splunk-insecureskipverify", "splunk-gzip", "splunk-verify-connection", "splunk-index-acknowledgment",
)  # fmt: skip
OPTIONS = (
    "splunk-url", "splunk-token", "splunk-source", "splunk-sourcetype", "splunk-index", "splunk-capath",
    "splunk-caname", "splunk-format", "splunk-gzip-level", *_BOOLEANS, "env", "env-regex", "labels", "labels-regex",
    "tag",
)  # fmt: skip
_FORMATS = ("inline", "json", "raw")
_PATH = "/services/collector/event/1.0"
_BATCH, _MOST_HELD = 1000, 10_000
_ANSWER_SECONDS = 30.0
_LINGER = 5.0


def check(options: Mapping[str, str]) -> None:
    """Refuse unknown options, in Docker's words. Raises InvalidArgument."""
    for name in options:
        if name not in OPTIONS:
            raise InvalidArgument(f"unknown log opt '{name}' for splunk log driver")


class Settings:
    """The options' values. Raises InvalidArgument in Docker's words, when the container starts, as with Docker."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.secure, self.host, self.port = _url(options.get("splunk-url", ""))
        self.token = options.get("splunk-token", "")
        if not self.token:
            raise InvalidArgument("splunk: splunk-token is expected")
        defaults = {"splunk-verify-connection": "true"}
        values = (boolean(options.get(name) or defaults.get(name, "false")) for name in _BOOLEANS)
        self.unverified, self.gzip, self.verify_connection, self.acknowledged = values
        self.level = integer(options.get("splunk-gzip-level") or "-1", "ParseInt")
        if not -1 <= self.level <= 9:
            told = f"not supported level '{self.level}' for splunk-gzip-level"
            raise InvalidArgument(f"{told} (supported values between -1 and 9)")
        self.format = options.get("splunk-format") or "inline"
        if self.format not in _FORMATS:
            raise InvalidArgument(f"Unknown format specified {self.format}, supported formats are inline, json and raw")
        self.authority, self.name = options.get("splunk-capath", ""), options.get("splunk-caname", "")
        known = (("source", "splunk-source"), ("sourcetype", "splunk-sourcetype"), ("index", "splunk-index"))
        self.fields = {key: options[name] for key, name in known if options.get(name)}


def _url(text: str) -> tuple[bool, str, int]:
    if not text:
        raise InvalidArgument("splunk: splunk-url is expected")
    scheme, rest = address.split_scheme(text)
    rest = rest.removesuffix("/")
    if scheme not in ("http", "https") or not rest or any(mark in rest for mark in "/?#"):
        raise InvalidArgument("splunk: expected format scheme://dns_name_or_ip:port for splunk-url")
    return scheme == "https", *address.host_port(rest, 443 if scheme == "https" else 80)


def event(message: Message, task: Task, settings: Settings) -> bytes | None:
    """The JSON of one message; None for one that the format leaves out, as the server refuses empty events."""
    line: Any = text_of(message.line)
    if settings.format == "raw":
        if not line.strip():
            return None
        words = [task.tag, *(f"{key}={value}" for key, value in sorted(task.attributes.items()))]
        content: Any = " ".join([word for word in words if word] + [line])
    else:
        if settings.format == "json":
            if not line.strip():
                return None
            line = _parsed(line)
        content = {"line": line, "source": message.source}
        if task.tag:
            content["tag"] = task.tag
        if task.attributes:
            content["attrs"] = dict(sorted(task.attributes.items()))
    seconds, nanoseconds = divmod(message.time, 10**9)
    moment = f"{seconds}.{nanoseconds // 1000:06}"
    head = {"event": content, "time": moment, "host": task.hostname, **settings.fields}
    return compact(head).encode("utf-8", "replace")


def _parsed(line: str) -> Any:
    """The document that a line is, or the line."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line


class Splunk(Driver):
    """Posts when there is a thousand, or nothing more has come for a while."""

    linger = _LINGER

    def __init__(self, task: Task) -> None:
        self._task = task
        self._settings = Settings(task.options)
        self._held: list[bytes] = []
        self._since = 0.0
        self._channel = str(uuid.UUID(bytes=os.urandom(16), version=4))
        self._connection: HTTPConnection | None = None

    def connect(self) -> None:
        if self._settings.authority:
            try:
                os.close(os.open(self._settings.authority, os.O_RDONLY | os.O_CLOEXEC))
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise address.DialError(f"open {self._settings.authority}: {reason}") from None
        if self._settings.verify_connection:
            self._ask("OPTIONS")

    def send(self, message: Message) -> None:
        data = event(message, self._task, self._settings)
        if data is None:
            return
        if not self._held:
            self._since = time.monotonic()
        self._held.append(data)
        self.held = len(self._held)
        if len(self._held) % _BATCH == 0 or time.monotonic() - self._since > _LINGER:
            self._post_all()

    def flush(self) -> None:
        self._post_all()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post_all(self) -> None:
        """Keep what the server does not take, up to a limit; what is older than that is lost."""
        self._since = time.monotonic()
        while self._held:
            try:
                self._ask("POST", b"".join(self._held[:_BATCH]))
            except OSError as error:
                lost = _BATCH if len(self._held) >= _MOST_HELD else 0
                del self._held[:lost]
                self.held = len(self._held)
                raise Lost(str(error), lost) from error
            del self._held[:_BATCH]
            self.held = len(self._held)

    def _ask(self, method: str, body: bytes | None = None) -> None:
        import http.client

        settings = self._settings
        headers = {}
        if body is not None:
            headers["Authorization"] = f"Splunk {settings.token}"
            if settings.gzip:
                coder = zlib.compressobj(settings.level, wbits=31)
                body = coder.compress(body) + coder.flush()
                headers["Content-Encoding"] = "gzip"
            if settings.acknowledged:
                headers["X-Splunk-Request-Channel"] = self._channel
        try:
            status, text = self._exchange(method, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            scheme = "https" if settings.secure else "http"
            where = f"{scheme}://{settings.host}:{settings.port}{_PATH}"
            raise address.DialError(f'{method.capitalize()} "{where}": {error}') from None
        if status != 200:
            self.close()
            raise address.DialError(f"splunk: failed to {method} event - {status} - {text_of(text)}")

    def _exchange(self, method: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """(status, the beginning of the answer), over the same connection as before unless the server closed it."""
        if self._connection is not None and (self._connection.sock is None or address.gone(self._connection.sock)):
            self.close()
        if self._connection is None:
            self._connection = self._dial()
        self._connection.request(method, _PATH, body, headers)
        answer = self._connection.getresponse()
        text = answer.read(4096)
        answer.read()
        return answer.status, text

    def _dial(self) -> HTTPConnection:
        import http.client

        settings, tls = self._settings, None
        connection = http.client.HTTPConnection(settings.host, settings.port, timeout=_ANSWER_SECONDS)
        if settings.secure:
            tls = address.tls_context(settings.authority, "", "", verify=not settings.unverified)
        name = settings.name or settings.host
        connection.sock = address.dial("tcp", (settings.host, settings.port), tls, name)
        connection.sock.settimeout(_ANSWER_SECONDS)
        return connection
