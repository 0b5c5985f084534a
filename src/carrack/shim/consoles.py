"""The socket on which another runtime hands over the terminal that it has made in the container.

It is taken while the runtime still runs, and has its size before the program can ask for it, as far as runtimes let
one. Source: runc's documentation of ``--console-socket``.
"""

from __future__ import annotations

import os
import socket

from carrack.linux import tty
from carrack.shim.protocol import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from carrack.oci.runtime_spec import Box

CONSOLE = "console.sock"
#: seconds in which who has connected sends what it came for
_PATIENCE = 5.0


class Console:
    """One socket, in the bundle, for one terminal; ``fd`` is readable when somebody has come."""

    def __init__(self, bundle: str, size: Box | None) -> None:
        self._path = f"{bundle}/{CONSOLE}"
        self._size = size
        self._master = -1
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        directory = os.open(bundle, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        mask = os.umask(0o177)
        try:
            self._listener.bind(f"/proc/self/fd/{directory}/{CONSOLE}")
            self._listener.listen(1)
        except BaseException:
            self._listener.close()
            raise
        finally:
            os.umask(mask)
            os.close(directory)
        self._listener.setblocking(False)

    @property
    def fd(self) -> int:
        return self._listener.fileno()

    def accept(self) -> None:
        """Take what was sent; nothing when nobody has come."""
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        with connection:
            connection.settimeout(_PATIENCE)
            try:
                _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
            except TimeoutError:
                fds = []
        if fds:
            self._master = fds[0]
            os.set_inheritable(self._master, False)
            if self._size:
                tty.set_size(self._master, self._size.get("height", 0), self._size.get("width", 0))

    def master(self) -> int:
        """The terminal's master, the caller's; the runtime has ended. Raises StartError when it has sent none."""
        if self._master < 0:
            self.accept()
        if self._master < 0:
            raise StartError("runtime", "the runtime sent no terminal to its console socket")
        master, self._master = self._master, -1
        return master

    def close(self) -> None:
        """No more use for it; a terminal that nobody took is closed."""
        self._listener.close()
        os.unlink(self._path)
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
