"""A build told from its beginning, for whoever asks whenever: who watches it now, and its history later.

What is told is a list of events, plain documents that can be kept as lines of JSON::

    {"do": "start", "at": …, "vertex": digest, "name": "[2/3] RUN make", "inputs": [digests]}
    {"do": "log",   "at": …, "vertex": digest, "stream": 1, "text": "…"}
    {"do": "move",  "at": …, "vertex": digest, "what": "layer …", "current": 1, "total": 2, "began": …}
    {"do": "end",   "at": …, "vertex": digest, "name": …, "inputs": …, "began": …, "cached": …, "error": …, "reason": …}
    {"do": "warn",  "at": …, "vertex": digest, "text": …, "line": 3, "end": 3, "about": …, "url": …}
    {"do": "file",  "at": …, "name": "Dockerfile", "text": "…"}

Times are nanoseconds since 1970; texts that are no UTF-8 have surrogates (``surrogateescape``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carrack.dockerfile.problem import DockerfileError, Place
from carrack.errors import redacted
from carrack.model import times

if TYPE_CHECKING:
    from carrack.dockerfile.checks import Breach
    from carrack.engine.build.progress import Progress, Vertex

Event = dict[str, Any]
_MOST_LOG = 2 << 20  # bytes kept of one build's output
_MOST_EVENTS = 50_000
_OURS = ("name", "error", "what", "text")  # what may have addresses with passwords, and is nobody's output or file
_BURST = 0.01  # what shows builds looks no oftener than every tenth of a second
_OFTEN = 50_000_000  # ns: how soon the same thing is told to have moved again
_TRUNCATED = "\n[the rest of this build's output is not kept]\n"


@dataclass(frozen=True, slots=True)
class Culprit:
    """The lines of a Dockerfile that a build has failed of."""

    name: str
    source: bytes
    place: Place


class Recording:
    """See Progress. All is kept in memory until nobody holds it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._started: dict[str, Event] = {}
        self._moved: dict[tuple[str, str], int] = {}
        self._news = asyncio.Event()
        self._over = asyncio.Event()
        self._logged = 0
        self._file = ("", b"")
        self._failed: Place | None = None

    async def follow(self) -> AsyncIterator[Event]:
        """All that was told, and what will be, until the build is over."""
        async for burst in self.bursts(0):
            for event in burst:
                yield event

    async def bursts(self, gathered: float = _BURST) -> AsyncIterator[list[Event]]:
        """The same, with what is told within so many seconds together; the end is not waited with."""
        at = 0
        while True:
            while burst := self.events[at:]:
                at += len(burst)
                yield burst
            if self._over.is_set():
                return
            await self._news.wait()
            if gathered:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(gathered):
                        await self._over.wait()

    def close(self) -> None:
        """Nothing more is told."""
        self._over.set()
        self._wake()

    def reads(self, name: str, source: bytes) -> None:
        """Which Dockerfile it is, to show the lines that warnings are about."""
        self._tell("file", name=name, text=_text(source))
        self._file = (name, source)

    def culprit(self, error: BaseException) -> Culprit | None:
        """Where in the Dockerfile it is that the build has failed of, if it is there."""
        place = error.place if isinstance(error, DockerfileError) else self._failed
        return Culprit(*self._file, place) if place is not None and self._file[1] else None

    def started(self, vertex: Vertex) -> None:
        """See Progress."""
        if not vertex.quiet:
            self._tell("start", vertex.digest, name=vertex.name, inputs=list(vertex.inputs))
            self._started[vertex.digest] = self.events[-1]

    def log(self, vertex: Vertex, stream: int, data: bytes) -> None:
        """See Progress."""
        before, self._logged = self._logged, self._logged + len(data)
        if self._logged <= _MOST_LOG:
            self._tell("log", vertex.digest, stream=stream, text=_text(data))
        elif before <= _MOST_LOG:
            self._tell("log", vertex.digest, stream=stream, text=_TRUNCATED)

    def moved(self, vertex: Vertex, what: str, current: int, total: int) -> None:
        """See Progress. What moves all the time is told of now and then."""
        now, key = times.now(), (vertex.digest, what)
        if not (total and current >= total) and now - self._moved.get(key, 0) < _OFTEN:
            return
        self._moved[key] = now
        began = self._started.get(vertex.digest, {}).get("at", now)
        self._tell("move", vertex.digest, what=what, current=current, total=total, began=began)

    def ended(self, vertex: Vertex, *, cached: bool = False, error: str = "", reason: str = "") -> None:
        """See Progress."""
        if not vertex.quiet:
            began = self._started.pop(vertex.digest, {}).get("at", times.now())
            told = {"name": vertex.name, "inputs": list(vertex.inputs), "began": began}
            self._tell("end", vertex.digest, **told, cached=cached, error=error, reason=reason)
        if error and error != "canceled":
            self._failed = self._failed or vertex.place

    def warned(self, vertex: Vertex | None, text: str, line: int = 0, breach: Breach | None = None) -> None:
        """See Progress."""
        digest = vertex.digest if vertex is not None else next(iter(self.begun()), "")
        about = {} if breach is None else {"about": breach.rule.description, "url": breach.rule.url}
        end = line if breach is None else breach.place.end
        self._tell("warn", digest, text=text, line=line, end=end, **about)

    def begun(self) -> Iterable[str]:
        """The digests of all vertices, in the order of their starts."""
        return [event["vertex"] for event in self.events if event["do"] == "start"]

    def _tell(self, do: str, vertex: str = "", **more: Any) -> None:
        if do not in ("log", "file"):
            more |= {key: redacted(more[key]) for key in _OURS if key in more}
        if len(self.events) < _MOST_EVENTS or do in ("start", "end"):
            self.events.append({"do": do, "at": times.now(), "vertex": vertex, **more})
            self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


