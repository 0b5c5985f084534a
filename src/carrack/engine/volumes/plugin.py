"""Volumes that a plugin keeps: Docker's VolumeDriver protocol, with what it answers checked before it is used."""

from __future__ import annotations

from typing import Any

from carrack.engine.plugins.client import Plugin, text
from carrack.engine.volumes.volume import LOCAL, About, Volume
from carrack.errors import Internal, NotFound

CAPABILITY = "VolumeDriver"
LONG, SHORT = 120.0, 60.0
"""Seconds that a plugin has for making and mounting, and for everything else; as in Docker."""

_MOST_VOLUMES = 10_000
_MOST_NAME = 255


class PluginDriver:
    """One plugin as a driver."""

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin
        self.scope = LOCAL

    async def learn(self) -> PluginDriver:
        """Ask for the scope; a plugin that does not know the question has the local one."""
        try:
            answer = await self._call("Capabilities", {}, SHORT)
        except Internal:
            return self
        capabilities = answer.get("Capabilities")
        scope = capabilities.get("Scope") if isinstance(capabilities, dict) else ""
        self.scope = "global" if str(scope).lower() == "global" else LOCAL
        return self

    async def create(self, name: str, options: dict[str, str]) -> None:
        """See Driver."""
        await self._call("Create", {"Name": name, "Opts": options or None}, LONG)

    async def remove(self, volume: Volume) -> None:
        """See Driver."""
        await self._call("Remove", {"Name": volume.name}, SHORT)

    def needs_mount(self, volume: Volume) -> bool:
        """See Driver."""
        return True

    async def mount(self, volume: Volume, holder: str) -> str:
        """See Driver."""
        answer = await self._call("Mount", {"Name": volume.name, "ID": holder}, LONG)
        path = text(self.plugin, "VolumeDriver.Mount", answer, "Mountpoint")
        if not path.startswith("/"):
            told = f"plugin {self.plugin.name}: VolumeDriver.Mount: the mountpoint {path[:200]!r} is no absolute path"
            raise Internal(f"error while mounting volume '{volume.name}': {told}")
        return path

    async def unmount(self, volume: Volume, holder: str, *, last: bool) -> None:
        """See Driver."""
        await self._call("Unmount", {"Name": volume.name, "ID": holder}, SHORT)

    async def about(self, volume: Volume) -> About:
        """See Driver."""
        try:
            answer = await self._call("Get", {"Name": volume.name}, SHORT)
        except Internal as error:
            raise NotFound(str(error)) from error
        found = answer.get("Volume")
        if not isinstance(found, dict):
            raise NotFound(f"plugin {self.plugin.name} has no volume {volume.name}")
        status = found.get("Status")
        return About(
            text(self.plugin, "VolumeDriver.Get", found, "Mountpoint"),
            text(self.plugin, "VolumeDriver.Get", found, "CreatedAt") or "0001-01-01T00:00:00Z",
            status if isinstance(status, dict) else None,
        )

    async def names(self) -> dict[str, About]:
        """All volumes that the plugin has."""
        answer = await self._call("List", {}, SHORT)
        volumes = answer.get("Volumes") or []
        if not isinstance(volumes, list) or len(volumes) > _MOST_VOLUMES:
            raise Internal(f"plugin {self.plugin.name}: VolumeDriver.List: its answer is no list of volumes")
        found: dict[str, About] = {}
        for entry in volumes:
            if isinstance(entry, dict) and isinstance(entry.get("Name"), str) and 0 < len(entry["Name"]) <= _MOST_NAME:
                created = text(self.plugin, "VolumeDriver.List", entry, "CreatedAt") or "0001-01-01T00:00:00Z"
                place = text(self.plugin, "VolumeDriver.List", entry, "Mountpoint")
                found[entry["Name"]] = About(place, created)
        return found

    async def _call(self, method: str, document: dict[str, Any], timeout: float) -> dict[str, Any]:
        answer = await self.plugin.call(f"VolumeDriver.{method}", document, timeout=timeout)
        if told := text(self.plugin, f"VolumeDriver.{method}", answer, "Err"):
            raise Internal(told)
        return answer
