"""Progress: the daemon's messages of a long operation, and a byte counter for transfers."""

import posix
import sys
import time

from carrack.cli.command import write, write_error
from carrack.cli.exit import Exit
from carrack.model.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from carrack.client.document import Document


def show_messages(messages: "Iterable[Document]", quiet: bool = False, fd: int = 1) -> None:
    """Print a stream of ``{"stream"}``, ``{"status", "id", "progressDetail"}`` messages; :class:`Exit` at an error.

    ``fd``: 1 for standard output, 2 for standard error.
    """
    lines: dict[str, int] = {}
    terminal = posix.isatty(fd)
    say = write if fd == 1 else write_error
    for message in messages:
        if failure := message.get("error") or (message.get("errorDetail") or {}).get("message"):
            raise Exit(1, str(failure))
        if message.get("stream") is not None:
            say(str(message["stream"]), end="")
        elif message.get("status") is None or quiet:
            continue
        elif terminal and message.get("id"):
            _update(lines, str(message["id"]), _status(message), say)
        elif not any((message.get("progressDetail") or {}).values()):
            say(_status(message))
    sys.stdout.flush()


def _update(lines: dict[str, int], identity: str, text: str, say: "Callable[..., None]") -> None:
    """Rewrite the line of this id in place, by ANSI cursor movements (ECMA-48 CUU, EL, CUD)."""
    if identity not in lines:
        lines[identity] = len(lines)
        say(text)
    else:
        up = len(lines) - lines[identity]
        say(f"\x1b[{up}A\r\x1b[2K{text}\r\x1b[{up}B", end="")
    sys.stdout.flush()


def _status(message: "Document") -> str:
    detail = message.get("progressDetail") or {}
    text = f"{message['id']}: {message['status']}" if message.get("id") else str(message["status"])
    current, total = detail.get("current") or 0, detail.get("total") or 0
    if not current:
        return text
    if not total:
        return f"{text} {human_size(current, 3)}"
    filled = min(20 * current // total, 20)
    return f"{text} [{'=' * filled}{' ' * (20 - filled)}] {human_size(current, 3)}/{human_size(total, 3)}"


class Meter:
    """Counts bytes that pass by; on a terminal (standard error) it shows the count, at most ten times a second."""

    def __init__(self, label: str, shown: bool | None = None) -> None:
        self.count = 0
        self._label = label
        self._shown = posix.isatty(2) if shown is None else shown
        self._next = 0.0

    def watch(self, chunks: "Iterable[bytes]") -> "Iterator[bytes]":
        for chunk in chunks:
            self.count += len(chunk)
            if self._shown and time.monotonic() >= self._next:
                self._next = time.monotonic() + 0.1
                sys.stderr.write(f"\r\x1b[2K{self._label} {human_size(self.count, 3)}")
                sys.stderr.flush()
            yield chunk
        self.clear()

    def clear(self) -> None:
        """Take the counter's line away."""
        if self._shown and self._next:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
            self._next = 0.0
