"""The streams of one process: its pipes or its terminal on one side, the log and the attached clients on the other.

Output is read in pieces, logged, and passed to every client that wants it. While a client has not taken a piece, the
streams it wants are not read: the program then blocks on a full pipe, and nothing grows. Input of all clients is
merged; while the program does not read, no client is read.
"""

from __future__ import annotations

import os
from functools import partial

from carrack.linux import tty
from carrack.shim import loop as events
from carrack.shim.attach import READ_SIZE, Attachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from carrack.shim.logfile import LogFile
    from carrack.shim.logs.localfile import LocalFile
    from carrack.shim.logs.spawn import Logger
    from carrack.shim.loop import Loop

    Log = LogFile | LocalFile | Logger

STDOUT, STDERR = 1, 2
_NAMES = {STDOUT: "stdout", STDERR: "stderr"}
#: what a pipe may hold after its program ended: the limit of /proc/sys/fs/pipe-max-size, and some
_REST_LIMIT = 2 * 1024 * 1024


def open_pipes(stdin: bool, null_fd: int) -> tuple[list[int], list[int]]:
    """Pipes for a program: our ends (input only with stdin, output, error), not blocking, and its three ends."""
    ours = []
    if stdin:
        theirs, end = os.pipe2(os.O_CLOEXEC)
        ours.append(end)
    else:
        theirs = os.dup(null_fd)
    ends = [theirs]
    for _ in (STDOUT, STDERR):
        end, theirs = os.pipe2(os.O_CLOEXEC)
        ours.append(end)
        ends.append(theirs)
    for end in ours:
        os.set_blocking(end, False)
    return ours, ends


