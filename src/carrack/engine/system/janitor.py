"""Runs the garbage collection by itself: every hour by the rules of the configuration, and as soon as room runs out.

Once a minute it looks at the free space (one system call) and writes down which images are in use. A run that could not
make enough room is not repeated before the hour is over.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from carrack.errors import CarrackError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from carrack.engine.images.keeper import Keeper

log = logging.getLogger(__name__)

GLANCE = 60.0
PERIOD = 3600.0


class Janitor:
    """One for a daemon. Times in seconds; ``sleep`` is for tests."""

    def __init__(self, keeper: Keeper, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._keeper = keeper
        self._sleep = sleep
        self._left = 0.0
        self._in_vain = False

    async def run(self) -> None:
        """Until it is cancelled. The first run is after the first glance, so that a start is not held up."""
        while True:
            await self._sleep(GLANCE)
            self._left -= GLANCE
            try:
                await self.glance()
            except (OSError, CarrackError) as error:
                log.warning("garbage collection failed, and is tried again in %d minutes: %s", PERIOD // 60, error)

    async def glance(self) -> None:
        """Note what is in use, and collect when it is time to."""
        keeper = self._keeper
        await keeper.note_uses()
        await keeper.tidy()
        short = not self._in_vain and keeper.short_of_room()
        if not keeper.rules or not (short or self._left <= 0):
            return
        self._left = PERIOD
        outcome = await keeper.run(keeper.rules)
        self._in_vain = keeper.short_of_room()
        for note in outcome.plan.notes:
            log.warning("garbage collection cannot do what its rules want: %s", note)
