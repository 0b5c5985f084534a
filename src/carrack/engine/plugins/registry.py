"""The plugins of this daemon: looked up by name and by what they implement, activated at first use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from carrack.engine.plugins import client, discovery
from carrack.engine.plugins.client import Plugin
from carrack.errors import CarrackError, NotFound

FORGIVEN = 10.0
"""Seconds after which a plugin that did not answer is asked again when all are."""


class Plugins:
    """Finds, activates and remembers plugins. ``directories`` are searched anew at each look-up."""

    def __init__(
        self, directories: Sequence[str] = discovery.DIRECTORIES, *, patience: float = client.PATIENCE
    ) -> None:
        self._directories = tuple(directories)
        self._patience = patience
        self._known: dict[str, Plugin] = {}
        self._failed: dict[str, tuple[float, CarrackError]] = {}

    async def get(self, name: str, capability: str) -> Plugin:
        """The activated plugin ``name``, which implements ``capability`` (``VolumeDriver``, ``authz``, …).

        Raises NotFound, or Unavailable and Internal for one that does not answer as it should.
        """
        plugin = await self._find(name)
        if capability not in await plugin.activate():
            raise NotFound(f'plugin "{name}" does not implement {capability}')
        return plugin

    async def all(self, capability: str) -> tuple[list[Plugin], list[str]]:
        """All plugins that implement ``capability``, and what is wrong with those that do not answer.

        One that has just failed is not waited for again and again: whoever wants it by its name asks it anew.
        """
        names = await asyncio.to_thread(discovery.scan, self._directories)
        results = await asyncio.gather(*(self._try(name, capability) for name in names), return_exceptions=True)
        found, warnings = [], []
        for name, result in zip(names, results, strict=True):
            if isinstance(result, Plugin):
                found.append(result)
            elif isinstance(result, CarrackError):
                if not isinstance(result, NotFound):
                    warnings.append(f"plugin {name}: {result}")
            else:
                raise result
        return found, warnings

    async def _try(self, name: str, capability: str) -> Plugin:
        until, failure = self._failed.get(name, (0.0, None))
        if failure is not None and time.monotonic() < until:
            raise failure
        self._failed.pop(name, None)
        try:
            return await self.get(name, capability)
        except NotFound:
            raise
        except CarrackError as error:
            self._failed[name] = time.monotonic() + FORGIVEN, error
            raise

    def activated(self, capability: str) -> list[str]:
        """The names of plugins that are known to implement ``capability``; nobody is asked."""
        return sorted(plugin.name for plugin in self._known.values() if capability in plugin.implements)

    async def _find(self, name: str) -> Plugin:
        try:
            peer = await asyncio.to_thread(discovery.find, self._directories, name)
        except NotFound:
            self._known.pop(name, None)
            raise
        known = self._known.get(name)
        if known is None or known.peer != peer:
            known = self._known[name] = Plugin(name, peer, patience=self._patience)
        return known
