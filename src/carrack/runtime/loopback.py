"""Raise ``lo`` in a network namespace of our own: every container has it, whatever else its network is."""

from __future__ import annotations

import fcntl
import socket
import struct

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1


def raise_loopback() -> None:
    """netdevice(7); no error when it is up already."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        request = bytearray(struct.pack("16sH22x", b"lo", 0))
        fcntl.ioctl(sock, _SIOCGIFFLAGS, request)
        flags = struct.unpack_from("H", request, 16)[0]
        if not flags & _IFF_UP:
            struct.pack_into("H", request, 16, flags | _IFF_UP)
            fcntl.ioctl(sock, _SIOCSIFFLAGS, request)
