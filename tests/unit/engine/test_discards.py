"""What is dropped for want of a kernel's ability, in dockerd's words."""

from __future__ import annotations

from typing import Any

import pytest

from carrack.engine.discards import discard, lacking
from carrack.errors import InvalidArgument
from carrack.model import container as model
from carrack.model import schema
from carrack.runtime.cgroups.abilities import EVERYTHING


def host(**changes: Any) -> dict[str, Any]:
    return schema.check(changes, model.HOST_CONFIG)


ASKED: dict[str, tuple[dict[str, Any], str]] = {
    "memory": (
        {"Memory": 1 << 24, "MemorySwap": 1 << 25},
        "memory limit capabilities or the cgroup is not mounted. Limit",
    ),
    "swappiness": ({"MemorySwappiness": 0}, "swappiness capabilities or the cgroup is not mounted. Memory swappiness"),
    "reservation": ({"MemoryReservation": 1 << 24}, "memory soft limit capabilities or the cgroup is not mounted."),
    "oom-kill": ({"OomKillDisable": True, "Memory": 1 << 24}, "OomKillDisable. OomKillDisable discarded."),
    "pids": ({"PidsLimit": 7}, "PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded."),
    "shares": ({"CpuShares": 7}, "CPU shares or the cgroup is not mounted. Shares discarded."),
    "quota": ({"CpuPeriod": 10000, "CpuQuota": 5000}, "CPU CFS scheduler. CPU period/quota discarded."),
    "cpuset": ({"CpusetCpus": "0", "CpusetMems": "0"}, "cpuset or the cgroup is not mounted. Cpuset discarded."),
    "weight": ({"BlkioWeight": 300}, "Block I/O weight or the cgroup is not mounted. Weight discarded."),
    "weight-device": (
        {"BlkioWeightDevice": [{"Path": "/dev/x", "Weight": 300}]},
        "Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.",
    ),
    "read-bps": (
        {"BlkioDeviceReadBps": [{"Path": "/dev/x", "Rate": 1}]},
        "BPS Block I/O read limit or the cgroup is not mounted. Block I/O BPS read limit discarded.",
    ),
    "write-iops": (
        {"BlkioDeviceWriteIOps": [{"Path": "/dev/x", "Rate": 1}]},
        "IOPS Block write limit or the cgroup is not mounted. Block I/O IOPS write limit discarded.",
    ),
}


@pytest.mark.parametrize("ability", ASKED)
def test_what_the_kernel_lacks_is_dropped_and_told(ability: str) -> None:
    fields, text = ASKED[ability]
    able = host(**fields)
    assert discard(able, EVERYTHING) == []
    assert able == host(**fields)
    unable = host(**fields)
    (warning,) = discard(unable, EVERYTHING - {ability})
    assert warning.startswith("Your kernel does not support ")
    assert text in warning
    dropped = fields if ability != "oom-kill" else ("OomKillDisable",)
    assert not any(unable[name] for name in dropped)


def test_nothing_is_told_of_what_nobody_asked_for() -> None:
    assert discard(host(PidsLimit=-1, MemorySwappiness=-1, MemorySwap=-1), frozenset()) == []


def test_memory_without_swap() -> None:
    given = host(Memory=1 << 24, MemorySwap=1 << 25)
    (warning,) = discard(given, EVERYTHING - {"swap"})
    assert warning.endswith("Memory limited without swap.")
    assert (given["Memory"], given["MemorySwap"]) == (1 << 24, -1)


def test_a_killer_that_is_disabled_without_a_limit() -> None:
    (warning,) = discard(host(OomKillDisable=True), EVERYTHING)
    assert warning.startswith("OOM killer is disabled for the container, but no memory limit is set")


@pytest.mark.parametrize(("field", "lacking"), [("NanoCpus", "quota"), ("CpuRealtimeRuntime", "realtime")])
def test_processors_are_refused(field: str, lacking: str) -> None:
    with pytest.raises(InvalidArgument):
        discard(host(**{field: 1000}), EVERYTHING - {lacking})


def test_what_info_warns_of() -> None:
    assert lacking(EVERYTHING, 1) == lacking(EVERYTHING, 2) == []
    first = lacking(EVERYTHING - {"weight", "oom-kill", "read-bps"}, 1)
    assert first == ["WARNING: No oom kill disable support", "WARNING: No blkio throttle.read_bps_device support"]
    second = lacking(EVERYTHING - {"weight", "oom-kill", "read-bps"}, 2)
    assert second == ["WARNING: No io.weight support", "WARNING: No io.max (rbps) support"]
