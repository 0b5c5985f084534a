"""Tells when somebody who follows a log has seen all of it: what a test writes then is news, however slow all is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from carrack.engine.containers.watch import Watch


class Follower:
    """Watches the only one who follows: he has seen everything when he begins to wait for changes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._waits = asyncio.Event()
        changed = Watch.changed

        async def telling(watch: Watch, *others: asyncio.Future[Any], timeout: float | None = None) -> None:
            self._waits.set()
            await changed(watch, *others, timeout=timeout)

        monkeypatch.setattr(Watch, "changed", telling)

    async def after(self, step: Callable[[], object] = lambda: None) -> None:
        """Do something to the log, and come back when it has been seen; without anything, when he has begun."""
        self._waits.clear()
        step()
        await self._waits.wait()
