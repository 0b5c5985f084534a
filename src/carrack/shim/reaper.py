"""Ended children, told to an event loop through a descriptor.

SIGCHLD writes to a pipe (signal.set_wakeup_fd), so the loop wakes; then every ended child is taken, strangers too: a
shim and the zygote are subreapers, and nobody else would ever collect what is left to them.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


_WITHSTOOD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Reaper:
    """One per process; ``fd`` is readable when a child may have ended."""

    def __init__(self) -> None:
        self.fd, self._wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.set_wakeup_fd(self._wakeup, warn_on_full_buffer=False)

    def reap(self) -> Iterator[tuple[int, int]]:
        """Each child that has ended: (pid, wait status)."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            pass
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            yield pid, status

    def close(self) -> None:
        reset()
        os.close(self.fd)
        os.close(self._wakeup)


def withstand() -> None:
    """A shim outlives what would end it in passing: a shutdown signals all processes, containers must come first."""
    for number in _WITHSTOOD:
        signal.signal(number, signal.SIG_IGN)


def reset() -> None:
    """In a forked child: no longer tell the parent's pipe of our own children; default signals again."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, *_WITHSTOOD):
        signal.signal(number, signal.SIG_DFL)


def hear_all() -> None:
    """Ignore nothing that whoever started the daemon ignores (nohup, a shell's ``&``): containers would inherit it.
    SIGPIPE and SIGXFSZ are the interpreter's own; what is executed gets them back (process.reset_signals)."""
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler must be there, else the kernel drops the signal and nothing wakes."""
