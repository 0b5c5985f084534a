"""Bytes between the user and a container: a thread feeds input, the main thread writes output."""

import _thread
import posix

from carrack.errors import CarrackError, Unavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from carrack.cli.terminal import DetachFilter
    from carrack.http.client import Stream

_CHUNK = 32 * 1024
# not CHLD, PIPE, URG (ours) nor WINCH, which is a request to stop for some servers
_PROXIED = ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "TERM", "CONT", "TSTP")


def exchange(stream: "Stream", *, stdin: bool, raw: bool, detach_keys: bytes = b"") -> bool:
    """Carry bytes both ways until the container's side ends; True when the user detached instead.

    ``raw`` output has no frames (a terminal's). Input that ends is told by half-closing, and output goes on.
    """
    detached: list[bool] = []
    if stdin:
        keys = None
        if detach_keys:
            from carrack.cli.terminal import DetachFilter

            keys = DetachFilter(detach_keys)
        _thread.start_new_thread(_feed, (stream, keys, detached))
    if raw:
        while data := stream.read():
            write_all(1, data)
    else:
        demultiplex(stream.read, write_all)
    return bool(detached)


def demultiplex(read: "Callable[[], bytes]", write: "Callable[[int, bytes], None]") -> None:
    """Take Docker's stdcopy frames apart: a byte for the descriptor, three zeros, a big-endian length, the data."""
    head = b""
    left, fd = 0, 1
    while data := read():
        while data:
            if left:
                part, data = data[:left], data[left:]
                left -= len(part)
                write(fd, part)
                continue
            take = 8 - len(head)
            head, data = head + data[:take], data[take:]
            if len(head) == 8:
                if head[0] > 3 or head[1:4] != b"\0\0\0":
                    raise Unavailable(f"the daemon's output is not framed as expected: {head!r}")
                if head[0] == 3:
                    raise Unavailable("the daemon met an error while sending output")
                fd, left, head = max(head[0], 1), int.from_bytes(head[4:], "big"), b""


def write_all(fd: int, data: bytes) -> None:
    """Write to a descriptor, all of it, however slow the reader."""
    view = memoryview(data)
    while view:
        try:
            view = view[posix.write(fd, view) :]
        except BlockingIOError:
            import select

            select.select([], [fd], [])


def proxy_signals(send: "Callable[[str], None]") -> "Callable[[], None]":
    """Pass the signals this process gets to the container instead; the result undoes it."""
    from carrack.cli import signals

    numbers = {signals.number(name): name for name in _PROXIED}

    waiting: list[int] = []
    busy: list[bool] = []

    def forward(number: int, _: object) -> None:
        waiting.append(number)
        if busy:  # this one came while another is sent, in whose midst no second request may be made
            return
        busy.append(True)
        while waiting:
            try:
                send(numbers[waiting.pop(0)])
            except (CarrackError, OSError):
                pass  # it has just ended, or not yet started
        busy.clear()

    before = {number: signals.handle(number, forward) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signals.handle(number, handler)

    return restore


def _feed(stream: "Stream", keys: "DetachFilter | None", detached: list[bool]) -> None:
    try:
        while data := posix.read(0, _CHUNK):
            if keys is not None:
                data, leave = keys.feed(data)
                if leave:
                    detached.append(True)
                    stream.abort()
                    return
            stream.write(data)
    except OSError:
        pass  # either side has gone; the reader of output notices for itself
    stream.end()
