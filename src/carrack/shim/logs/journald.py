"""The journald driver: datagrams of systemd's native journal protocol with the fields that Docker writes.

A value with a newline is written with its length, so that no text of a container can add a field; names are made of
capitals, digits and underscores. Source: systemd's "Native Journal Protocol".
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import socket
import stat
import struct

from carrack.errors import InvalidArgument
from carrack.shim.logs.task import Driver
from carrack.shim.logs.texts import rfc3339

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.shim.logs.lines import Message
    from carrack.shim.logs.task import Task

OPTIONS = ("labels", "labels-regex", "env", "env-regex", "tag")
SOCKET = "/run/systemd/journal/socket"
_UNFIT = re.compile(r"[^A-Z0-9_]")
_INFO, _ERROR = "6", "3"
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


def check(options: Mapping[str, str]) -> None:
    """Refuse unknown options, in Docker's words. Raises InvalidArgument."""
    for name in options:
        if name not in OPTIONS:
            raise InvalidArgument(f"unknown log opt '{name}' for journald log driver")


def field_name(name: str) -> str:
    """A label's or variable's name as a field's: never one of those that only the journal itself may set."""
    return _UNFIT.sub("_", name.upper()).lstrip("_")


def encode(fields: Mapping[str, bytes]) -> bytes:
    """A datagram."""
    parts = []
    for name, value in fields.items():
        if b"\n" in value:
            parts.append(name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n")
        else:
            parts.append(name.encode() + b"=" + value + b"\n")
    return b"".join(parts)


def constant_fields(task: Task) -> dict[str, bytes]:
    """What every message of a container carries."""
    fields = {name: value for key, value in task.attributes.items() if (name := field_name(key))}
    fields |= {
        "CONTAINER_ID": task.id[:12],
        "CONTAINER_ID_FULL": task.id,
        "CONTAINER_NAME": task.name,
        "CONTAINER_TAG": task.tag,
        "IMAGE_NAME": task.image_name,
        "SYSLOG_IDENTIFIER": task.tag,
    }
    return {name: value.encode("utf-8", "replace") for name, value in fields.items()}


class Journald(Driver):
    """Sends to the journal's socket; what is too long for a datagram goes in a sealed memory file."""

    def __init__(self, task: Task, path: str = SOCKET) -> None:
        self._path = path
        self._fields = constant_fields(task)
        self._fields["CONTAINER_LOG_EPOCH"] = os.urandom(32).hex().encode()
        self._ordinal = 0
        self._sock: socket.socket | None = None

    def connect(self) -> None:
        try:
            found = stat.S_ISSOCK(os.stat(self._path).st_mode)
        except OSError:
            found = False
        if not found:
            raise InvalidArgument("journald is not enabled on this host")
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def send(self, message: Message) -> None:
        if self._sock is None:
            self.connect()
        assert self._sock is not None
        self._ordinal += 1
        fields = {
            "MESSAGE": message.line,
            "PRIORITY": (_ERROR if message.stream == 2 else _INFO).encode(),
            "SYSLOG_TIMESTAMP": rfc3339(message.time, 9).encode(),
            "CONTAINER_LOG_ORDINAL": str(self._ordinal).encode(),
            **self._fields,
        }
        if message.part is not None:
            fields["CONTAINER_PARTIAL_ID"] = message.part.id.encode()
            fields["CONTAINER_PARTIAL_ORDINAL"] = str(message.part.ordinal).encode()
            fields["CONTAINER_PARTIAL_LAST"] = b"true" if message.part.last else b"false"
            if not message.part.last:
                fields["CONTAINER_PARTIAL_MESSAGE"] = b"true"
        data = encode(fields)
        try:
            self._sock.sendto(data, self._path)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            self._send_file(self._sock, data)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _send_file(self, sock: socket.socket, data: bytes) -> None:
        memory = os.memfd_create("journal-entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            with open(memory, "wb", closefd=False) as file:
                file.write(data)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", memory))]
            sock.sendmsg([], rights, 0, self._path)
        finally:
            os.close(memory)
