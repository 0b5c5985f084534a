"""A build told as Docker's classic builder tells it: one instruction after the other, whatever is done side by side.

What is said of an instruction waits until all before it have been told.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from carrack.engine.build.caching.wanted import IMPORTING
from carrack.engine.build.progress import STDERR, Vertex

if TYPE_CHECKING:
    from carrack.dockerfile.checks import Breach
    from carrack.dockerfile.file import Stage
    from carrack.engine.images.progress import Message

_PATIENCE = 0.005  # seconds
_RED, _PLAIN = "\x1b[91m", "\x1b[0m"


@dataclass(slots=True)
class _Told:
    """One instruction: its lines so far, whether its triggers have begun, and whether there will be more."""

    lines: list[Message] = field(default_factory=list)
    triggers: bool = False
    done: bool = False


class Classic:
    """See Progress. ``messages`` gives what is told, until ``close``; ``explain`` adds why a step was done."""

    def __init__(self, stages: Sequence[Stage], *, quiet: bool = False, explain: bool = False) -> None:
        """``stages``: those that are needed, in order."""
        self._quiet = quiet
        self._explain = explain
        self._order = [(stage.index, ordinal) for stage in stages for ordinal in range(len(stage.commands) + 1)]
        self._told = {place: _Told() for place in self._order}
        self._next = 0
        self._waiting: list[Message] = []
        self._some, self._closed = asyncio.Event(), asyncio.Event()

    def started(self, vertex: Vertex) -> None:
        """See Progress."""
        told = self._place(vertex)
        if told is not None and vertex.ordinal < 0:
            if not told.triggers:
                many = "s" if vertex.ordinal < -1 else ""
                told.lines.append({"stream": f"# Executing {-vertex.ordinal} build trigger{many}\n"})
            told.triggers = True
            self._flush()
        elif told is not None:
            number = self._order.index((vertex.stage, vertex.ordinal)) + 1
            told.lines.append({"stream": f"Step {number}/{len(self._order)} : {vertex.text}"})
            told.lines.append({"stream": "\n"})
            self._flush()

    def log(self, vertex: Vertex, stream: int, data: bytes) -> None:
        """See Progress."""
        text = data.decode("utf-8", "replace")
        self._say(vertex, f"{_RED}{text}{_PLAIN}" if stream == STDERR else text)

    def moved(self, vertex: Vertex, what: str, current: int, total: int) -> None:
        """See Progress."""

    def ended(self, vertex: Vertex, *, cached: bool = False, error: str = "", reason: str = "") -> None:
        """See Progress."""
        if cached:
            self._say(vertex, " ---> Using cache\n")
        elif reason and self._explain:
            self._say(vertex, f" ---> Done because {reason}\n")
        if error and vertex.name.startswith(IMPORTING):
            self.warned(None, f"{vertex.name}: {error}: it is done without")
        if vertex.ordinal < 0:
            return
        if not error:
            self._say(vertex, f" ---> {vertex.digest.removeprefix('sha256:')[:12]}\n")
        told = self._place(vertex)
        if told is not None:
            told.done = True
            self._flush()

    def warned(self, vertex: Vertex | None, text: str, line: int = 0, breach: Breach | None = None) -> None:
        """See Progress."""
        where = f" (line {line})" if line else ""
        self._put({"stream": f"[Warning] {text}{where}\n"})

    def tell(self, message: Message) -> None:
        """Something that is said after all instructions, or of none."""
        self._waiting.append(message)
        self._some.set()

    def close_steps(self) -> None:
        """No more is said of instructions: what still waits is told."""
        for place in self._order[self._next :]:
            for message in self._told[place].lines:
                self._put(message)
            self._told[place].lines = []

    def close(self) -> None:
        """Nothing more comes."""
        self._some.set()
        self._closed.set()

    @property
    def over(self) -> bool:
        """Whether ``messages`` has given all there will be."""
        return self._closed.is_set() and not self._waiting

    async def messages(self) -> AsyncIterator[list[Message]]:
        """What is told, all that comes within a moment at once: a write costs both sides more than its messages."""
        while True:
            await self._some.wait()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await self._closed.wait()
            waiting, self._waiting = self._waiting, []
            closed = self._closed.is_set()
            self._some.clear()  # before the pause of `yield`, in which more may be told
            if waiting:
                yield waiting
            if closed:
                return

    def _place(self, vertex: Vertex) -> _Told | None:
        """Where it is told: triggers with the FROM that they belong to."""
        return self._told.get((vertex.stage, max(0, vertex.ordinal)))

    def _say(self, vertex: Vertex, text: str) -> None:
        told = self._place(vertex)
        if told is not None:
            told.lines.append({"stream": text})
            self._flush()

    def _flush(self) -> None:
        while self._next < len(self._order):
            told = self._told[self._order[self._next]]
            for message in told.lines:
                self._put(message)
            told.lines = []
            if not told.done:
                return
            self._next += 1

    def _put(self, message: Message) -> None:
        if not self._quiet:
            self.tell(message)
