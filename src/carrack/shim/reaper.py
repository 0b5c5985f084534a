"""Ended children, told to an event loop through a descriptor.

SIGCHLD writes to a pipe (signal.set_wakeup_fd), so the loop wakes; then every ended child is taken, strangers too: a
shim is a subreaper, and nobody else would ever collect what is left to it. The zygote is one too, but wants to know
of no end: it ignores SIGCHLD, and the kernel collects (wait(2)).

Signals are plain numbers here: the enumerations of the signal module cost each shim memory that the zygote has not
touched.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

#: signal.signal without the conversion of what it takes and returns
_set: Callable[[int, Any], object] = _signal.signal
_SIGCHLD = int(signal.SIGCHLD)
_DEFAULT, _IGNORE = int(signal.SIG_DFL), int(signal.SIG_IGN)
_WITHSTOOD = (int(signal.SIGTERM), int(signal.SIGINT), int(signal.SIGHUP))


class Reaper:
    """One per process; ``fd`` is readable when a child may have ended."""

    def __init__(self) -> None:
        self.fd, self._wakeup = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        _set(_SIGCHLD, _nothing)
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
        _set(number, _IGNORE)


def ignore() -> None:
    """The zygote's way: the kernel collects whatever ends."""
    _set(_SIGCHLD, _IGNORE)


def notice() -> None:
    """In a fork of the zygote: our children's ends are ours to know, and theirs to know of their own."""
    _set(_SIGCHLD, _DEFAULT)


def reset() -> None:
    """In a forked child: no longer tell the parent's pipe of our own children; default signals again."""
    signal.set_wakeup_fd(-1)
    for number in (_SIGCHLD, *_WITHSTOOD):
        _set(number, _DEFAULT)


def hear_all() -> None:
    """Ignore nothing that whoever started the daemon ignores (nohup, a shell's ``&``): containers would inherit it.
    SIGPIPE and SIGXFSZ are the interpreter's own; what is executed gets them back (process.reset_signals)."""
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _nothing(number: int, frame: FrameType | None) -> None:
    """A handler must be there, else the kernel drops the signal and nothing wakes."""
