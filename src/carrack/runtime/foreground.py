"""A process in the foreground: its exit code is ours, our signals are its, its terminal is ours."""

from __future__ import annotations

import os
import select
import signal
import termios

from carrack.linux import tty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_FORWARDED = (
    "SIGHUP SIGINT SIGQUIT SIGTERM SIGUSR1 SIGUSR2 SIGCONT SIGALRM SIGWINCH".split()  # the rest is about ourselves
)
_CHUNK = 65536


def hold_signals() -> None:
    """Let signals that are for the process wait until wait() knows it; call this before it can run."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {getattr(signal, name) for name in _FORWARDED})


def wait(pid: int, master: int = -1) -> int:
    """Wait for our child with its terminal's master (if any, taken over); the code is 128+n for a signal."""
    for name in _FORWARDED:
        signal.signal(getattr(signal, name), lambda number, frame: _forward(pid, number, frame, master))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {getattr(signal, name) for name in _FORWARDED})
    if master >= 0:
        _proxy(pid, master)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _forward(pid: int, number: int, frame: FrameType | None, master: int) -> None:
    if number == signal.SIGWINCH:
        if master >= 0:
            copy_size(master)
        return
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def copy_size(master: int) -> None:
    """Give the terminal the size of ours, where we have one."""
    try:
        tty.set_size(master, *tty.size(0))
    except OSError:
        pass


def _proxy(pid: int, master: int) -> None:
    """Copy both ways until the terminal hangs up, which it does when its last user has gone."""
    saved = _make_raw()
    copy_size(master)
    poll = select.poll()
    poll.register(master, select.POLLIN)
    poll.register(0, select.POLLIN)
    try:
        while True:
            ready = dict(poll.poll())
            if 0 in ready and not _copy(0, master):
                poll.unregister(0)
                os.write(master, b"\4")  # our input has ended: so shall its
            if master in ready and not _copy(master, 1):
                return
    finally:
        os.close(master)
        if saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)


def _copy(source: int, target: int) -> bool:
    """One read and its writes; False at the end."""
    try:
        data = os.read(source, _CHUNK)
    except OSError:  # EIO of a terminal without users
        return False
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(target, rest) :]
    return bool(data)


def _make_raw() -> list[Any] | None:
    if not os.isatty(0):
        return None
    import tty as terminal_modes  # only where there is one

    saved = termios.tcgetattr(0)
    terminal_modes.setraw(0)
    return saved
