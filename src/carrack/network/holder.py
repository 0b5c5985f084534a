"""Keep any number of sockets open by one descriptor, so that a range of ten thousand ports costs a shim one.

The sockets lie, sent but never received, in the queue of a unix socket: the kernel keeps what is on its way open until
the receiving end is closed (unix(7), SCM_RIGHTS).
"""

import array
import os
import socket

#: Fewer than this are simply handed on; the kernel takes at most 253 in one message (SCM_MAX_FD).
_BUNDLE = 100
_SO_SNDBUFFORCE = 32
_QUEUE_BYTES = 8 << 20


class Holder:
    """Takes descriptors over; in the end there are few that stand for all. Closing it closes everything."""

    def __init__(self) -> None:
        self._loose: list[int] = []
        self._sender: socket.socket | None = None
        self._receiver: socket.socket | None = None

    def add(self, fd: int) -> None:
        """Take one over. OSError when the kernel will hold no more (it is closed with the rest then)."""
        self._loose.append(fd)
        if len(self._loose) >= _BUNDLE:
            self._bundle()

    def take(self) -> list[int]:
        """The descriptors to keep, now the caller's: those added, or one that holds all. The holder is empty then."""
        if self._receiver is None:
            fds, self._loose = self._loose, []
            return fds
        self._bundle()
        fds = [self._receiver.detach()]
        self._receiver = None
        self.close()
        return fds

    def close(self) -> None:
        """Close what is still held."""
        for fd in self._loose:
            os.close(fd)
        self._loose = []
        for end in (self._sender, self._receiver):
            if end is not None:
                end.close()
        self._sender = self._receiver = None

    def _bundle(self) -> None:
        if self._sender is None:
            self._sender, self._receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            self._sender.setblocking(False)
            _widen(self._sender)
        if self._loose:
            rights = array.array("i", self._loose)
            self._sender.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
            for fd in self._loose:
                os.close(fd)
            self._loose = []


def _widen(sender: socket.socket) -> None:
    """Room for all 65535 ports; without CAP_NET_ADMIN the usual room must do."""
    try:
        sender.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _QUEUE_BYTES)
    except PermissionError:
        return
