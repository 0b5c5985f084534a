"""What `docker info` and `docker version` show: the engine's settings, its counts, and the host's facts."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from carrack import __version__
from carrack.engine import cdi
from carrack.engine.system.host import Host
from carrack.model import times
from carrack.oci import platform

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many containers are in which state, and how many images there are."""

    running: int = 0
    paused: int = 0
    stopped: int = 0
    images: int = 0


@dataclass(frozen=True, slots=True)
class Settings:
    """What stays as it is while the daemon runs. `pools` are (base, size) of the default address pools."""

    id: str
    data_root: str
    driver: str
    driver_status: tuple[tuple[str, str], ...] = ()
    cgroup_driver: str = "cgroupfs"
    init_binary: str = ""
    labels: tuple[str, ...] = ()
    debug: bool = False
    live_restore: bool = False
    experimental: bool = False
    firewall: str = "nftables"
    networks: tuple[str, ...] = ("bridge", "host", "ipvlan", "macvlan", "null")
    logs: tuple[str, ...] = ("fluentd", "gelf", "journald", "json-file", "local", "splunk", "syslog")
    log_driver: str = "json-file"
    pools: tuple[tuple[str, int], ...] = ()
    cdi_directories: tuple[str, ...] = ()
    security: tuple[str, ...] = ("name=seccomp,profile=builtin", "name=cgroupns")
    warnings: tuple[str, ...] = ()
    authorization: Callable[[], Sequence[str]] = tuple
    registries: Document = field(default_factory=dict)
    proxies: Mapping[str, str] = field(default_factory=dict)


