"""What this kernel makes of us: the storage driver chosen, those that work, and which limits it refuses.

    python -m tests.guest.facts          the row of this machine for docs/kernels.md

Every answer comes from trying: drivers store and mount a small layer, limits are written to a cgroup of the trial's
own. Needs root.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.suites.disks import btrfs_disk

from carrack.errors import CarrackError
from carrack.linux.mount import MNT_DETACH, read_mountinfo
from carrack.linux.syscalls import LINUX
from carrack.runtime.cgroups.hierarchy import detect
from carrack.storage.snapshots import probe
from carrack.storage.snapshots.drivers import DRIVERS

if TYPE_CHECKING:
    from carrack.oci.runtime_spec import LinuxResources
    from carrack.runtime.cgroups.hierarchy import Hierarchy

#: docker's option → what it becomes; those that some kernel or cgroup version does not have
OPTIONAL: dict[str, LinuxResources] = {
    "memory-swap": {"memory": {"limit": 64 << 20, "swap": 128 << 20}},
    "memory-swappiness": {"memory": {"swappiness": 10}},
    "oom-kill-disable": {"memory": {"disableOOMKiller": True}},
    "cpu-rt-runtime": {"cpu": {"realtimePeriod": 100_000, "realtimeRuntime": 1000}},
    "blkio-weight": {"blockIO": {"weight": 300}},
}


def row(place: Path) -> str:
    """kernel | cgroup | driver chosen | drivers that work | overlay's lower directories | AppArmor | refused"""
    hierarchy = detect()
    chosen, working = drivers(place)
    refused = [f"`--{option}`" for option, resources in OPTIONAL.items() if not takes(hierarchy, resources)]
    cells = [series(os.uname().release), f"v{hierarchy.version}", chosen, ", ".join(working), lowers(), apparmor()]
    return f"| {' | '.join(cells)} | {', '.join(refused) or 'nothing'} |"


def series(release: str) -> str:
    """``6.1`` of ``6.1.0-56-cloud-amd64``."""
    return ".".join(release.split(".")[:2])


def drivers(place: Path) -> tuple[str, list[str]]:
    """The driver that a fresh data root on that file system gets, and all that work there (btrfs on its own)."""
    working = []
    for name in DRIVERS:
        with tempfile.TemporaryDirectory(prefix="crk-facts-", dir=place) as folder:
            with suppress(OSError, CarrackError, pytest.skip.Exception), _disk(name, Path(folder)) as disk:
                probe.choose(disk / "data", Path(folder, "run"), LINUX, name)
                working.append(name)
            _unmount_below(folder)
    return working[0], working


def _disk(driver: str, folder: Path) -> AbstractContextManager[Path]:
    return btrfs_disk(folder / "disk") if driver == "btrfs" else nullcontext(folder)


def lowers() -> str:
    """How overlayfs takes its lower directories: see storage/snapshots/overlaymount.py."""
    with tempfile.TemporaryDirectory(prefix="crk-facts-") as folder:
        try:
            os.close(LINUX.new_mount("overlay", [("lowerdir+", folder), ("lowerdir+", "/usr"), ("ro", None)]))
        except OSError:
            return "in one string"
    return "one by one"


def apparmor() -> str:
    """Whether the kernel runs it."""
    try:
        return "yes" if Path("/sys/module/apparmor/parameters/enabled").read_text().startswith("Y") else "no"
    except OSError:
        return "no"


def takes(hierarchy: Hierarchy, resources: LinuxResources) -> bool:
    """Whether a cgroup can be limited so."""
    path = f"/crk-facts-{os.getpid()}"
    try:
        hierarchy.create(path).apply(resources)
    except (OSError, CarrackError):
        return False
    finally:
        hierarchy.open(path).remove()
    return True


def _unmount_below(folder: str) -> None:
    for mount in reversed(read_mountinfo(Path("/proc/self/mountinfo").read_text())):
        if mount.mount_point.startswith(f"{folder}/"):
            LINUX.umount(mount.mount_point, MNT_DETACH)


if __name__ == "__main__":
    print(row(Path(os.environ.get("TMPDIR", "/var/tmp"))))
