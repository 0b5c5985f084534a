"""Whom TLS believes: the system's authorities and what `certs.d` adds for one registry.

    <certs_dir>/<host[:port]>/*.crt          authorities, in PEM
                              NAME.cert      a certificate of ours, with
                              NAME.key       its key

Source: Docker's "Verify repository client with certificates".
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from carrack.errors import InvalidArgument


def context(certs_dir: Path, hosts: tuple[str, ...], *, verify: bool) -> ssl.SSLContext:
    """The context for a registry known under `hosts` (host[:port]); blocking.

    Without `verify` any certificate is taken. Raises InvalidArgument when a file in certs.d is of no use.
    """
    made = ssl.create_default_context() if verify else _unverified()
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.set_alpn_protocols(["http/1.1"])
    for host in dict.fromkeys(hosts):
        directory = certs_dir / host
        # The host is a stranger's word as far as redirects go; "..", "a/b" are no directory of ours.
        if "/" not in host and host not in ("", ".", "..") and directory.is_dir():
            _add(made, directory)
    return made


def stamp(certs_dir: Path, hosts: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """What changes when the files for `hosts` do."""
    found = []
    for host in dict.fromkeys(hosts):
        if "/" not in host and host not in ("", ".", ".."):
            found += _stamps(certs_dir / host)
    return tuple(found)


def _stamps(directory: Path) -> list[tuple[str, int]]:
    try:
        with os.scandir(directory) as entries:
            return sorted((entry.path, entry.stat().st_mtime_ns) for entry in entries)
    except OSError:
        return []


def _unverified() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _add(made: ssl.SSLContext, directory: Path) -> None:
    names = sorted(path.name for path in directory.iterdir())
    for name in names:
        path = directory / name
        stem, _, kind = name.rpartition(".")
        if kind == "cert" and f"{stem}.key" not in names:
            raise InvalidArgument(
                f"missing key {stem}.key for client certificate {path}. CA certificates must use the extension .crt"
            )
        if kind == "key" and f"{stem}.cert" not in names:
            raise InvalidArgument(f"missing client certificate {stem}.cert for key {path}")
        try:
            if kind == "crt":
                made.load_verify_locations(cafile=path)
            elif kind == "cert":
                made.load_cert_chain(path, directory / f"{stem}.key")
        except OSError as error:  # ssl.SSLError is one
            raise InvalidArgument(f"{path} cannot be used: {error.strerror or error}") from error
