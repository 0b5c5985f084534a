"""The gelf driver: Graylog's extended log format over udp (in chunks, compressed) or tcp (ended by a zero byte)."""

from __future__ import annotations

import os
import socket
import time
import zlib

from carrack.errors import InvalidArgument
from carrack.shim.logs import address
from carrack.shim.logs.task import Driver
from carrack.shim.logs.texts import compact, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from carrack.shim.logs.lines import Message
    from carrack.shim.logs.task import Task

COMMON = ("tag", "labels", "labels-regex", "env", "env-regex")
_TYPES = ("gzip", "zlib", "none")
_LEVELS = tuple(map(str, range(-1, 10)))
_CHUNK, _CHUNK_HEAD, _MOST_CHUNKS = 1420, 12, 128
_MAGIC = b"\x1e\x0f"
_INFO, _ERROR = 6, 3


def check(options: Mapping[str, str]) -> None:
    """Refuse what cannot be, in Docker's words. Raises InvalidArgument."""
    protocol, _ = place(options.get("gelf-address", ""))
    for name, value in options.items():
        if name in (*COMMON, "gelf-address"):
            continue
        if name in ("gelf-compression-type", "gelf-compression-level"):
            if protocol != "udp":
                raise InvalidArgument("compression is only supported on UDP")
            if value not in (_TYPES if name == "gelf-compression-type" else _LEVELS):
                raise InvalidArgument(f'unknown value "{value}" for log opt "{name}" for gelf log driver')
        elif name in ("gelf-tcp-max-reconnect", "gelf-tcp-reconnect-delay"):
            if protocol != "tcp":
                raise InvalidArgument(f'"{name}" is only valid for TCP')
            if not (value.isascii() and value.isdecimal() and len(value) < 10):
                raise InvalidArgument(f'"{name}" must be a positive integer')
        else:
            raise InvalidArgument(f'unknown log opt "{name}" for gelf log driver')


def place(text: str) -> tuple[str, tuple[str, int]]:
    """(protocol, (host, port)) of an address. Raises InvalidArgument."""
    if not text:
        raise InvalidArgument("gelf-address is a required parameter")
    scheme, rest = address.split_scheme(text)
    if scheme not in ("udp", "tcp"):
        raise InvalidArgument("gelf: endpoint needs to be TCP or UDP")
    if "/" in rest or not rest.rpartition(":")[2].isdecimal() or ":" not in rest:
        raise InvalidArgument("gelf: please provide gelf-address as proto://host:port")
    return scheme, address.host_port(rest, 0)


def extras(task: Task) -> dict[str, Any]:
    """The fields that every message of a container carries."""
    fields = {
        "_command": task.command,
        "_container_id": task.id,
        "_container_name": task.name,
        "_created": task.created,
        "_image_id": task.image_id,
        "_image_name": task.image_name,
        "_tag": task.tag,
    }
    for key, value in task.attributes.items():
        fields[key if key.startswith("_") else "_" + key] = value
    return dict(sorted(fields.items()))


def document(message: Message, hostname: str, fields: Mapping[str, Any]) -> bytes:
    """The JSON of one message; its time in seconds, to the millisecond."""
    head = {
        "version": "1.1",
        "host": hostname,
        "short_message": text_of(message.line),
        "timestamp": message.time // 10**6 / 1000,
        "level": _ERROR if message.stream == 2 else _INFO,
    }
    return compact({**head, **fields}).encode("utf-8", "replace")


def chunks(data: bytes, identity: bytes) -> list[bytes]:
    """Datagrams of a message; raises ValueError when it needs more than the format allows."""
    if len(data) <= _CHUNK:
        return [data]
    size = _CHUNK - _CHUNK_HEAD
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    if len(parts) > _MOST_CHUNKS:
        raise ValueError(f"a message of {len(data)} bytes does not fit {_MOST_CHUNKS} chunks")
    return [_MAGIC + identity + bytes((number, len(parts))) + part for number, part in enumerate(parts)]


class Gelf(Driver):
    """One connection to a server; over tcp it is made anew so many times before a message is given up."""

    def __init__(self, task: Task) -> None:
        options = task.options
        self._task = task
        self._fields = extras(task)
        self._protocol, self._where = place(options.get("gelf-address", ""))
        self._type = options.get("gelf-compression-type", "gzip")
        self._level = int(options.get("gelf-compression-level", "1"))
        self._tries = int(options.get("gelf-tcp-max-reconnect", "3"))
        self._delay = int(options.get("gelf-tcp-reconnect-delay", "1"))
        self._sock: socket.socket | None = None

    def connect(self) -> None:
        try:
            self._sock = address.dial(self._protocol, self._where)
        except OSError as error:
            where = f"{self._where[0]}:{self._where[1]}"
            raise address.DialError(f"gelf: cannot connect to GELF endpoint: {where} {error}") from None

    def send(self, message: Message) -> None:
        if not message.line:
            return
        data = document(message, self._task.hostname, self._fields)
        if self._protocol == "tcp":
            self._stream(data + b"\0")
            return
        if self._sock is None:
            self.connect()
        assert self._sock is not None
        try:
            parts = chunks(self._pressed(data), os.urandom(8))
        except ValueError as error:
            raise OSError(str(error)) from error
        for part in parts:
            self._sock.sendall(part)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _pressed(self, data: bytes) -> bytes:
        if self._type == "none":
            return data
        coder = zlib.compressobj(self._level, wbits=31 if self._type == "gzip" else 15)
        return coder.compress(data) + coder.flush()

    def _stream(self, data: bytes) -> None:
        for left in range(self._tries, -1, -1):
            try:
                if self._sock is not None and address.gone(self._sock):
                    self.close()
                if self._sock is None:
                    self.connect()
                assert self._sock is not None
                self._sock.sendall(data)
                return
            except OSError:
                self.close()
                if not left:
                    raise
                time.sleep(self._delay)
