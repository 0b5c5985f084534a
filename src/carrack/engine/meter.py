"""How long the daemon's actions take, for its metrics. What is not switched on is not there: it costs nothing."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from carrack.model.exposition import Histogram

T = TypeVar("T")


class Meter:
    """Histograms by family and action, such as ``container`` and ``start``."""

    def __init__(self, *, on: bool) -> None:
        self.on = on
        self.families: dict[str, dict[str, Histogram]] = {}

    def timed(self, thing: T, family: str, **actions: str) -> T:
        """``thing`` itself, whose methods named in ``actions`` are timed as the actions that these are called.

        As with dockerd only what succeeds is counted. When the meter is off the methods are left as they are.
        """
        if self.on:
            for method, action in actions.items():
                setattr(thing, method, _timed(getattr(thing, method), self.histogram(family, action)))
        return thing

    def histogram(self, family: str, action: str) -> Histogram:
        """The histogram of one action."""
        return self.families.setdefault(family, {}).setdefault(action, Histogram())


def _timed(method: Callable[..., Awaitable[Any]], histogram: Histogram) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(method)
    async def timed(*arguments: Any, **named: Any) -> Any:
        started = time.monotonic()
        result = await method(*arguments, **named)
        histogram.observe(time.monotonic() - started)
        return result

    return timed
