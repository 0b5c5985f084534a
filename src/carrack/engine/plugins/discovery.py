"""Finds plugins by name, as Docker does: a socket, or a file that tells where the plugin listens.

In each of the directories, beside each other or in a folder of the plugin's own name::

    NAME.sock              the plugin's socket
    NAME.spec              one line: unix:///path or tcp://host:port
    NAME.json              {"Name": …, "Addr": as above, "TLSConfig": {"CAFile", "CertFile", "KeyFile",
                            "InsecureSkipVerify"}}

The directories are the administrator's; names come from API clients and never lead out of them.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import stat
from collections.abc import Iterator, Sequence
from typing import Any

from carrack.errors import InvalidArgument, NotFound
from carrack.http.outgoing import Peer

DIRECTORIES = ("/run/docker/plugins", "/etc/docker/plugins", "/usr/lib/docker/plugins")

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_ENDINGS = (".sock", ".spec", ".json")
_MAX_FILE = 64 * 1024
_MOST = 1000


def find(directories: Sequence[str], name: str) -> Peer:
    """Where the plugin of that name listens. Raises NotFound, or InvalidArgument for a file that tells nonsense."""
    for path in _paths(directories, name):
        try:
            info = os.stat(path)
        except OSError:
            continue
        if path.endswith(".sock"):
            if stat.S_ISSOCK(info.st_mode):
                return Peer(path=path)
        elif stat.S_ISREG(info.st_mode):
            return _read(path)
    raise NotFound(f'plugin "{name}" not found')


def scan(directories: Sequence[str]) -> list[str]:
    """The names of all plugins that lie in the directories; none of them is asked anything."""
    found: set[str] = set()
    for directory in directories:
        try:
            with os.scandir(directory) as entries:
                names = [entry.name for entry, _ in zip(entries, range(_MOST), strict=False)]
        except OSError:
            continue
        for name in names:
            stem, ending = os.path.splitext(name)
            found.add(stem if ending in _ENDINGS else name)
    return sorted(name for name in found if any(_is_there(path) for path in _paths(directories, name)))


def _paths(directories: Sequence[str], name: str) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        return
    for ending in _ENDINGS:
        for directory in directories:
            yield f"{directory}/{name}{ending}"
            yield f"{directory}/{name}/{name}{ending}"


def _is_there(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISSOCK(mode) if path.endswith(".sock") else stat.S_ISREG(mode)


def _read(path: str) -> Peer:
    try:
        with open(path, "rb") as file:
            text = file.read(_MAX_FILE).decode()
        if path.endswith(".spec"):
            return _peer(text.strip(), None)
        document = json.loads(text)
        if not isinstance(document, dict) or not isinstance(document.get("Addr"), str):
            raise ValueError('it has no "Addr"')
        return _peer(document["Addr"], _tls(document.get("TLSConfig")))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"plugin file {path}: {error}") from error


def _peer(address: str, tls: ssl.SSLContext | None) -> Peer:
    scheme, separator, rest = address.partition("://")
    if separator and scheme == "unix" and rest.startswith("/"):
        return Peer(path=rest)
    host, _, port = rest.split("/")[0].rpartition(":")
    if separator and scheme in ("tcp", "http", "https") and host and port.isdecimal() and 0 < int(port) < 65536:
        if scheme == "https" and tls is None:
            tls = ssl.create_default_context()
        return Peer(host=host.strip("[]"), port=int(port), tls=tls)
    raise ValueError(f"{address[:200]!r} is no address such as unix:///run/plugin.sock or tcp://127.0.0.1:8080")


def _tls(config: Any) -> ssl.SSLContext | None:
    if config is None:
        return None
    if not isinstance(config, dict):
        raise ValueError('its "TLSConfig" is no object')
    context = ssl.create_default_context(cafile=config.get("CAFile") or None)
    if config.get("InsecureSkipVerify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if config.get("CertFile"):
        context.load_cert_chain(config["CertFile"], config.get("KeyFile") or None)
    return context
