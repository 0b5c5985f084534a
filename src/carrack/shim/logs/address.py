"""Connections to log servers, with errors in the words of Go's dialer, which Docker's users search for."""

from __future__ import annotations

import socket

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ssl import SSLContext

CONNECT_SECONDS = 10.0


class DialError(OSError):
    """A server that cannot be reached; the text is complete."""


def split_scheme(address: str) -> tuple[str, str]:
    """(scheme, rest) of ``scheme://rest``; an empty scheme when there is none."""
    scheme, separator, rest = address.partition("://")
    return (scheme, rest) if separator else ("", address)


def host_port(text: str, port: int) -> tuple[str, int]:
    """(host, port) of ``host``, ``host:port``, ``[v6]`` or ``[v6]:port``. Raises InvalidArgument."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        given = rest.removeprefix(":")
        good = bool(bracket) and (not rest or rest.startswith(":"))
    elif text.count(":") > 1:
        raise InvalidArgument(f"address {text}: too many colons in address")
    else:
        host, _, given = text.partition(":")
        good = True
    if not good or (given and not (given.isascii() and given.isdecimal() and int(given) < 65536)):
        raise InvalidArgument(f"address {text}: invalid port")
    return host or "localhost", int(given) if given else port


def dial(network: str, place: str | tuple[str, int], tls: SSLContext | None = None, name: str = "") -> socket.socket:
    """A connected socket: ``tcp`` or ``udp`` to (host, port), ``unix`` or ``unixgram`` to a path. Raises DialError.

    ``name`` is whom the certificate must be of, if not the host.
    """
    if isinstance(place, str):
        return _dial_path(network, place)
    host, port = place
    kind = socket.SOCK_DGRAM if network == "udp" else socket.SOCK_STREAM
    try:
        found = socket.getaddrinfo(host, port, type=kind)
    except OSError as error:
        raise DialError(f"dial {network}: lookup {host}: no such host ({error.args[-1]})") from None
    failure: DialError | None = None
    for family, type_, protocol, _, where in found:
        sock = socket.socket(family, type_, protocol)
        sock.settimeout(CONNECT_SECONDS)
        try:
            sock.connect(where)
        except OSError as error:
            sock.close()
            told = f"[{where[0]}]:{port}" if family == socket.AF_INET6 else f"{where[0]}:{port}"
            failure = failure or DialError(f"dial {network} {told}: {_reason(error)}")
        else:
            return _secured(sock, name or host, tls) if tls is not None else sock
    raise failure or DialError(f"dial {network}: lookup {host}: no such host")


def gone(sock: socket.socket) -> bool:
    """Whether the other end has closed a connection: a sending would seem to succeed, and be lost.

    TLS cannot peek: a byte that such a server sends unasked is swallowed.
    """
    timeout = sock.gettimeout()
    try:
        sock.setblocking(False)
        return not (sock.recv(1) if hasattr(sock, "cipher") else sock.recv(1, socket.MSG_PEEK))
    except (BlockingIOError, InterruptedError):
        return False
    except OSError as error:  # SSLWantReadError says that nothing is there
        return type(error).__name__ not in ("SSLWantReadError", "SSLWantWriteError")
    finally:
        if sock.fileno() >= 0:
            sock.settimeout(timeout)


def tls_context(authority: str, certificate: str, key: str, *, verify: bool) -> SSLContext:
    """Of a client, from files in PEM; none of them means the system's authorities. Raises DialError."""
    import ssl

    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if authority:
            context.load_verify_locations(authority)
    except OSError as error:
        raise DialError(f'could not read CA certificate "{authority}": {_opening(authority, error)}') from None
    if certificate or key:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            raise DialError(f"Could not load X509 key pair: {_opening(certificate or key, error)}") from None
    return context


def _secured(sock: socket.socket, host: str, tls: SSLContext) -> socket.socket:
    try:
        return tls.wrap_socket(sock, server_hostname=host)
    except OSError as error:
        sock.close()
        raise DialError(f"tls: failed to verify certificate: {error}") from None


def _dial_path(network: str, path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM if network == "unixgram" else socket.SOCK_STREAM)
    sock.settimeout(CONNECT_SECONDS)
    try:
        sock.connect(path)
    except OSError as error:
        sock.close()
        raise DialError(f"dial {network} {path}: {_reason(error)}") from None
    return sock


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    return f"connect: {(error.strerror or str(error)).lower()}"


def _opening(path: str, error: OSError) -> str:
    return f"open {path}: {(error.strerror or str(error)).lower()}" if error.errno else str(error)
