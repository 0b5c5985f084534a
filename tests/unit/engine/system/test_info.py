"""Info and version documents."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from carrack.engine.system.host import Host
from carrack.engine.system.info import Counts, Settings, SystemInfo


def system(settings: Settings, host: Host) -> SystemInfo:
    async def counts() -> Counts:
        return Counts(running=2, paused=1, stopped=3, images=4)

    return SystemInfo(
        settings, counts=counts, listeners=lambda: 5, api_version="1.51", minimum_api_version="1.41", host=host
    )


def test_info_joins_settings_counts_and_host(tmp_path: Path) -> None:
    (tmp_path / "proc/sys/kernel").mkdir(parents=True)
    (tmp_path / "proc/sys/kernel/hostname").write_text("harbour\n")
    settings = Settings(
        "id-1", "/data", "erofs", (("Backing Filesystem", "ext4"),), labels=("a=b",), pools=(("10.0.0.0/8", 24),)
    )
    info = asyncio.run(system(settings, Host(tmp_path)).info())
    assert (info["ID"], info["Name"], info["Driver"], info["DockerRootDir"]) == ("id-1", "harbour", "erofs", "/data")
    assert (info["Containers"], info["ContainersRunning"], info["ContainersPaused"]) == (6, 2, 1)
    assert (info["ContainersStopped"], info["Images"], info["NEventsListener"]) == (3, 4, 5)
    assert info["DriverStatus"] == [["Backing Filesystem", "ext4"]]
    assert info["DefaultAddressPools"] == [{"Base": "10.0.0.0/8", "Size": 24}]
    assert info["Labels"] == ["a=b"]
    assert info["MemoryLimit"] is False
    assert "WARNING: No memory limit support" in info["Warnings"]
    assert info["Swarm"]["LocalNodeState"] == "inactive"


def test_version_names_the_engine_first() -> None:
    version = system(Settings("i", "/d", "erofs"), Host()).version()
    assert version["Components"][0]["Name"] == "Engine"
    assert version["Components"][0]["Details"]["MinAPIVersion"] == "1.41"
    assert (version["ApiVersion"], version["MinAPIVersion"], version["Os"]) == ("1.51", "1.41", "linux")
    assert version["Arch"] not in ("", "x86_64")
    assert version["KernelVersion"]


def test_settings_can_change_while_it_runs(tmp_path: Path) -> None:
    told = system(Settings("i", "/d", "erofs", labels=("a=1",)), Host(tmp_path))
    told.change(dataclasses.replace(told.settings, labels=("a=2",)))
    assert asyncio.run(told.info())["Labels"] == ["a=2"]