class Stdio:
    """Streams of one process. Made before it; ``ended`` is told when it has gone; ``done`` when all is delivered."""

    def __init__(self, loop: Loop, *, stdin: bool = False, stdin_once: bool = False) -> None:
        self._loop = loop
        self._log: Log | None = None
        self._stdin = stdin
        self._stdin_once = stdin_once
        self._started = False
        self._outputs: dict[int, int] = {}
        self._input = Input(loop, self._resume_input)
        self._slave = -1
        self._terminal = False
        self._attachments: list[Attachment] = []

    def open_pipes(self, null_fd: int) -> list[int]:
        """Make the pipes; returns the program's three ends, the caller's. Without stdin the first is the null."""
        ours, theirs = open_pipes(self._stdin, null_fd)
        self.use_pipes(ours)
        return theirs

    def use_pipes(self, ends: list[int]) -> None:
        """Take over our ends, as the function of this module made them."""
        if self._stdin:
            self._input.open(ends[0])
        self._outputs[STDOUT], self._outputs[STDERR] = ends[-2:]

    def use_terminal(self, master: int) -> None:
        """Take over the master of the program's terminal. Its slave stays open here, so that a program that closes
        and opens it again is not taken for one that has ended."""
        self._terminal = True
        self._slave = tty.open_peer(master)
        os.set_blocking(master, False)
        self._outputs[STDOUT] = master
        if self._stdin:
            self._input.open(os.dup(master))

    def resize(self, height: int, width: int) -> None:
        """Set the terminal's size in characters; raises OSError (EINVAL) without a terminal, ValueError over 65535."""
        if self._slave < 0:
            raise OSError(22, "the process has no terminal")
        tty.set_size(self._slave, height, width)

    def attach(self, sock: socket, *, stdin: bool, stdout: bool, stderr: bool, terminal: bool) -> None:
        """A client from now on; the socket is ours then. Outputs that have ended already are not waited for."""
        wanted = [number for number, wish in ((STDOUT, stdout), (STDERR, stderr)) if wish]
        if terminal and stderr:
            wanted = [STDOUT]
        attachment = Attachment(self._loop, sock, frozenset(wanted), stdin=stdin and self._stdin, framed=not terminal)
        self._attachments.append(attachment)
        if self._started:
            attachment.open(self._take_input, self._changed)
        if not self._outputs and not self._input.running:  # too late: it sees the end at once
            attachment.finish()

    def start(self, log: Log | None) -> None:
        """Begin to move bytes: the program runs, and its streams are open."""
        self._log = log
        self._started = True
        for attachment in tuple(self._attachments):
            attachment.open(self._take_input, self._changed)
        self.balance()

    def ended(self, linger: float = 0.0) -> None:
        """The process is gone: take what its pipes hold and close them, after ``linger`` seconds at the latest where
        somebody else still has them open. Ends the log."""
        self._input.close()
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1
        for number in tuple(self._outputs):
            self._drain(number)
        if self._outputs and linger > 0:
            self.balance()
            self._loop.after(linger, self._give_up)
        else:
            self._give_up()

    def discard(self) -> None:
        """Forget what was written so far, and read no more: the program never began."""
        for number in tuple(self._outputs):
            fd = self._outputs.pop(number)
            self._loop.forget(fd)
            os.close(fd)

    @property
    def done(self) -> bool:
        """Whether all output was delivered to all clients."""
        return not self._outputs and not self._attachments

    def _give_up(self) -> None:
        for number in tuple(self._outputs):
            self._close_output(number)
        self._finish()

    def _finish(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None
        for attachment in tuple(self._attachments):
            attachment.finish()

    def _drain(self, number: int) -> None:
        taken = 0
        while number in self._outputs and taken < _REST_LIMIT:
            count = self._read(number)
            if count is None:
                return
            taken += count

    def _read(self, number: int) -> int | None:
        """Read and deliver one piece; None when there is nothing now."""
        try:
            data = os.read(self._outputs[number], READ_SIZE)
        except BlockingIOError:
            return None
        except OSError:  # EIO: no one has the terminal open any more
            data = b""
        if not data:
            self._close_output(number)
            return 0
        if self._log is not None:
            self._log.write(_NAMES[number], data)
        for attachment in tuple(self._attachments):
            if number in attachment.outputs:
                attachment.send(number, data)
        return len(data)

    def _readable(self, number: int, _: int) -> None:
        if number in self._outputs:
            self._read(number)
            self.balance()

    def balance(self) -> None:
        """Read exactly the streams that no client and no log holds up."""
        held: set[int] = set(self._outputs) if self._log is not None and self._log.blocked else set()
        for attachment in self._attachments:
            if attachment.blocked:
                held |= attachment.outputs
        for number, fd in self._outputs.items():
            if number in held:
                self._loop.forget(fd)
            else:
                self._loop.watch(fd, events.IN, partial(self._readable, number))

    def _close_output(self, number: int) -> None:
        fd = self._outputs.pop(number)
        self._loop.forget(fd)
        os.close(fd)
        if not self._outputs and not self._input.running:
            self._finish()

    def _take_input(self, attachment: Attachment) -> bool:
        """Move one piece of input; False when the program does not take more now, or the input has ended."""
        data = attachment.receive()
        if data is None:
            return False
        if not data:
            if self._stdin_once and not self._terminal:
                self._input.finish()
            if not attachment.outputs:
                attachment.finish()
            return False
        if self._input.write(data):
            return True
        for other in self._attachments:
            other.pause_input(True)
        return False

    def _resume_input(self) -> None:
        for attachment in self._attachments:
            attachment.pause_input(False)

    def _changed(self, attachment: Attachment) -> None:
        if attachment.closed and attachment in self._attachments:
            self._attachments.remove(attachment)
        self.balance()


class Input:
    """The writing end of a program's standard input; what it does not take at once waits here."""

    def __init__(self, loop: Loop, drained: Callable[[], None]) -> None:
        self._loop = loop
        self._drained = drained
        self._fd = -1
        self._pending = b""
        self._finishing = False
        self.running = True

    def open(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def write(self, data: bytes) -> bool:
        """False when some of it waits: give no more until ``drained`` is called. A closed input swallows all."""
        if self._fd < 0:
            return True
        self._pending += data
        self._flush()
        return not self._pending

    def finish(self) -> None:
        """Give the program the end of file after what waits."""
        self._finishing = True
        if not self._pending:
            self._shut()

    def close(self) -> None:
        """The program has gone."""
        self.running = False
        self._shut()

    def _writable(self, _: int) -> None:
        self._flush()
        if not self._pending:
            self._drained()

    def _flush(self) -> None:
        try:
            self._pending = self._pending[os.write(self._fd, self._pending) :]
        except BlockingIOError:
            pass
        except OSError:  # the program has closed its end
            self._shut()
            return
        if self._pending:
            self._loop.watch(self._fd, events.OUT, self._writable)
            return
        self._loop.forget(self._fd)
        if self._finishing:
            self._shut()

    def _shut(self) -> None:
        self._pending = b""
        if self._fd >= 0:
            self._loop.forget(self._fd)
            os.close(self._fd)
            self._fd = -1