@dataclass(slots=True)
class Step:
    """A vertex as it turned out; ``ended`` is 0 while it goes on. Times in nanoseconds since 1970."""

    digest: str
    name: str
    inputs: tuple[str, ...]
    started: int
    ended: int = 0
    cached: bool = False
    error: str = ""
    reason: str = ""


def graph(events: Iterable[Event]) -> list[Step]:
    """The vertices of a build, in the order of their starts."""
    steps: dict[str, Step] = {}
    for event in events:
        if event["do"] == "start":
            steps.setdefault(event["vertex"], Step(event["vertex"], event["name"], tuple(event["inputs"]), event["at"]))
        elif event["do"] == "end":
            step = steps.setdefault(
                event["vertex"], Step(event["vertex"], event["name"], tuple(event["inputs"]), event["began"])
            )
            step.ended, step.cached = event["at"], event["cached"]
            step.error, step.reason = event["error"], event["reason"]
    return list(steps.values())


class Both:
    """See Progress: tells two."""

    def __init__(self, first: Progress, second: Progress) -> None:
        self._both = (first, second)

    def started(self, vertex: Vertex) -> None:
        """See Progress."""
        for each in self._both:
            each.started(vertex)

    def log(self, vertex: Vertex, stream: int, data: bytes) -> None:
        """See Progress."""
        for each in self._both:
            each.log(vertex, stream, data)

    def moved(self, vertex: Vertex, what: str, current: int, total: int) -> None:
        """See Progress."""
        for each in self._both:
            each.moved(vertex, what, current, total)

    def ended(self, vertex: Vertex, *, cached: bool = False, error: str = "", reason: str = "") -> None:
        """See Progress."""
        for each in self._both:
            each.ended(vertex, cached=cached, error=error, reason=reason)

    def warned(self, vertex: Vertex | None, text: str, line: int = 0, breach: Breach | None = None) -> None:
        """See Progress."""
        for each in self._both:
            each.warned(vertex, text, line, breach)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
