"""What this host and this configuration are to the services: facts of specs, what `info` tells."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from carrack.daemon import registry_options, remap
from carrack.daemon.config import Config
from carrack.daemon.confinement import load_profile, security_options
from carrack.daemon.listen import warnings
from carrack.engine.discards import lacking
from carrack.engine.spec import HostFacts
from carrack.engine.system.host import init_binary
from carrack.engine.system.identity import engine_id
from carrack.engine.system.info import Settings
from carrack.linux import mount
from carrack.linux.caps import last_cap
from carrack.linux.syscalls import LINUX
from carrack.runtime.cgroups.abilities import find
from carrack.runtime.cgroups.hierarchy import detect
from carrack.storage.snapshots.base import Snapshotter

_FILE_SYSTEMS = {
    mount.EXT4_SUPER_MAGIC: "extfs", mount.XFS_SUPER_MAGIC: "xfs", mount.BTRFS_SUPER_MAGIC: "btrfs",
    mount.TMPFS_MAGIC: "tmpfs", mount.OVERLAYFS_SUPER_MAGIC: "overlayfs",
}  # fmt: skip


def host_facts(config: Config) -> HostFacts:
    """What specs need to know of this host. The profile that containers run under is loaded, as everybody expects."""
    load_profile(config.containers.security.apparmor)
    thermal = sorted(str(path) for path in Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle"))
    init_path = config.init_path or init_binary()
    return HostFacts(
        last_cap(), detect().version, tuple(thermal), init_path, config.containers, config.cdi_directories,
        remap.load(config.userns_remap), find(),
    )  # fmt: skip


def info_settings(
    config: Config, snapshotter: Snapshotter, facts: HostFacts, authorization: Callable[[], Sequence[str]]
) -> Settings:
    """What `info` tells as it stands. ``authorization``: the names of the plugins that are asked now."""
    return Settings(
        id=engine_id(config.data_root),
        data_root=str(config.data_root),
        driver=snapshotter.name,
        driver_status=(("Backing Filesystem", file_system(config.data_root)),),
        labels=config.labels,
        debug=config.debug,
        live_restore=config.live_restore,
        experimental=config.experimental,
        pools=config.network.pools,
        init_binary=facts.init_path or "",
        security=security_options(facts),
        cdi_directories=config.cdi_directories,
        warnings=(*lacking(facts.abilities, facts.cgroup_version), *warnings(config)),
        authorization=authorization,
        log_driver=config.containers.log_driver,
        registries=registry_options.document(config.registry),
        proxies=registry_options.shown_proxies(config.registry),
    )


def reloaded(settings: Settings, config: Config) -> Settings:
    """The same after the configuration was read again."""
    return replace(
        settings,
        labels=config.labels,
        debug=config.debug,
        live_restore=config.live_restore,
        log_driver=config.containers.log_driver,
        registries=registry_options.document(config.registry),
    )


def file_system(path: Path) -> str:
    """The kind of the file system at ``path``, by Docker's names; "<unknown>" for others."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        return _FILE_SYSTEMS.get(LINUX.fstatfs_magic(fd), "<unknown>")
    finally:
        os.close(fd)
