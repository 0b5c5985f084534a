"""A program's output as messages: lines, the long ones in pieces, as Docker's own log copier cuts them. Pure."""

from __future__ import annotations

import os

LINE_LIMIT = 16 * 1024
NAMES = {1: "stdout", 2: "stderr"}


class Part:
    """What a piece of a line knows of its line: an id, which piece it is (from 1), and whether it is the last."""

    __slots__ = ("id", "last", "ordinal")

    def __init__(self, identity: str, ordinal: int, last: bool) -> None:
        self.id = identity
        self.ordinal = ordinal
        self.last = last


class Message:
    """One line without its newline, or a piece of one; ``stream`` 1 or 2, ``time`` in nanoseconds since 1970."""

    __slots__ = ("line", "part", "stream", "time")

    def __init__(self, stream: int, time: int, line: bytes, part: Part | None = None) -> None:
        self.stream = stream
        self.time = time
        self.line = line
        self.part = part

    @property
    def source(self) -> str:
        return NAMES[self.stream]

    @property
    def whole(self) -> bool:
        """Whether a newline stood behind it."""
        return self.part is None or self.part.last


class Cutter:
    """Holds what has no newline yet: less than LINE_LIMIT bytes of each stream, whatever the program writes."""

    def __init__(self) -> None:
        self._open: dict[int, _Open] = {}

    def feed(self, stream: int, time: int, data: bytes) -> list[Message]:
        """The messages that this output completes; all pieces of a line have the time of its first."""
        held = self._open.get(stream)
        if held is None:
            held = self._open[stream] = _Open()
        lines = data.split(b"\n")
        rest = lines.pop()
        messages = []
        for line in lines:
            messages += held.add(stream, time, line, ended=True)
        if rest:
            messages += held.add(stream, time, rest, ended=False)
        return messages

    def forget(self, stream: int) -> None:
        """The rest of the line in the making was dropped."""
        self._open.pop(stream, None)

    def rest(self) -> list[Message]:
        """What was left without a newline when the program ended."""
        return [message for stream, held in self._open.items() for message in held.rest(stream)]


class _Open:
    def __init__(self) -> None:
        self._bytes = b""
        self._time = 0
        self._id = ""
        self._ordinal = 0

    def add(self, stream: int, time: int, line: bytes, *, ended: bool) -> list[Message]:
        if self._bytes:
            line = self._bytes + line
            self._bytes = b""
        time = self._time or time
        messages = []
        while len(line) >= LINE_LIMIT:
            messages.append(self._piece(stream, time, line[:LINE_LIMIT], last=False))
            line = line[LINE_LIMIT:]
        if not ended:
            self._bytes, self._time = line, time
            return messages
        if self._id:
            messages.append(self._piece(stream, time, line, last=True))
        else:
            messages.append(Message(stream, time, line))
        self._time, self._id, self._ordinal = 0, "", 0
        return messages

    def rest(self, stream: int) -> list[Message]:
        if not self._bytes:
            return []
        message = self._piece(stream, self._time, self._bytes, last=False)
        self._bytes = b""
        return [message]

    def _piece(self, stream: int, time: int, line: bytes, *, last: bool) -> Message:
        self._time = time
        self._id = self._id or os.urandom(32).hex()
        self._ordinal += 1
        return Message(stream, time, line, Part(self._id, self._ordinal, last))
