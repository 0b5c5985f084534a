"""The syslog driver: RFC 3164 and RFC 5424 over udp, tcp, tcp+tls, unix and unixgram sockets, as Docker words them."""

from __future__ import annotations

import os
import socket

from carrack.errors import InvalidArgument
from carrack.shim.logs import address
from carrack.shim.logs.task import Driver
from carrack.shim.logs.texts import boolean, rfc3339, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from carrack.shim.logs.lines import Message
    from carrack.shim.logs.task import Task

OPTIONS = (
    "env", "env-regex", "labels", "labels-regex", "syslog-address", "syslog-facility", "syslog-tls-ca-cert",
    "syslog-tls-cert", "syslog-tls-key", "syslog-tls-skip-verify", "tag", "syslog-format",
)  # fmt: skip
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
    *("",) * 4, *(f"local{number}" for number in range(8)),
)  # fmt: skip
_FORMATS = ("", "rfc3164", "rfc5424", "rfc5424micro")
_PORT = 514
_SECURE = "tcp+tls"
_LOCAL = ("/dev/log", "/var/run/syslog", "/var/run/log")
_INFO, _ERROR = 6, 3


def check(options: Mapping[str, str]) -> None:
    """Refuse what cannot be, in Docker's words. Raises InvalidArgument."""
    for name in options:
        if name not in OPTIONS:
            raise InvalidArgument(f"unknown log opt '{name}' for syslog log driver")
    place(options.get("syslog-address", ""))
    facility(options.get("syslog-facility", ""))
    if options.get("syslog-format", "") not in _FORMATS:
        raise InvalidArgument("Invalid syslog format")
    boolean(options.get("syslog-tls-skip-verify") or "false")


def place(text: str) -> tuple[str, str | tuple[str, int]]:
    """(scheme, where) of an address; an empty one is the local log. Raises InvalidArgument."""
    if not text:
        return "", ""
    scheme, rest = address.split_scheme(text)
    if scheme in ("unix", "unixgram"):
        if not os.path.exists(rest):
            raise InvalidArgument(f"stat {rest}: no such file or directory")
        return scheme, rest
    if scheme not in ("tcp", "udp", _SECURE):
        raise InvalidArgument(f"unsupported scheme: '{scheme}'")
    return scheme, address.host_port(rest.rstrip("/"), _PORT)


def facility(text: str) -> int:
    """The number of a facility's name or number; daemon's without one. Raises InvalidArgument."""
    if text and text in FACILITIES:
        return FACILITIES.index(text)
    if text.isascii() and text.isdecimal() and int(text) <= 23:
        return int(text)
    if text:
        raise InvalidArgument("invalid syslog facility")
    return FACILITIES.index("daemon")


def form(style: str, priority: int, at: int, hostname: str, tag: str, pid: int, line: bytes) -> bytes:
    """One message with its newline; ``at`` in nanoseconds."""
    if style.startswith("rfc5424"):
        moment = rfc3339(at, 6 if style == "rfc5424micro" else 0)
        head = f"<{priority}>1 {moment} {hostname} {tag} {pid} {tag} - "
    else:
        host = f"{hostname} " if style == "rfc3164" else ""
        head = f"<{priority}>{stamp(at)} {host}{tag}[{pid}]: "
    return head.encode("utf-8", "replace") + line + b"\n"


class Syslog(Driver):
    """One connection; a message that fails is tried once more over a new one."""

    def __init__(self, task: Task) -> None:
        options = task.options
        self._task = task
        self._scheme, self._where = place(options.get("syslog-address", ""))
        self._style = options.get("syslog-format", "")
        self._facility = facility(options.get("syslog-facility", ""))
        self._framed = self._scheme == _SECURE and self._style.startswith("rfc5424")
        self._sock: socket.socket | None = None

    def connect(self) -> None:
        if not self._scheme:
            self._sock = _dial_local()
            return
        tls = None
        if self._scheme == _SECURE:
            files = (self._task.options.get(f"syslog-tls-{name}", "") for name in ("ca-cert", "cert", "key"))
            verify = not boolean(self._task.options.get("syslog-tls-skip-verify") or "false")
            tls = address.tls_context(*files, verify=verify)
        network = "tcp" if self._scheme == _SECURE else self._scheme
        self._sock = address.dial(network, self._where, tls)

    def send(self, message: Message) -> None:
        if not message.line:
            return
        severity = _ERROR if message.stream == 2 else _INFO
        priority = self._facility * 8 + severity
        task = self._task
        data = form(self._style, priority, message.time, task.hostname, task.tag, os.getpid(), message.line)
        if self._framed:
            data = b"%d %b" % (len(data), data)
        try:
            self._put(data)
        except OSError:
            self.close()
            self._put(data)

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()
            self._sock = None

    def _put(self, data: bytes) -> None:
        if self._sock is not None and self._sock.type == socket.SOCK_STREAM and address.gone(self._sock):
            self.close()
        if self._sock is None:
            self.connect()
        assert self._sock is not None
        self._sock.sendall(data)


def _dial_local() -> socket.socket:
    for network in ("unixgram", "unix"):
        for path in _LOCAL:
            try:
                return address.dial(network, path)
            except OSError:
                continue
    raise address.DialError("Unix syslog delivery error")
