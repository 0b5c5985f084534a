"""Messages with descriptors between the processes that start a container.

One message is one packet of a SOCK_SEQPACKET socket: a JSON object, and descriptors beside it. A body that does not
fit a packet travels in a sealed memfd that goes as the first descriptor, announced by a packet that begins with
``M``. Both ends are our own processes, yet one of them may have entered a container, so the reader bounds everything
it takes: the packet, the memfd, the number of descriptors.
"""

from __future__ import annotations

import _socket
import fcntl
import json
import os
import socket
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

INLINE_LIMIT = 48 * 1024
BODY_LIMIT = 16 * 1024 * 1024
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
# Made once, and flags as plain numbers: a shim that only waits must not touch the memory of all these words.
_json: Any = json
_default, _quote = json.JSONEncoder().default, _json.encoder.encode_basestring_ascii
_pieces = _json.encoder.c_make_encoder(None, _default, _quote, None, ":", ",", False, False, True)
_scan = _json.JSONDecoder().scan_once
_NOSIGNAL, _CLOEXEC = int(socket.MSG_NOSIGNAL), int(socket.MSG_CMSG_CLOEXEC)
_CUT = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)
_FAMILY, _TYPE = int(socket.AF_UNIX), int(socket.SOCK_SEQPACKET)
_RIGHTS = (int(socket.SOL_SOCKET), int(socket.SCM_RIGHTS))


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected ends, both close-on-exec."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def bare_pair() -> tuple[socket.socket, socket.socket]:
    """The same as the C type below the socket class: no context managers, but less memory touched."""
    pair: Any = _socket.socketpair(_FAMILY, _TYPE)
    return pair  # type: ignore[no-any-return]


def bare(fd: int) -> socket.socket:
    """A socket of ours that came as a descriptor, as bare_pair() makes them."""
    sock: Any = _socket.socket(_FAMILY, _TYPE, 0, fd)
    return sock  # type: ignore[no-any-return]


def send(sock: socket.socket, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
    """Send one message; the descriptors stay open here. Raises OSError, BrokenPipeError when the peer is gone."""
    body = "".join(_pieces(message, 0)).encode()
    if len(body) <= INLINE_LIMIT:
        _send_packet(sock, body, fds)
        return
    if len(body) > BODY_LIMIT:
        raise ValueError(f"a message of {len(body)} bytes is over the limit of {BODY_LIMIT}")
    memory = os.memfd_create("carrack-message", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(memory, "wb", closefd=False) as file:
            file.write(body)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
        _send_packet(sock, b"M%d" % len(body), (memory, *fds))
    finally:
        os.close(memory)


def receive(sock: socket.socket, max_fds: int = 16) -> tuple[dict[str, Any] | None, list[int]]:
    """Receive one message and its descriptors (close-on-exec, the caller's); ``(None, [])`` at the end of file.

    Raises ValueError on a packet that is not one of ours (its descriptors are closed), OSError as the socket does.
    """
    data, fds = receive_body(sock, max_fds)
    if not data:
        return None, []
    try:
        return decode(data), fds
    except ValueError:
        for fd in fds:
            os.close(fd)
        raise


def receive_body(sock: socket.socket, max_fds: int = 16) -> tuple[bytes, list[int]]:
    """The same for someone who may know the message by its bytes; they are empty at the end of file."""
    space = socket.CMSG_SPACE(4 * (max_fds + 1))
    data, ancillary, flags, _ = sock.recvmsg(INLINE_LIMIT + 1, space, _CLOEXEC)
    fds = _descriptors(ancillary)
    try:
        if flags & _CUT:
            raise ValueError("a message was cut: too long, or too many descriptors")
        if not data and fds:
            raise ValueError("an empty message carries descriptors")
        return _read_body(fds, data) if data[:1] == b"M" else data, fds
    except (ValueError, OSError):
        for fd in fds:
            os.close(fd)
        raise


def decode(data: bytes) -> dict[str, Any]:
    """The message of a body. Raises ValueError."""
    text = data.decode()
    try:
        message, end = _scan(text, 0)
    except StopIteration as error:
        raise ValueError(f"a message is not JSON at character {error.value}") from None
    if end != len(text):
        raise ValueError(f"a message goes on after its end at character {end}")
    if not isinstance(message, dict):
        raise ValueError(f"a message is {type(message).__name__}, not an object")
    return message


def _send_packet(sock: socket.socket, body: bytes, fds: Sequence[int]) -> None:
    ancillary = []
    if fds:
        ancillary = [(*_RIGHTS, struct.pack(f"{len(fds)}i", *fds))]
    sock.sendmsg([body], ancillary, _NOSIGNAL)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    fds: list[int] = []
    for level, kind, data in ancillary:
        if (level, kind) == _RIGHTS:
            fds += struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4])
    return fds


def _read_body(fds: list[int], announcement: bytes) -> bytes:
    """Take the memfd off the list and read it; the size announced must be the size found."""
    if not fds or not announcement[1:].isdigit():
        raise ValueError("a message announces a body that does not come with it")
    size = int(announcement[1:])
    if size > BODY_LIMIT:
        raise ValueError(f"a message of {size} bytes is over the limit of {BODY_LIMIT}")
    memory = fds.pop(0)
    try:
        if not _is_sealed(memory):
            raise ValueError("a message body is not sealed")
        body = os.pread(memory, size + 1, 0)
    finally:
        os.close(memory)
    if len(body) != size:
        raise ValueError(f"a message body has {len(body)} bytes where {size} were announced")
    return body


def _is_sealed(memory: int) -> bool:
    try:
        return bool(fcntl.fcntl(memory, fcntl.F_GET_SEALS) & fcntl.F_SEAL_SHRINK)
    except OSError:  # no memfd at all
        return False
