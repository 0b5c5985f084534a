"""The one place that constructs the services and hands them to each other."""

from __future__ import annotations

from collections.abc import Sequence

from carrack.api import versions
from carrack.api.app import Route
from carrack.api.routes import system
from carrack.daemon.config import Config
from carrack.engine.events import Events
from carrack.engine.system.identity import engine_id
from carrack.engine.system.info import Counts, Settings, SystemInfo
from carrack.engine.system.usage import DiskUsage, Sources


class Services:
    """Everything that runs in the daemon, from `start` to `stop`."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.events = Events()
        self.info = SystemInfo(
            _settings(config),
            counts=self._counts,
            listeners=lambda: self.events.listeners,
            api_version=versions.text(versions.CURRENT),
            minimum_api_version=versions.text(versions.MINIMUM),
        )
        self.usage = DiskUsage(Sources(_nothing, _nothing, _nothing, _no_bytes))

    @property
    def routes(self) -> Sequence[Route]:
        """All route tables in one."""
        return system.routes(self)

    async def start(self) -> None:
        """Take up what the last daemon left."""

    async def stop_containers(self, timeout: float | None) -> None:
        """A clean stop without live-restore: end every container, each within `timeout` seconds (None: no limit)."""

    async def stop(self) -> None:
        """End the services; running containers go on."""

    def reload(self, config: Config) -> None:
        """Take the reloadable options of `config` over."""
        self._config = config

    async def _counts(self) -> Counts:
        return Counts()


def build(config: Config) -> Services:
    """The services of one daemon; nothing runs yet. Raises OSError when the data root cannot be used."""
    return Services(config)


def _settings(config: Config) -> Settings:
    return Settings(
        id=engine_id(config.data_root),
        data_root=str(config.data_root),
        driver=config.storage_driver or "erofs",
        labels=config.labels,
        debug=config.debug,
        live_restore=config.live_restore,
        pools=config.address_pools,
    )


async def _nothing() -> list[dict[str, object]]:
    return []


async def _no_bytes() -> int:
    return 0
