"""What a build tells, as BuildKit's status messages: kept from the beginning, for whoever asks whenever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from carrack.model import times

if TYPE_CHECKING:
    from carrack.dockerfile.checks import Breach
    from carrack.engine.build.progress import Vertex

Message = dict[str, Any]
_MOST_LOG = 2 << 20  # bytes kept of one build's output, for who comes late


class Watching:
    """See Progress of carrack.engine.build."""

    def __init__(self) -> None:
        self._name = "Dockerfile"
        self._source = b""
        self._told: list[Message] = []
        self._started: dict[str, Message] = {}
        self._news = asyncio.Event()
        self._ended = False
        self._logged = 0

    def reads(self, name: str, source: bytes) -> None:
        """Which Dockerfile it is, to show the lines that warnings are about."""
        self._name, self._source = name, source

    async def messages(self) -> AsyncIterator[Message]:
        """All that was told, and what will be, until the build is over."""
        at = 0
        while True:
            while at < len(self._told):
                yield self._told[at]
                at += 1
            if self._ended:
                return
            await self._news.wait()

    def close(self) -> None:
        """Nothing more is told."""
        self._ended = True
        self._wake()

    def started(self, vertex: Vertex) -> None:
        """See Progress."""
        if not vertex.quiet:
            message = {"digest": vertex.digest, "inputs": list(vertex.inputs), "name": vertex.name, "started": now()}
            self._started[vertex.digest] = message
            self._tell({"vertexes": [message]})

    def log(self, vertex: Vertex, stream: int, data: bytes) -> None:
        """See Progress."""
        self._logged += len(data)
        if self._logged <= _MOST_LOG:
            self._tell({"logs": [{"vertex": vertex.digest, "timestamp": now(), "stream": stream, "msg": data}]})

    def moved(self, vertex: Vertex, what: str, current: int, total: int) -> None:
        """See Progress."""
        began = self._started.get(vertex.digest, {}).get("started") or now()
        status = {"ID": what, "vertex": vertex.digest, "name": what, "current": current, "total": total}
        status |= {"timestamp": now(), "started": began, "completed": now() if total and current >= total else None}
        self._tell({"statuses": [status]})

    def ended(self, vertex: Vertex, *, cached: bool = False, error: str = "", reason: str = "") -> None:
        """See Progress."""
        if not vertex.quiet:
            message = self._started.get(vertex.digest, {"digest": vertex.digest, "name": vertex.name, "started": now()})
            self._tell({"vertexes": [{**message, "completed": now(), "cached": cached, "error": error}]})

    def warned(self, vertex: Vertex | None, text: str, line: int = 0, breach: Breach | None = None) -> None:
        """See Progress."""
        digest = vertex.digest if vertex is not None else next(iter(self._started), "")
        shown = f"{text} (line {line})" if line else text
        warning: Message = {"vertex": digest, "level": 1, "short": shown.encode()}
        if breach is not None:
            warning |= {"detail": [breach.rule.description.encode()], "url": breach.rule.url}
        if line:
            end = breach.place.end if breach is not None else line
            warning["info"] = {"filename": self._name, "data": self._source, "language": "Dockerfile"}
            warning["ranges"] = [{"start": {"line": line}, "end": {"line": end}}]
        self._tell({"warnings": [warning]})

    def _tell(self, message: Message) -> None:
        self._told.append(message)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


def now() -> Message:
    """The time as a Timestamp."""
    seconds, nanos = divmod(times.now(), 1_000_000_000)
    return {"seconds": seconds, "nanos": nanos}
