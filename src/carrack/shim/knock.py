"""A daemon that starts connects to all shims before it does anything else.

Each of them has to wake up and say what it has: they do while the daemon still imports its services, on other
processors, and their words wait in the sockets. The connections are taken by `Shim.at_once` and `Shim.reconnect`.
"""

import os
import socket

from carrack.shim import protocol

_LONGEST = 107
"""Bytes of a socket's path (unix(7)), without the closing NUL."""

_waiting: dict[str, socket.socket] = {}


def knock(run_root: str) -> None:
    """Connect to every shim below ``run_root``; one that cannot be reached at once is left to `Shim.reconnect`."""
    try:
        entries = os.listdir(os.path.join(run_root, "containers"))
    except OSError:
        return
    for name in entries:
        directory = os.path.join(run_root, "containers", name)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            _reach(sock, directory)
        except OSError:
            sock.close()
        else:
            _waiting[directory] = sock


def _reach(sock: socket.socket, directory: str) -> None:
    path = os.path.join(directory, protocol.SOCKET_FILE)
    if len(os.fsencode(path)) <= _LONGEST:
        sock.connect(path)
        return
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connect(sock, fd)
    finally:
        os.close(fd)


def connect(sock: socket.socket, directory_fd: int) -> None:
    """Through /proc/self/fd, for a path that is too long. Raises OSError."""
    sock.connect(f"/proc/self/fd/{directory_fd}/{protocol.SOCKET_FILE}")


def answered(directory: str) -> socket.socket | None:
    """The connection to the shim of that run directory, the caller's from now on; None when there is none."""
    return _waiting.pop(directory, None)


def keep(directory: str, sock: socket.socket) -> None:
    """Give such a connection back: nothing was read from it yet."""
    _waiting[directory] = sock


def leave() -> None:
    """Close the connections that nobody took."""
    while _waiting:
        _waiting.popitem()[1].close()
