"""The container's log in Docker's json-file format, written by the shim so that no line depends on the daemon.

One JSON object per line: ``{"log":"text\\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}``. A line of the program
longer than 16 KiB is cut into entries of which only the last ends in a newline, all with the time of the first, as
Docker's own log copier does; so memory stays bounded whatever the program writes. Files rotate by size:
``name`` → ``name.1`` → ``name.2`` …, with ``compress`` as gzip files ``name.1.gz``. Attributes (chosen labels and
variables, a tag) stand in every entry as ``"attrs"``.
"""

from __future__ import annotations

import codecs
import re
import time

from carrack.shim.logs.rotating import Rotating, gzipped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Match

    from carrack.shim.logs.lines import Message

LINE_LIMIT = 16 * 1024
_TAIL = b'","time":"'

#: bytes that JSON, as Docker's encoder writes it, does not carry as they are
_special = re.compile(rb"[^ !#-%\x27-;=?-\[\]-~]")
_special_text = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\udc80-\udcff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r"}


class LogFile(Rotating):
    """Appends to ``name`` in a directory held by descriptor. A full disk loses lines, never the container."""

    def __init__(
        self,
        directory_fd: int,
        name: str,
        max_size: int = 0,
        max_files: int = 1,
        compress: bool = False,
        attributes: str = "",
    ) -> None:
        """max_size in bytes, 0 for no limit; ``attributes``: the JSON object that every entry carries, if any.

        Raises OSError when the file cannot be opened.
        """
        self._partial: dict[str, _Partial] = {}
        self._tail = b'","attrs":%b,"time":"' % attributes.encode() if attributes else _TAIL
        super().__init__(directory_fd, name, max_size, max_files, gzipped if compress else None)

    def write(self, stream: str, data: bytes) -> None:
        """Take a piece of the program's output; entries are written as lines become whole (or too long)."""
        partial = self._partial.get(stream)
        if partial is None:
            partial = self._partial[stream] = _Partial(self._tail)
        entries = []
        now = timestamp(time.time_ns())
        for line in data.splitlines(keepends=True) if b"\r" not in data else _split(data):
            entries += partial.add(line, stream, now)
        if entries:
            self._append(entries)

    def add(self, messages: list[Message]) -> None:
        """Take messages that were cut already."""
        entries = []
        for message in messages:
            line = message.line + b"\n" if message.whole else message.line
            entries.append(entry(line, message.source, timestamp(message.time), self._tail))
        self._append(entries)

    def close(self) -> None:
        """Write what is left without a newline, and close."""
        for stream, partial in self._partial.items():
            self._append(partial.rest(stream, timestamp(time.time_ns())))
        self._partial.clear()
        self._close()


class _Partial:
    """One stream's unfinished line: less than LINE_LIMIT bytes of it, and the time of its first entry."""

    __slots__ = ("_bytes", "_tail", "_time")

    def __init__(self, tail: bytes) -> None:
        self._tail = tail
        self._bytes = b""
        self._time = b""

    def add(self, line: bytes, stream: str, now: bytes) -> list[bytes]:
        """Entries for a piece that holds at most one newline, at its end."""
        if self._bytes:
            line = self._bytes + line
            self._bytes = b""
        whole = line.endswith(b"\n")
        entries = []
        while len(line) - whole >= LINE_LIMIT:
            self._time = self._time or now
            entries.append(entry(line[:LINE_LIMIT], stream, self._time, self._tail))
            line = line[LINE_LIMIT:]
        if whole:
            entries.append(entry(line, stream, self._time or now, self._tail))
            self._time = b""
        else:
            self._bytes = line
        return entries

    def rest(self, stream: str, now: bytes) -> list[bytes]:
        if not self._bytes:
            return []
        last = entry(self._bytes, stream, self._time or now, self._tail)
        self._bytes = b""
        return [last]


def entry(text: bytes, stream: str, time_text: bytes, tail: bytes = _TAIL) -> bytes:
    """One line of the file; the text is any bytes, those that are not UTF-8 are written as U+FFFD. ``tail``: what
    stands between the stream and the time."""
    newline = text.endswith(b"\n")
    body = text[:-1] if newline else text
    if _special.search(body) is not None:
        body = _escape(body)
    end = b'\\n","stream":"' if newline else b'","stream":"'
    return b'{"log":"%b%b%b%b%b"}\n' % (body, end, stream.encode(), tail, time_text)


def timestamp(nanoseconds: int) -> bytes:
    """RFC 3339 in UTC with as many digits of the fraction as are not trailing zeros (Go's RFC3339Nano)."""
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    digits = f"{fraction:09}".rstrip("0")
    return f"{text}.{digits}Z".encode() if digits else f"{text}Z".encode()


def _split(data: bytes) -> list[bytes]:
    """Pieces that end in a newline, the last one perhaps not; a carriage return is no line end here."""
    lines = [line + b"\n" for line in data.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _escape(text: bytes) -> bytes:
    # surrogateescape keeps each foreign byte apart, so that each becomes one U+FFFD, as in Docker's encoder
    decoded = codecs.utf_8_decode(text, "surrogateescape", True)[0]
    return _special_text.sub(_escaped, decoded).encode()


def _escaped(match: Match[str]) -> str:
    character = match.group()
    if "\udc80" <= character <= "\udcff":
        return "\\ufffd"
    return _SHORT.get(character) or f"\\u{ord(character):04x}"
