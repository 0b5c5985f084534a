"""What a pull or push tells its client: the stages of each layer in order, and between them how far it is.

Whoever does the work posts and goes on; one task hands the messages out, as fast as the client takes them. Of the
counts that a slow client has not seen yet, only the last of each layer is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from carrack.engine.images import progress

if TYPE_CHECKING:
    from carrack.engine.images.progress import Emit, Message

_PAUSE = 0.1  # seconds between two counts of one layer


class Board:
    """The messages not handed out yet, by the order in which they came."""

    def __init__(self) -> None:
        self._waiting: list[Message] = []
        self._counts: dict[str, Message] = {}  # those of _waiting that a newer count may replace
        self._said: dict[str, float] = {}
        self._news = asyncio.Event()
        self._ended = False

    def stage(self, text: str, name: str) -> None:
        """A layer (by its short id) comes to a new stage."""
        self._counts.pop(name, None)
        self._post({"status": text, "progressDetail": {}, "id": name})

    def count(self, text: str, name: str, current: int, total: int) -> None:
        """So many bytes of a layer's stage are done; told at times, and at the end."""
        now = time.monotonic()
        if current < total and now - self._said.get(name, 0.0) < _PAUSE:
            return
        self._said[name] = now
        message = progress.layer(text, name, current, total)
        waiting = self._counts.get(name)
        if waiting is not None:
            waiting.update(message)
            return
        self._counts[name] = message
        self._post(message)

    def line(self, text: str, name: str = "") -> None:
        """A line of its own."""
        self._post({"status": text, "id": name} if name else {"status": text})

    def _post(self, message: Message) -> None:
        self._waiting.append(message)
        self._news.set()

    @asynccontextmanager
    async def handed_out(self, emit: Emit) -> AsyncIterator[Board]:
        """While inside, and before it is left, everything posted goes to `emit`, whose failure ends the work inside."""
        failure = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._hand_out(emit))
                try:
                    yield self
                except Exception as error:
                    failure = error
                self._ended = True
                self._news.set()
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        if failure is not None:
            raise failure

    async def _hand_out(self, emit: Emit) -> None:
        while not self._ended or self._waiting:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                message = self._waiting.pop(0)
                if self._counts.get(message.get("id", "")) is message:
                    del self._counts[message["id"]]
                await emit(message)
