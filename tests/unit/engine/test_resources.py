"""Limits: Docker's refusals (texts taken from dockerd 28.5), and what reaches the runtime spec."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrack.engine import defaults, resources
from carrack.errors import InvalidArgument
from carrack.model import container as model
from carrack.model import schema

MB = 1 << 20


def host(**changes: Any) -> dict[str, Any]:
    return schema.check(changes, model.HOST_CONFIG)


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"Memory": 1}, "Minimum memory limit allowed is 6MB"),
        ({"Memory": -1}, "Minimum memory limit allowed is 6MB"),
        ({"MemorySwap": MB}, "You should always set the Memory limit when using Memoryswap limit, see usage"),
        (
            {"Memory": 64 * MB, "MemorySwap": MB},
            "Minimum memoryswap limit should be larger than memory limit, see usage",
        ),
        ({"MemoryReservation": 5}, "Minimum memory reservation allowed is 6MB"),
        (
            {"Memory": 10 * MB, "MemoryReservation": 20 * MB},
            "Minimum memory limit can not be less than memory reservation limit, see usage",
        ),
        ({"MemorySwappiness": 101}, "Invalid value: 101, valid memory swappiness range is 0-100"),
        ({"BlkioWeight": 5}, "Range of blkio weight is from 10 to 1000"),
        ({"NanoCpus": 10**12}, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
        ({"NanoCpus": -5}, "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available"),
        (
            {"NanoCpus": 10**9, "CpuPeriod": 1000},
            "Conflicting options: Nano CPUs and CPU Period cannot both be set",
        ),
        ({"NanoCpus": 10**9, "CpuQuota": 1000}, "Conflicting options: Nano CPUs and CPU Quota cannot both be set"),
        (
            {"CpuPeriod": 5},
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)",
        ),
        ({"CpuQuota": 5}, "CPU cfs quota can not be less than 1ms (i.e. 1000)"),
        ({"CpuShares": -1}, "invalid CPU shares (-1): value must be a positive integer"),
        ({"CpusetCpus": "0,2-1"}, "Invalid value 0,2-1 for cpuset cpus: invalid format: 0,2-1"),
        ({"CpusetCpus": "x"}, "Invalid value x for cpuset cpus: invalid format: x"),
        ({"CpusetMems": "0-"}, "Invalid value 0- for cpuset mems: invalid format: 0-"),
        ({"CpusetCpus": "0\n"}, "Invalid value 0\n for cpuset cpus: invalid format: 0\n"),
        ({"ShmSize": -1}, "SHM size can not be less than 0"),
        ({"OomScoreAdj": -2000}, "Invalid value -2000, range for oom score adj is [-1000, 1000]"),
    ],
)
def test_what_makes_no_sense_is_refused_with_dockers_words(limits: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        resources.check(host(**limits), 2)
    assert str(failure.value) == text


@pytest.mark.parametrize(
    "limits",
    [{}, {"Memory": 6 * MB}, {"Memory": 6 * MB, "MemorySwap": -1}, {"MemorySwappiness": -1}, {"NanoCpus": 1000},
     {"CpuQuota": -1}, {"CpusetCpus": "0"}, {"PidsLimit": -5}, {"NanoCpus": 2 * 10**9}],
)  # fmt: skip
def test_what_docker_takes_passes(limits: dict[str, Any]) -> None:
    resources.check(host(**limits), 2)


def test_what_the_machine_has_not_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"^Requested CPUs are not available - requested 7000, available: "):
        resources.check(host(CpusetCpus="7000"), 2)


def test_nothing_set_leaves_only_the_devices() -> None:
    assert resources.build(host(), []) == {"devices": []}


def test_every_limit_reaches_the_spec() -> None:
    limits = host(
        Memory=64 * MB, MemoryReservation=32 * MB, MemorySwap=-1, MemorySwappiness=10, OomKillDisable=True,
        CpuShares=5, CpuPeriod=100_000, CpuQuota=50_000, CpuRealtimePeriod=1, CpuRealtimeRuntime=2, CpusetCpus="0",
        CpusetMems="0", PidsLimit=9, BlkioWeight=100, BlkioWeightDevice=[{"Path": "/dev/null", "Weight": 20}],
        BlkioDeviceReadBps=[{"Path": "/dev/zero", "Rate": 1}], BlkioDeviceWriteBps=[{"Path": "/dev/zero", "Rate": 2}],
        BlkioDeviceReadIOps=[{"Path": "/dev/zero", "Rate": 3}], BlkioDeviceWriteIOps=[{"Path": "/dev/zero", "Rate": 4}],
    )  # fmt: skip
    assert resources.build(limits, []) == {
        "devices": [],
        "memory": {
            "limit": 64 * MB,
            "reservation": 32 * MB,
            "swap": -1,
            "swappiness": 10,
            "disableOOMKiller": True,
        },
        "cpu": {
            "shares": 5,
            "period": 100_000,
            "quota": 50_000,
            "realtimePeriod": 1,
            "realtimeRuntime": 2,
            "cpus": "0",
            "mems": "0",
        },
        "pids": {"limit": 9},
        "blockIO": {
            "weight": 100,
            "weightDevice": [{"major": 1, "minor": 3, "weight": 20}],
            "throttleReadBpsDevice": [{"major": 1, "minor": 5, "rate": 1}],
            "throttleWriteBpsDevice": [{"major": 1, "minor": 5, "rate": 2}],
            "throttleReadIOPSDevice": [{"major": 1, "minor": 5, "rate": 3}],
            "throttleWriteIOPSDevice": [{"major": 1, "minor": 5, "rate": 4}],
        },
    }


@given(st.integers(10_000_000, 64 * 10**9))
def test_processors_as_quota(nano: int) -> None:
    cpu = resources.build(host(NanoCpus=nano), [])["cpu"]
    assert cpu["period"] == 100_000
    assert abs(cpu["quota"] / cpu["period"] - nano / 1e9) < 0.0001


def test_a_device_of_the_host_with_its_rule() -> None:
    wanted = [{"PathOnHost": "/dev/null", "PathInContainer": "/dev/mine", "CgroupPermissions": "r"}]
    nodes, rules = resources.devices(host(Devices=wanted, DeviceCgroupRules=["c 13:* rwm", "a *:* m"]))
    assert nodes[0]["path"] == "/dev/mine"
    assert (nodes[0]["major"], nodes[0]["minor"], nodes[0]["type"]) == (1, 3, "c")
    assert rules[: len(defaults.DEVICE_RULES)] == list(defaults.DEVICE_RULES)
    assert rules[len(defaults.DEVICE_RULES) :] == [
        {"allow": True, "type": "c", "major": 1, "minor": 3, "access": "r"},
        {"allow": True, "type": "c", "access": "rwm", "major": 13},
        {"allow": True, "type": "a", "access": "m"},
    ]


def test_a_directory_means_the_devices_below(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert resources.devices(host(Devices=[{"PathOnHost": str(tmp_path)}]))[0] == []
    if os.path.isdir("/dev/pts"):
        found, _ = resources.devices(host(Devices=[{"PathOnHost": "/dev/pts", "PathInContainer": "/dev/t"}]))
        assert "/dev/t/ptmx" in {node["path"] for node in found}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"Devices": [{"PathOnHost": "/nonexist"}]},
            'error gathering device information while adding custom device "/nonexist": no such file or directory',
        ),
        ({"Devices": [{"PathOnHost": "/etc/passwd"}]}, "not a device node"),
        ({"Devices": [{"PathOnHost": "/dev/null", "CgroupPermissions": "xyz"}]}, "invalid device mode: xyz"),
        ({"Devices": [{"PathOnHost": "/dev/null", "CgroupPermissions": "rr"}]}, "invalid device mode: rr"),
        ({"DeviceCgroupRules": ["foo"]}, "invalid device cgroup rule format: 'foo'"),
        ({"DeviceCgroupRules": ["c 1:3 rwm\n"]}, "invalid device cgroup rule format"),
        ({"DeviceCgroupRules": ["c 1:3"]}, "invalid device cgroup rule format: 'c 1:3'"),
    ],
)
def test_devices_that_are_none(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidArgument) as failure:
        resources.devices(host(**changes))
    assert text in str(failure.value)


def test_privileged_sees_every_device_but_terminals() -> None:
    nodes, rules = resources.devices(host(Privileged=True))
    paths = {node["path"] for node in nodes}
    assert "/dev/null" in paths
    assert "/dev/console" not in paths
    assert not any(path.startswith("/dev/pts/") for path in paths)
    assert rules == [{"allow": True, "access": "rwm"}]


def test_ulimits() -> None:
    given = [{"Name": "nofile", "Soft": 10, "Hard": 20}, {"Name": "core", "Soft": -1, "Hard": -1}]
    assert resources.rlimits(host(Ulimits=given)) == [
        {"type": "RLIMIT_NOFILE", "soft": 10, "hard": 20},
        {"type": "RLIMIT_CORE", "soft": 2**64 - 1, "hard": 2**64 - 1},
    ]
    with pytest.raises(InvalidArgument, match=r"^invalid ulimit type: foo$"):
        resources.rlimits(host(Ulimits=[{"Name": "foo", "Soft": 1, "Hard": 1}]))
    with pytest.raises(InvalidArgument, match=r"^ulimit soft limit must be less than or equal to hard limit: 3 > 1$"):
        resources.rlimits(host(Ulimits=[{"Name": "nofile", "Soft": 3, "Hard": 1}]))
