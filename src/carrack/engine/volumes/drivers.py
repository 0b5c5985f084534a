"""The drivers of volumes of this daemon: the local one, and each plugin that says it is one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from carrack.engine.volumes.local import LocalDriver
from carrack.engine.volumes.plugin import CAPABILITY, PluginDriver
from carrack.engine.volumes.volume import LOCAL, About, Driver
from carrack.errors import CarrackError, NotFound

if TYPE_CHECKING:
    from carrack.engine.plugins.registry import Plugins


class Drivers:
    """Finds drivers by name. Without ``plugins`` there is only the local one."""

    def __init__(self, local: LocalDriver, plugins: Plugins | None = None) -> None:
        self.local = local
        self._plugins = plugins
        self._known: dict[str, PluginDriver] = {}

    async def get(self, name: str) -> Driver:
        """The driver of that name, "" for the local one. Raises NotFound, or what is wrong with the plugin."""
        if name in ("", LOCAL):
            return self.local
        told = f"error looking up volume plugin {name}: "
        if self._plugins is None:
            raise NotFound(f'{told}plugin "{name}" not found')
        try:
            plugin = await self._plugins.get(name, CAPABILITY)
        except CarrackError as error:
            raise type(error)(f"{told}{error}") from error
        known = self._known.get(name)
        if known is None or known.plugin is not plugin:
            known = self._known[name] = await PluginDriver(plugin).learn()
        return known

    async def plugins(self) -> tuple[dict[str, PluginDriver], list[str]]:
        """All plugins that are drivers, and what is wrong with others."""
        if self._plugins is None:
            return {}, []
        found, warnings = await self._plugins.all(CAPABILITY)
        drivers: dict[str, PluginDriver] = {}
        for plugin in found:
            driver = await self.get(plugin.name)
            if isinstance(driver, PluginDriver):
                drivers[plugin.name] = driver
        return drivers, warnings

    async def listed(self) -> tuple[dict[str, dict[str, About]], list[str]]:
        """What each plugin that answers has, by plugin and volume, and what is wrong with those that do not."""
        drivers, warnings = await self.plugins()
        answers = await asyncio.gather(*(driver.names() for driver in drivers.values()), return_exceptions=True)
        found: dict[str, dict[str, About]] = {}
        for name, answer in zip(drivers, answers, strict=True):
            if isinstance(answer, CarrackError):
                warnings.append(f"plugin {name}: {answer}")
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found[name] = answer
        return found, warnings

    def names(self) -> list[str]:
        """The drivers that are known by now: what `docker info` shows. Nobody is asked."""
        return [LOCAL, *(self._plugins.activated(CAPABILITY) if self._plugins is not None else ())]

    def scope(self, name: str) -> str:
        """The scope of a driver as far as it is known."""
        known = self._known.get(name)
        return known.scope if known is not None else LOCAL
