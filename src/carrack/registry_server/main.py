"""The program behind ``carrack registry``: `serve`, and `password`, which makes a line for a htpasswd file."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from carrack.errors import CarrackError, InvalidArgument, words
from carrack.registry_server.config import LISTEN, ROOT, Proxy, Settings, parse
from carrack.registry_server.passwords import line
from carrack.registry_server.registry import Registry

log = logging.getLogger("carrack.registry")

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
_LOOPBACK = ("127.", "localhost", "[::1]", "unix:")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; the exit code is 0 after a clean stop, 1 after a failure, 2 for a bad command line."""
    parsed = _parser().parse_args(arguments)
    try:
        if parsed.verb == "password":
            return _password(parsed.user)
        return serve(_settings(parsed))
    except (CarrackError, OSError) as error:
        print(f"carrack registry {parsed.verb}: {words(error)}", file=sys.stderr)
        return 1


def serve(settings: Settings, stop: threading.Event | None = None) -> int:
    """Serve until SIGTERM or SIGINT, while SIGHUP reads the certificate again and SIGUSR1 collects; or, for a caller
    that has a `stop`, until that is set."""
    logging.basicConfig(format="%(levelname)s %(message)s", level=settings.log_level.upper())
    os.umask(0o077)
    with ExitStack() as stack:
        if stop is None:  # before there are threads, which have it from here
            before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        context = tls_context(settings)
        sockets = [stack.enter_context(bind(address)) for address in settings.listen]
        registry = stack.enter_context(Registry(settings))
        for address, sock in zip(settings.listen, sockets, strict=True):
            for text in () if address.startswith(_LOOPBACK) else warnings(settings):
                log.warning("%s: %s", address, text)
            registry.listen(sock, context)
            log.info("the registry of %s listens on %s", settings.root, _name(sock, context))
        _obey(settings, registry, context) if stop is None else stop.wait()
        log.info("the registry stops")
    return 0


def warnings(settings: Settings) -> list[str]:
    """What others on the network may make use of at an address that they reach."""
    found = []
    if settings.htpasswd and not settings.certificate:
        found.append("passwords cross the network readably: it is served without TLS")
    if not (settings.htpasswd or settings.read_only or settings.access is not None or settings.proxy):
        found.append("whoever reaches it may push and delete: name a htpasswd file, or make it read-only")
    return found


def bind(address: str) -> socket.socket:
    """A bound socket for HOST:PORT, [V6]:PORT, :PORT or unix:///PATH; InvalidArgument or OSError names the address."""
    if address.startswith("unix://"):
        path = address.removeprefix("unix://")
        sock = socket.socket(socket.AF_UNIX)
        try:
            if Path(path).is_socket():
                Path(path).unlink()  # of one that ran before
            sock.bind(path)
        except OSError as error:
            sock.close()
            raise OSError(error.errno, error.strerror, path) from error
        return sock
    host, colon, port = address.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise InvalidArgument(f"{address!r} is no address: write HOST:PORT, or unix:///PATH")
    host = host.removeprefix("[").removesuffix("]")
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family, dualstack_ipv6=not host)
    except OSError as error:
        raise OSError(error.errno, error.strerror, address) from error


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS 1.2 or newer with the settings' certificate, None where they have none; OSError names the file."""
    if not settings.certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    _load(context, settings)
    return context


def _load(context: ssl.SSLContext, settings: Settings) -> None:
    try:
        context.load_cert_chain(settings.certificate, settings.key)
    except (ssl.SSLError, OSError) as error:
        what = f"{settings.certificate} with the key {settings.key}"
        raise OSError(error.errno, f"no certificate and its key: {error.strerror or error}", what) from error


def _obey(settings: Settings, registry: Registry, context: ssl.SSLContext | None) -> None:
    """Take the signals, which are blocked, one by one, until one that ends. A handler of Python's would not do: where a
    signal comes just before the wait for an event begins, that is not woken."""
    while (number := signal.sigwait(_SIGNALS)) not in (signal.SIGTERM, signal.SIGINT):
        if number == signal.SIGUSR1:
            registry.collect_soon()
        elif context is not None:
            try:
                _load(context, settings)
                log.info("the certificate was read again")
            except OSError as error:
                log.warning("the former certificate stays: %s", error)


def _name(sock: socket.socket, context: ssl.SSLContext | None) -> str:
    address = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix://{address}"
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    return f"{'https' if context else 'http'}://{host}:{address[1]}"


def _password(user: str) -> int:
    password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    print(line(user, password))
    return 0


def _settings(parsed: argparse.Namespace) -> Settings:
    settings = Settings()
    if parsed.config:
        settings = parse(Path(parsed.config).read_text(), parsed.config)
    given: dict[str, Any] = {
        "root": Path(parsed.root) if parsed.root else None,
        "listen": tuple(parsed.listen) or None,
        "certificate": parsed.tls_cert,
        "key": parsed.tls_key,
        "htpasswd": parsed.htpasswd,
        "log_level": parsed.log_level,
        "tokens": parsed.tokens or None,
        "read_only": parsed.read_only or None,
    }
    if parsed.proxy:
        given["proxy"] = replace(settings.proxy or Proxy(""), remote=parsed.proxy)
    return replace(settings, **{name: value for name, value in given.items() if value is not None}).checked()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="carrack registry", allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    serving = verbs.add_parser("serve", allow_abbrev=False)
    serving.add_argument("--config", default="")
    serving.add_argument("--root", default="", help=f"default {ROOT}")
    serving.add_argument("--listen", action="append", default=[], help=f"default {LISTEN}")
    for flag in ("--tls-cert", "--tls-key", "--htpasswd", "--proxy", "--log-level"):
        serving.add_argument(flag)
    serving.add_argument("--tokens", action="store_true")
    serving.add_argument("--read-only", action="store_true")
    verbs.add_parser("password", allow_abbrev=False).add_argument("user")
    return parser
