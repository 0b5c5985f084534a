"""The container's log in Docker's json-file format, written by the shim so that no line depends on the daemon.

One JSON object per line: ``{"log":"text\\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}``. A line of the program
longer than 16 KiB is cut into entries of which only the last ends in a newline, all with the time of the first, as
Docker's own log copier does; so memory stays bounded whatever the program writes. Files rotate by size:
``name`` → ``name.1`` → ``name.2`` …
"""

from __future__ import annotations

import codecs
import os
import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from re import Match

LINE_LIMIT = 16 * 1024
FILE_MODE = 0o640

#: bytes that JSON, as Docker's encoder writes it, does not carry as they are
_special = re.compile(rb"[^ !#-%\x27-;=?-\[\]-~]")
_special_text = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\udc80-\udcff]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r"}


class LogFile:
    """Appends to ``name`` in a directory held by descriptor. A full disk loses lines, never the container."""

    def __init__(self, directory_fd: int, name: str, max_size: int = 0, max_files: int = 1) -> None:
        """max_size in bytes, 0 for no limit; raises OSError when the file cannot be opened."""
        self._directory = directory_fd
        self._name = name
        self._max_size = max_size
        self._max_files = max_files
        self._partial: dict[str, _Partial] = {}
        self.lost = 0
        self._fd = -1
        self._size = 0
        self._reopen(0)

    def write(self, stream: str, data: bytes) -> None:
        """Take a piece of the program's output; entries are written as lines become whole (or too long)."""
        partial = self._partial.get(stream)
        if partial is None:
            partial = self._partial[stream] = _Partial()
        entries = []
        now = timestamp(time.time_ns())
        for line in data.splitlines(keepends=True) if b"\r" not in data else _split(data):
            entries += partial.add(line, stream, now)
        if entries:
            self._append(entries)

    def close(self) -> None:
        """Write what is left without a newline, and close."""
        for stream, partial in self._partial.items():
            self._append(partial.rest(stream, timestamp(time.time_ns())))
        self._partial.clear()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _append(self, entries: list[bytes]) -> None:
        if self._max_size <= 0:
            self._put(b"".join(entries), len(entries))
            return
        for entry in entries:
            if self._size >= self._max_size:
                self._rotate()
            self._put(entry, 1)

    def _put(self, data: bytes, entries: int) -> None:
        if not data:
            return
        try:
            if self._fd < 0:  # an earlier rotation failed half-way
                self._reopen(0)
            written = os.write(self._fd, data)
            if written < len(data):
                written += os.write(self._fd, data[written:])
        except OSError:  # no space, or the disk is gone: keep whole lines only
            self.lost += entries
            self._cut()
            return
        self._size += written

    def _rotate(self) -> None:
        """Docker's order: the oldest is overwritten; with one file only, it starts anew."""
        os.close(self._fd)
        self._fd = -1
        try:
            for number in range(self._max_files - 1, 0, -1):
                self._rename(number)
            self._reopen(os.O_TRUNC)
        except OSError:  # tried again with the next entry
            pass

    def _reopen(self, flags: int) -> None:
        self._fd = self._open(os.O_APPEND | flags)
        self._size = os.fstat(self._fd).st_size

    def _cut(self) -> None:
        """Take back the part of an entry that found room."""
        try:
            if self._fd >= 0:
                os.ftruncate(self._fd, self._size)
        except OSError:
            pass

    def _rename(self, number: int) -> None:
        older = f"{self._name}.{number}"
        newer = self._name if number == 1 else f"{self._name}.{number - 1}"
        try:
            os.rename(newer, older, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except FileNotFoundError:
            pass

    def _open(self, flags: int) -> int:
        flags |= os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.open(self._name, flags, FILE_MODE, dir_fd=self._directory)


class _Partial:
    """One stream's unfinished line: less than LINE_LIMIT bytes of it, and the time of its first entry."""

    __slots__ = ("_bytes", "_time")

    def __init__(self) -> None:
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
            entries.append(entry(line[:LINE_LIMIT], stream, self._time))
            line = line[LINE_LIMIT:]
        if whole:
            entries.append(entry(line, stream, self._time or now))
            self._time = b""
        else:
            self._bytes = line
        return entries

    def rest(self, stream: str, now: bytes) -> list[bytes]:
        if not self._bytes:
            return []
        last = entry(self._bytes, stream, self._time or now)
        self._bytes = b""
        return [last]


def entry(text: bytes, stream: str, time_text: bytes) -> bytes:
    """One line of the file; the text is any bytes, those that are not UTF-8 are written as U+FFFD."""
    newline = text.endswith(b"\n")
    body = text[:-1] if newline else text
    if _special.search(body) is not None:
        body = _escape(body)
    end = b'\\n","stream":"' if newline else b'","stream":"'
    return b'{"log":"%b%b%b","time":"%b"}\n' % (body, end, stream.encode(), time_text)


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