class SystemInfo:
    """Answers for the engine as a whole."""

    def __init__(
        self,
        settings: Settings,
        *,
        counts: Callable[[], Awaitable[Counts]],
        listeners: Callable[[], int],
        api_version: str,
        minimum_api_version: str,
        runtimes: Callable[[], tuple[Document, str]] = lambda: ({"carrack": {"path": "carrack-runtime"}}, "carrack"),
        host: Host | None = None,
        volume_drivers: Callable[[], Sequence[str]] = lambda: ("local",),
    ) -> None:
        self._settings = settings
        self._counts = counts
        self._listeners = listeners
        self._api_version = api_version
        self._minimum = minimum_api_version
        self._runtimes = runtimes
        self._host = host or Host()
        self._volume_drivers = volume_drivers

    @property
    def settings(self) -> Settings:
        """What is told as it stands."""
        return self._settings

    def change(self, settings: Settings) -> None:
        """Tell these settings from now on, after the configuration was reloaded."""
        self._settings = settings

    async def info(self) -> Document:
        """The Engine API's SystemInfo."""
        limits = self._host.limits()
        return {
            **self._of_objects(await self._counts()),
            "MemoryLimit": limits.memory,
            "SwapLimit": limits.swap,
            "KernelMemoryTCP": False,
            "CpuCfsPeriod": limits.cpu_quota,
            "CpuCfsQuota": limits.cpu_quota,
            "CPUShares": limits.cpu_shares,
            "CPUSet": limits.cpuset,
            "PidsLimit": limits.pids,
            "OomKillDisable": limits.oom_kill_disable,
            "CgroupVersion": str(limits.cgroup_version),
            **self._of_host(),
            **self._of_settings(),
            **await asyncio.to_thread(self._of_devices),
            "Warnings": [*limits.warnings(), *self._settings.warnings] or None,
        }

    def _of_devices(self) -> Document:
        """Where device specs are looked for, and what they describe; without any the field is left out, as Docker's."""
        directories = self._settings.cdi_directories
        found = [{"Source": "cdi", "ID": name} for name in sorted(cdi.read(directories).devices)]
        return {"CDISpecDirs": list(directories), **({"DiscoveredDevices": found} if found else {})}

    def version(self) -> Document:
        """The Engine API's SystemVersion."""
        architecture = platform.of_machine(self._host.machine()).architecture
        engine = {
            "ApiVersion": self._api_version,
            "Arch": architecture,
            "BuildTime": "",
            "Experimental": str(self._settings.experimental).lower(),
            "GitCommit": "",
            "GoVersion": f"none, Python {sys.version.split()[0]}",
            "KernelVersion": self._host.kernel_version(),
            "MinAPIVersion": self._minimum,
            "Os": "linux",
        }
        own = {"Name": "carrack-runtime", "Version": __version__, "Details": {"GitCommit": ""}}
        return {
            "Platform": {"Name": "Carrack"},
            "Components": [{"Name": "Engine", "Version": __version__, "Details": engine}, own],
            "Version": __version__,
            "ApiVersion": self._api_version,
            "MinAPIVersion": self._minimum,
            "GitCommit": "",
            "GoVersion": engine["GoVersion"],
            "Os": "linux",
            "Arch": architecture,
            "KernelVersion": engine["KernelVersion"],
            **({"Experimental": True} if self._settings.experimental else {}),
            "BuildTime": "",
        }

    def _of_objects(self, counts: Counts) -> Document:
        settings = self._settings
        return {
            "ID": settings.id,
            "Containers": counts.running + counts.paused + counts.stopped,
            "ContainersRunning": counts.running,
            "ContainersPaused": counts.paused,
            "ContainersStopped": counts.stopped,
            "Images": counts.images,
            "Driver": settings.driver,
            "DriverStatus": [list(pair) for pair in settings.driver_status],
            "Plugins": {
                "Volume": list(self._volume_drivers()),
                "Network": list(settings.networks),
                "Authorization": list(settings.authorization()) or None,
                "Log": list(settings.logs),
            },
        }

    def _of_host(self) -> Document:
        name, version = self._host.operating_system()
        return {
            "IPv4Forwarding": self._host.ip_forwarding(),
            "NFd": self._host.open_files(),
            "NGoroutines": len(asyncio.all_tasks()),
            "SystemTime": times.rfc3339(times.now()),
            "NEventsListener": self._listeners(),
            "KernelVersion": self._host.kernel_version(),
            "OperatingSystem": name,
            "OSVersion": version,
            "OSType": "linux",
            "Architecture": self._host.machine(),
            "NCPU": self._host.processors(),
            "MemTotal": self._host.memory_total(),
            "Name": self._host.hostname(),
        }

    def _of_settings(self) -> Document:
        settings = self._settings
        runtimes, default = self._runtimes()
        pools = [{"Base": base, "Size": size} for base, size in settings.pools]
        return {
            "Debug": settings.debug,
            "LoggingDriver": settings.log_driver,
            "CgroupDriver": settings.cgroup_driver,
            "IndexServerAddress": "https://index.docker.io/v1/",
            "RegistryConfig": settings.registries,
            "GenericResources": None,
            "DockerRootDir": settings.data_root,
            "HttpProxy": settings.proxies.get("http_proxy", ""),
            "HttpsProxy": settings.proxies.get("https_proxy", ""),
            "NoProxy": settings.proxies.get("no_proxy", ""),
            "Labels": list(settings.labels),
            "ExperimentalBuild": settings.experimental,
            "ServerVersion": __version__,
            "Runtimes": runtimes,
            "DefaultRuntime": default,
            "Swarm": _NO_SWARM,
            "LiveRestoreEnabled": settings.live_restore,
            "Isolation": "",
            "InitBinary": settings.init_binary,
            "ContainerdCommit": {"ID": ""},
            "RuncCommit": {"ID": ""},
            "InitCommit": {"ID": ""},
            "SecurityOptions": list(settings.security),
            **({"DefaultAddressPools": pools} if pools else {}),
            "FirewallBackend": {"Driver": settings.firewall},
        }


_NO_SWARM = {
    "NodeID": "",
    "NodeAddr": "",
    "LocalNodeState": "inactive",
    "ControlAvailable": False,
    "Error": "",
    "RemoteManagers": None,
}
