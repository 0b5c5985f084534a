"""The sockets the daemon listens on: unix, TCP (with mutual TLS), and those systemd has opened for it.

They are bound before the services start, so that clients wait in the queue instead of being turned away.
"""

from __future__ import annotations

import errno
import grp
import logging
import os
import socket
import ssl
import stat
from contextlib import ExitStack
from dataclasses import dataclass

from carrack.daemon.address import Address
from carrack.daemon.config import Config, Tls
from carrack.errors import Conflict, InvalidArgument
from carrack.http import certificate

log = logging.getLogger(__name__)

GROUPS = ("carrack", "docker")
"""Groups that may use the unix socket when none is named; the first that exists."""

_BACKLOG = 512
_VANISHED = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 30), (socket.TCP_USER_TIMEOUT, 300_000))
"""How soon a TCP client whose host is gone is noticed (tcp(7)); accepted connections inherit it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A bound, listening socket, and the TLS it is served with."""

    socket: socket.socket
    tls: ssl.SSLContext | None
    name: str
    metrics: bool = False
    """Whether metrics are served here, and not the API."""


def open_endpoints(config: Config, stack: ExitStack) -> list[Endpoint]:
    """All endpoints of the configuration; `stack` closes them and removes what they left on disk.

    Raises InvalidArgument, Conflict (an address in use) or OSError, each naming the address.
    """
    context = tls_context(config.tls) if config.tls else None
    for warning in warnings(config):
        log.warning("%s", warning)
    endpoints: list[Endpoint] = []
    for address in config.addresses:
        if address.kind == "unix":
            endpoints.append(Endpoint(_unix(address.name, config.group, stack), None, f"unix://{address.name}"))
        elif address.kind == "tcp":
            endpoints += [Endpoint(sock, context, f"tcp://{address.name}") for sock in _tcp(address, stack)]
        else:
            endpoints += _activated(address, config, context, stack)
    if config.metrics_address is not None:
        name = f"http://{config.metrics_address.name}/metrics"
        endpoints += [Endpoint(sock, None, name, metrics=True) for sock in _tcp(config.metrics_address, stack)]
    return endpoints


def warnings(config: Config) -> list[str]:
    """What `info` and the log say of addresses at which no certificate is asked for."""
    how = "without encryption" if config.tls is None else "without TLS client verification"
    if config.tls is not None and config.tls.authority is not None:
        return []
    scheme = "http" if config.tls is None else "https"
    return [
        f"WARNING: API is accessible on {scheme}://{address.name} {how}.\n"
        "         Access to the remote API is equivalent to root access on the host."
        for address in config.addresses
        if address.kind == "tcp"
    ]


def names(config: Config) -> list[str]:
    """Names under which TCP clients may speak to this daemon: its host's, those of its addresses and certificate."""
    found = [socket.gethostname(), *config.names, *(a.host_and_port[0] for a in config.addresses if a.kind == "tcp")]
    if config.tls is not None:
        found += certificate.names(config.tls.certificate.read_text(errors="replace"))
    return found


def tls_context(tls: Tls) -> ssl.SSLContext:
    """TLS 1.2 and above. With an authority only clients with a certificate of it, made for clients, get in; the
    system's own authorities count for nothing (CVE-2018-12608). Raises InvalidArgument."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1", "h2"])  # who can speak both gets the one that has the whole API
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(
            f"could not load the TLS certificate {tls.certificate} with key {tls.key}: {error}"
        ) from error
    if tls.authority is None:
        return context
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(tls.authority)
    except (OSError, ssl.SSLError) as error:
        raise InvalidArgument(f"could not load the certificate authority {tls.authority}: {error}") from error
    return context


def socket_group(name: str) -> int:
    """The group id for the unix socket; root's when no name is given and no usual group exists.

    Raises InvalidArgument for a named group that does not exist.
    """
    if name.isascii() and name.isdecimal():
        return int(name)
    for candidate in (name,) if name else GROUPS:
        try:
            return grp.getgrnam(candidate).gr_gid
        except KeyError:
            if name:
                raise InvalidArgument(f"group {name} of the unix socket does not exist; create it first") from None
    return 0


def _unix(path: str, group: str, stack: ExitStack) -> socket.socket:
    gid = socket_group(group)
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    _remove_stale(path)
    sock = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    mask = os.umask(0o177)
    try:
        sock.bind(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
    finally:
        os.umask(mask)
    made = os.lstat(path)
    stack.callback(_remove_own, path, (made.st_dev, made.st_ino))
    os.chown(path, 0, gid)
    os.chmod(path, 0o660)
    sock.listen(_BACKLOG)
    return sock


def _remove_stale(path: str) -> None:
    """Take away a socket that nobody listens on. Raises Conflict when somebody does, or when it is no socket."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Conflict(f"{path} exists and is not a socket; remove it, or listen elsewhere with -H")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            log.debug("removing the stale socket %s", path)
            os.unlink(path)
            return
        except OSError as error:
            raise Conflict(f"{path} is in use ({error.strerror})") from error
    raise Conflict(f"another daemon is listening on {path}; stop it, or listen elsewhere with -H")


def _remove_own(path: str, identity: tuple[int, int]) -> None:
    try:
        found = os.lstat(path)
        if (found.st_dev, found.st_ino) == identity:
            os.unlink(path)
    except FileNotFoundError:
        pass


def _tcp(address: Address, stack: ExitStack) -> list[socket.socket]:
    host, port = address.host_and_port
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise InvalidArgument(f"cannot listen on tcp://{address.name}: {error.strerror}") from error
    sockets = []
    for family, kind, protocol, _, where in dict.fromkeys(found):
        sock = stack.enter_context(socket.socket(family, kind, protocol))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for option, seconds in _VANISHED:
            sock.setsockopt(socket.IPPROTO_TCP, option, seconds)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            sock.bind(where)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Conflict(f"tcp://{address.name} is in use by another program") from error
            raise OSError(error.errno, error.strerror, f"tcp://{address.name}") from error
        sock.listen(_BACKLOG)
        sockets.append(sock)
    return sockets


def _activated(address: Address, config: Config, context: ssl.SSLContext | None, stack: ExitStack) -> list[Endpoint]:
    wanted = [int(address.name)] if address.name else list(config.listen_fds)
    if not wanted or not set(wanted) <= set(config.listen_fds):
        raise InvalidArgument(
            f"fd://{address.name}: no such socket was passed; with fd:// the daemon is started by systemd's socket unit"
        )
    endpoints = []
    for number in wanted:
        sock = _adopt(number, stack)
        verified = config.tls is not None and config.tls.authority is not None
        if sock.family != socket.AF_UNIX and not verified and not config.anyone:
            raise InvalidArgument(f"fd://{number} is a TCP socket; it is served with --tlsverify only")
        endpoints.append(Endpoint(sock, context if sock.family != socket.AF_UNIX else None, f"fd://{number}"))
    return endpoints


def _adopt(number: int, stack: ExitStack) -> socket.socket:
    try:
        os.set_inheritable(number, False)
        sock = stack.enter_context(socket.socket(fileno=number))
    except OSError as error:
        raise InvalidArgument(f"fd://{number}: {error.strerror}") from error
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        raise InvalidArgument(f"fd://{number} is not a listening stream socket")
    return sock
