"""Keeps the build cache within its rules: some time after builds, and every hour for what only grows old."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from carrack.errors import CarrackError

if TYPE_CHECKING:
    from carrack.engine.build.prune import BuildCache

log = logging.getLogger(__name__)

PERIOD = 3600.0
REST = 60.0


async def tend(cache: BuildCache, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
    """Until it is cancelled. Builds come in crowds: their cache is looked at once a REST."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(PERIOD):
                await cache.grown.wait()
        await sleep(REST)
        cache.grown.clear()
        try:
            await cache.collect()
        except (CarrackError, OSError) as error:
            log.warning("the build cache is not collected: %s", error)
