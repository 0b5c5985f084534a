"""Messages of long jobs, one JSON object a line, as Docker's clients draw them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from carrack.errors import words

Message = dict[str, Any]
Emit = Callable[[Message], Awaitable[None]]

_WIDTH = 50
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


async def silent(message: Message) -> None:
    """An Emit that says nothing."""


class Line:
    """One client's stream of messages, for several to speak on at once."""

    def __init__(self, emit: Emit) -> None:
        self._emit = emit
        self._turn = asyncio.Lock()

    async def say(self, message: Message) -> None:
        async with self._turn:
            await self._emit(message)

    async def step(self, status: str, name: str) -> None:
        """A layer (`name` is its short id) has come to a new stage."""
        await self.say({"status": status, "progressDetail": {}, "id": name})


def line(text: str) -> Message:
    """A line of plain output."""
    return {"stream": text if text.endswith("\n") else text + "\n"}


def failure(error: BaseException) -> Message:
    """The last message of a job that failed after its answer had begun."""
    return {"errorDetail": {"message": words(error)}, "error": words(error)}


def layer(status: str, name: str, current: int, total: int) -> Message:
    """How far one layer is; `name` is its short id."""
    shown = {"current": current, "total": total}
    return {"status": status, "progressDetail": shown, "progress": _bar(current, total), "id": name}


def size_text(size: float) -> str:
    """Bytes as Docker shows them: four significant figures, thousands."""
    unit = 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{size:.4g}{_UNITS[unit]}"


def _bar(current: int, total: int) -> str:
    if total <= 0:
        return size_text(current)
    done = min(_WIDTH, current * _WIDTH // total)
    bar = "=" * done + ">" + " " * (_WIDTH - done)
    return f"[{bar[: _WIDTH + 1] if done < _WIDTH else '=' * _WIDTH + '>'}] {size_text(current):>8}/{size_text(total)}"
