"""The fluentd driver: Fluentd's forward protocol over tcp, tls or a unix socket.

Each message is ``[tag, time, record, options]``. With ``fluentd-async`` the container never waits for the server, and
what is more than ``fluentd-buffer-limit`` messages is dropped; without, it waits as long as the retries last.
"""

from __future__ import annotations

import base64
import os
import time

from carrack.errors import InvalidArgument
from carrack.model.units import NANOSECONDS, parse_bytes, parse_duration
from carrack.shim.logs import address, msgpack
from carrack.shim.logs.task import Driver
from carrack.shim.logs.texts import boolean, integer

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from typing import Any

    from carrack.shim.logs.lines import Message
    from carrack.shim.logs.task import Task

_BOOLEANS = ("fluentd-async", "fluentd-request-ack", "fluentd-sub-second-precision")
_TIMEOUTS = ("fluentd-read-timeout", "fluentd-write-timeout")
OPTIONS = (
    "env", "env-regex", "labels", "labels-regex", "tag", "fluentd-address", "fluentd-async-reconnect-interval",
    "fluentd-buffer-limit", "fluentd-max-retries", "fluentd-retry-wait", *_BOOLEANS, *_TIMEOUTS,
)  # fmt: skip
_PORT = 24224
_BUFFER_LIMIT = 1 << 20
_MAX_RETRIES = (1 << 31) - 1
_LONGEST_WAIT = 60.0
_MOST_ANSWER = 1 << 16
#: as in the other programs that speak this protocol: each wait is half as long again as the one before
_GROWTH = 1.5


class Refused(InvalidArgument):
    """An address that is none."""


def check(options: Mapping[str, str]) -> None:
    """Refuse what cannot be, in Docker's words. Raises InvalidArgument."""
    for name in options:
        if name not in OPTIONS:
            raise InvalidArgument(f"unknown log opt '{name}' for fluentd log driver")
    Settings(options)


def place(text: str) -> tuple[str, str | tuple[str, int]]:
    """(network, where) of an address. Raises InvalidArgument."""
    if not text:
        return "tcp", ("127.0.0.1", _PORT)
    scheme, rest = address.split_scheme(text)
    told = f"invalid fluentd-address ({text})"
    if scheme == "unix":
        if not rest.strip("/"):
            raise Refused(f"{told}: path is empty")
        return scheme, rest
    if scheme not in ("", "tcp", "tls"):
        raise Refused(f"{told}: unsupported scheme: '{scheme}'")
    host, slash, path = rest.partition("/")
    if slash and path:
        raise Refused(f"{told}: should not contain a path element")
    try:
        return scheme or "tcp", address.host_port(host, _PORT)
    except InvalidArgument as error:
        raise Refused(f"{told}: {error}") from error


class Settings:
    """The options' values; times in seconds. Raises InvalidArgument in Docker's words."""

    def __init__(self, options: Mapping[str, str]) -> None:
        self.network, self.where = place(options.get("fluentd-address", ""))
        self.asynchronous, self.acknowledged, self.fine = (boolean(options.get(name) or "false") for name in _BOOLEANS)
        self.reconnect = _interval(options.get("fluentd-async-reconnect-interval", ""))
        limit = options.get("fluentd-buffer-limit", "")
        self.buffer_limit = parse_bytes(limit) if limit else _BUFFER_LIMIT
        retries = options.get("fluentd-max-retries", "")
        self.retries = integer(retries, "ParseUint") if retries else _MAX_RETRIES
        self.wait = parse_duration(options.get("fluentd-retry-wait") or "1s") / NANOSECONDS
        self.read_timeout, self.write_timeout = (_timeout(name, options.get(name, "")) for name in _TIMEOUTS)


def _interval(text: str) -> float:
    if not text:
        return 0.0
    told = "invalid value for fluentd-async-reconnect-interval"
    try:
        interval = parse_duration(text)
    except InvalidArgument as error:
        raise InvalidArgument(f"{told}: {error}") from error
    if interval and not NANOSECONDS // 10 <= interval <= 10 * NANOSECONDS:
        raise InvalidArgument(f'{told}: value ("{text}") must be between 100ms and 10s')
    return interval / NANOSECONDS


def _timeout(name: str, text: str) -> float | None:
    if not text:
        return None
    told = f"invalid value for {name}: value must be a duration"
    try:
        seconds = parse_duration(text) / NANOSECONDS
    except InvalidArgument as error:
        raise InvalidArgument(f"{told}: {error}") from error
    if seconds < 0:
        raise InvalidArgument(f"{told} that is non-negative")
    return seconds or None


def record(message: Message, task: Task) -> dict[str, Any]:
    """What is told of one message."""
    fields: dict[str, Any] = {
        "container_id": task.id,
        "container_name": "/" + task.name,
        "source": message.source,
        "log": message.line,
        **task.attributes,
    }
    if message.part is not None:
        fields["partial_message"] = "true"
        fields["partial_id"] = message.part.id
        fields["partial_ordinal"] = str(message.part.ordinal)
        fields["partial_last"] = "true" if message.part.last else "false"
    return fields


class Fluentd(Driver):
    """One connection, made anew when it fails."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._settings = Settings(task.options)
        self._sock: socket.socket | None = None
        self._since = 0.0

    def connect(self) -> None:
        """With ``fluentd-async`` the server may come later."""
        if not self._settings.asynchronous:
            self._dial()

    def send(self, message: Message) -> None:
        settings, seconds = self._settings, message.time // NANOSECONDS
        when = (seconds, message.time % NANOSECONDS) if settings.fine else seconds
        chunk = base64.b64encode(os.urandom(16)).decode() if settings.acknowledged else ""
        options = {"chunk": chunk} if chunk else {}
        data = msgpack.pack([self._task.tag, when, record(message, self._task), options])
        wait = settings.wait
        for left in range(settings.retries, -1, -1):
            try:
                self._put(data, chunk)
                return
            except (OSError, ValueError) as error:
                self.close()
                if not left:
                    raise OSError(f"fluentd: {error}") from error
                time.sleep(wait)
                wait = min(wait * _GROWTH, _LONGEST_WAIT)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _dial(self) -> None:
        settings, tls = self._settings, None
        network = "unix" if settings.network == "unix" else "tcp"
        if settings.network == "tls":
            tls = address.tls_context("", "", "", verify=True)
        self._sock = address.dial(network, settings.where, tls)
        self._since = time.monotonic()

    def _put(self, data: bytes, chunk: str) -> None:
        settings = self._settings
        stale = settings.reconnect and settings.asynchronous and time.monotonic() - self._since > settings.reconnect
        if self._sock is not None and (stale or address.gone(self._sock)):
            self.close()
        if self._sock is None:
            self._dial()
        assert self._sock is not None
        self._sock.settimeout(settings.write_timeout)
        self._sock.sendall(data)
        if chunk:
            self._sock.settimeout(settings.read_timeout)
            self._await(self._sock, chunk)

    def _await(self, sock: socket.socket, chunk: str) -> None:
        data = b""
        while (found := msgpack.unpack(data)) is None:
            more = sock.recv(4096)
            if not more or len(data) > _MOST_ANSWER:
                raise OSError("the server did not acknowledge a message")
            data += more
        if not isinstance(found[0], dict) or found[0].get("ack") != chunk:
            raise OSError("the server acknowledged another message")
