"""What every verb is given."""

from __future__ import annotations

import os
import socket
import struct

from carrack.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from carrack.linux.kernel import Kernel
    from carrack.runtime.flags import Flags
    from carrack.runtime.state import StateRoot


class Context:
    """The kernel, where containers are recorded, and where warnings go."""

    __slots__ = ("kernel", "root", "warn")

    def __init__(self, kernel: Kernel, root: StateRoot, warn: Callable[[str], None]) -> None:
        self.kernel = kernel
        self.root = root
        self.warn = warn


class Verb:
    """One verb: its flags (long name → kind), their short names, a usage line, and what it does.

    run(context, flags) returns the exit code; a failure is raised.
    """

    __slots__ = ("aliases", "flags", "run", "usage")

    def __init__(
        self,
        run: Callable[[Context, Flags], int],
        usage: str,
        flags: Mapping[str, str] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        self.run = run
        self.usage = usage
        self.flags = dict(flags or {})
        self.aliases = dict(aliases or {})


def send_console(path: str) -> Callable[[int], None]:
    """Hand a terminal's master to whoever listens at path (runc's console socket), then let go of it."""

    def take(master: int) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
                sock.connect(path)
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", master))]
                sock.sendmsg([b"/dev/ptmx"], rights)
        except OSError as error:
            raise InvalidArgument(f"--console-socket {path}: {error.strerror or error}") from None
        finally:
            os.close(master)

    return take
