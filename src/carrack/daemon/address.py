"""Where the daemon may listen, as typed after -H: `unix:///path`, `tcp://host:port`, `fd://`."""

from __future__ import annotations

from dataclasses import dataclass

from carrack.errors import InvalidArgument

TLS_PORT = 2376
PLAIN_PORT = 2375

_UNIX_LIMIT = 107
"""Bytes of a socket's path (unix(7)), without the closing NUL."""


@dataclass(frozen=True, slots=True)
class Address:
    """`kind` is unix (`name` the path), tcp (`name` is "host:port") or fd (`name` the wanted descriptor or "")."""

    kind: str
    name: str

    @property
    def host_and_port(self) -> tuple[str, int]:
        """The two halves of a TCP address."""
        host, _, port = self.name.rpartition(":")
        return host.strip("[]"), int(port)


def parse_host(text: str, *, tls: bool = True) -> Address:
    """The address that was typed; `tls` decides a missing port. Raises InvalidArgument when it is none."""
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        scheme, rest = ("unix", scheme) if scheme.startswith("/") else ("tcp", scheme)
    if scheme == "unix":
        path = rest or "/run/carrack.sock"
        if not path.startswith("/") or len(path.encode()) > _UNIX_LIMIT or "\0" in path:
            raise InvalidArgument(f"invalid bind address ({text}): want unix:// and a short absolute path")
        return Address("unix", path)
    if scheme == "tcp":
        return Address("tcp", _tcp(text, rest, TLS_PORT if tls else PLAIN_PORT))
    if scheme == "fd":
        if rest.strip("*") and not rest.isdecimal():
            raise InvalidArgument(f"invalid bind address ({text}): want fd:// or fd://NUMBER")
        return Address("fd", rest.strip("*"))
    raise InvalidArgument(f"invalid bind address ({text}): want unix://, tcp:// or fd://")


def parse_metrics(text: str) -> Address:
    """`HOST:PORT`, `[V6]:PORT` or `:PORT`, which is loopback. Raises InvalidArgument."""
    _, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal():
        raise InvalidArgument(f"metrics-addr: {text!r} is no HOST:PORT")
    return Address("tcp", _tcp(text, text, 0))


def _tcp(text: str, rest: str, usual: int) -> str:
    host, colon, port = rest.rpartition(":")
    if not colon or rest.endswith("]"):
        host, port = rest, str(usual)
    if (":" in host) != host.startswith("[") or host.startswith("[") != host.endswith("]"):
        raise InvalidArgument(f"invalid bind address ({text}): an IPv6 address stands in brackets")
    if "/" in host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise InvalidArgument(f"invalid bind address ({text}): want tcp://HOST:PORT")
    return f"{host or '127.0.0.1'}:{int(port)}"
